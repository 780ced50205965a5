//! IDX, the format of MNIST: a type, the sizes of the axes, the numbers.

use super::IdxReader;
use crate::DataError;
use kniff_tensor::{Element, Indices, Tensor};
use std::io::Read;
use std::path::Path;

/// The number type of an IDX file; the discriminant is its code in the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdxKind {
    /// Unsigned bytes.
    U8 = 0x08,
    /// Signed bytes.
    I8 = 0x09,
    /// 16-bit integers.
    I16 = 0x0b,
    /// 32-bit integers.
    I32 = 0x0c,
    /// 32-bit floating point.
    F32 = 0x0d,
    /// 64-bit floating point.
    F64 = 0x0e,
}

/// What an IDX file holds, as it is stored; plain or gzip, which its first bytes tell.
///
/// ```
/// use kniff_data::Idx;
/// // Unsigned bytes, two axes of sizes 1 and 3.
/// let file = [0, 0, 8, 2, 0, 0, 0, 1, 0, 0, 0, 3, 7, 0, 255];
/// let idx = Idx::parse("three bytes", &file[..])?;
/// assert_eq!(idx.shape(), [1, 3]);
/// assert_eq!(idx.to_tensor::<f32>().to_vec(), [7.0, 0.0, 255.0]);
/// # Ok::<(), kniff_data::DataError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Idx {
    pub(super) name: String,
    pub(super) kind: IdxKind,
    pub(super) shape: Vec<usize>,
    pub(super) bytes: Vec<u8>,
}

impl Idx {
    /// Reads a file, as [`IdxReader`] does unless told otherwise.
    ///
    /// # Errors
    /// As [`IdxReader::read`].
    pub fn read(path: impl AsRef<Path>) -> Result<Self, DataError> {
        IdxReader::new().read(path)
    }

    /// Reads a stream, which messages call `name`.
    ///
    /// # Errors
    /// As [`IdxReader::read`].
    pub fn parse(name: &str, stream: impl Read) -> Result<Self, DataError> {
        IdxReader::new().parse(name, stream)
    }

    /// The number type in the file.
    pub fn kind(&self) -> IdxKind {
        self.kind
    }

    /// The sizes of the axes.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The numbers, rounded to the nearest `E` where it is narrower.
    pub fn to_tensor<E: Element>(&self) -> Tensor<E> {
        let mut out = Tensor::scratch(&self.shape);
        let to = out.make_mut();
        let from = &self.bytes;
        match self.kind {
            IdxKind::U8 => fill(to, from, |[b]| f64::from(b)),
            IdxKind::I8 => fill(to, from, |b| f64::from(i8::from_be_bytes(b))),
            IdxKind::I16 => fill(to, from, |b| f64::from(i16::from_be_bytes(b))),
            IdxKind::I32 => fill(to, from, |b| f64::from(i32::from_be_bytes(b))),
            IdxKind::F32 => fill(to, from, |b| f64::from(f32::from_be_bytes(b))),
            IdxKind::F64 => fill(to, from, f64::from_be_bytes),
        }
        out
    }

    /// The numbers as class labels.
    ///
    /// # Errors
    /// [`DataError::Format`] if one is negative or not whole.
    pub fn to_indices(&self) -> Result<Indices, DataError> {
        if self.kind == IdxKind::U8 {
            return Ok(Indices::new(self.bytes.iter().map(|&b| usize::from(b)).collect(), &self.shape));
        }
        // f64 holds every integer type of the format exactly.
        let numbers: Tensor<f64> = self.to_tensor();
        let mut labels = Vec::with_capacity(numbers.len());
        for (i, &x) in numbers.as_slice().unwrap_or_default().iter().enumerate() {
            if !(x >= 0.0 && x.fract() == 0.0 && x < 9e15) {
                return Err(DataError::format(
                    &self.name,
                    "class labels: whole numbers from 0 on",
                    format!("{x} at {i}"),
                ));
            }
            labels.push(x as usize);
        }
        Ok(Indices::new(labels, &self.shape))
    }
}

impl IdxKind {
    pub(super) fn of(code: u8) -> Option<Self> {
        [Self::U8, Self::I8, Self::I16, Self::I32, Self::F32, Self::F64].into_iter().find(|&kind| kind as u8 == code)
    }

    pub(super) fn size(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::I16 => 2,
            Self::I32 | Self::F32 => 4,
            Self::F64 => 8,
        }
    }
}

/// Numbers from bytes, `N` at a time.
pub(super) fn fill<E: Element, const N: usize>(to: &mut [E], from: &[u8], number: impl Fn([u8; N]) -> f64) {
    for (to, from) in to.iter_mut().zip(from.as_chunks::<N>().0) {
        *to = E::from_f64(number(*from));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;

    fn file(code: u8, shape: &[u32], numbers: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 0, code, shape.len() as u8];
        shape.iter().for_each(|axis| bytes.extend(axis.to_be_bytes()));
        bytes.extend(numbers);
        bytes
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut e = GzEncoder::new(Vec::new(), Compression::best());
        e.write_all(bytes).unwrap();
        e.finish().unwrap()
    }

    #[test]
    fn every_type_is_read() {
        let cases: [(u8, Vec<u8>); 6] = [
            (0x08, vec![1, 254]),
            (0x09, vec![1, (-2_i8) as u8]),
            (0x0b, [1_i16.to_be_bytes(), (-2_i16).to_be_bytes()].concat()),
            (0x0c, [1_i32.to_be_bytes(), (-2_i32).to_be_bytes()].concat()),
            (0x0d, [1_f32.to_be_bytes(), (-2_f32).to_be_bytes()].concat()),
            (0x0e, [1_f64.to_be_bytes(), (-2_f64).to_be_bytes()].concat()),
        ];
        for (code, numbers) in cases {
            let expected = if code == 8 { [1.0, 254.0] } else { [1.0, -2.0] };
            let plain = file(code, &[2], &numbers);
            for bytes in [plain.clone(), gzip(&plain)] {
                let idx = Idx::parse("x", &bytes[..]).unwrap();
                assert_eq!((idx.kind() as u8, idx.to_tensor::<f32>().to_vec()), (code, expected.to_vec()));
                assert_eq!(idx.to_indices().is_ok(), code == 8);
            }
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let says = |bytes: &[u8], words: &str| {
            let e = Idx::parse("f.idx", bytes).unwrap_err().to_string();
            assert!(e.starts_with("f.idx: expected ") && e.contains(words), "{e}");
        };
        says(&[], "4 bytes of IDX header, found 0 bytes");
        says(b"PK\x03\x04", "found the bytes 50 4b");
        says(&[0, 0, 7, 1], "found 07");
        says(&[0, 0, 8, 0], "1 to 8 axes, found 0");
        says(&[0, 0, 8, 9], "1 to 8 axes, found 9");
        says(&file(8, &[2, 3], &[0; 5]), "6 bytes of numbers for shape [2, 3], found 5 bytes");
        says(&file(8, &[1], &[0; 2]), "1 bytes of numbers for shape [1], found more bytes, at least 2");
        says(&file(8, &[u32::MAX; 8], &[]), "sizes that memory can hold");
        let packed = gzip(&file(8, &[100], &[3; 100]));
        says(&packed[..packed.len() - 9], "gzip");
        // An axis of 0 hides no others.
        says(&file(8, &[0, u32::MAX, u32::MAX, u32::MAX], &[]), "sizes that memory can hold");
    }

    #[test]
    fn a_bomb_is_not_unpacked_beyond_the_promise() {
        // 64 MiB of zeros behind a header that promises 4 bytes, and a promise of 4 GiB with nothing behind it.
        let mut bomb = file(8, &[4], &[0; 4]);
        bomb.resize(64 << 20, 0);
        // Damage at the end is not reached by who stops at the fifth byte.
        let mut packed = gzip(&bomb);
        let end = packed.len();
        packed[end - 8..].fill(0xaa);
        assert!(Idx::parse("bomb", &packed[..]).unwrap_err().to_string().contains("found more bytes, at least 5"));
        assert!(
            Idx::parse("lie", &file(8, &[u32::MAX], &[0; 4])[..]).unwrap_err().to_string().contains("found 4 bytes")
        );
    }
}
