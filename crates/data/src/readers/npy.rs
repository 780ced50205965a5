//! npy, NumPy's format for one array.

use super::NpyReader;
use super::idx::fill;
use crate::reader::Source;
use crate::{DataError, write_atomically};
use half::f16;
use kniff_tensor::{Element, Indices, MAX_RANK, Tensor};
use std::io::{BufWriter, Read, Write};
use std::path::Path;

const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// NumPy itself refuses headers beyond 10,000 bytes.
const LONGEST_HEADER: usize = 10_000;

/// Reads an npy file: `f4`, `f8`, `i1`, `i2`, `i4`, `i8`, `u1`, `u2`, `u4`, `u8`, `f2` or `b1`, either byte order, row- or column-major; gzip or not.
///
/// Numbers are rounded to the nearest `E` where it is narrower; a finite one that it cannot hold is an error. Every byte of a
/// `b1` but 0 is 1, true. Pickled objects are refused.
///
/// # Errors
/// [`DataError::Io`] if the file cannot be read; [`DataError::Format`] if it is not npy, holds another type, is cut short, or goes on
/// after its end; also if it is gzip that unpacks to more than 1 GiB, which [`NpyReader::limit`] can raise.
pub fn read_npy<E: Element>(path: impl AsRef<Path>) -> Result<Tensor<E>, DataError> {
    NpyReader::new().read(path)
}

/// Reads class labels, an npy file of integers.
///
/// # Errors
/// As [`read_npy`], and if the numbers are not whole or one is negative.
pub fn read_npy_indices(path: impl AsRef<Path>) -> Result<Indices, DataError> {
    NpyReader::new().read_indices(path)
}

/// [`read_npy`] from a stream, which messages call `name`.
///
/// ```
/// use kniff_data::{encode_npy, parse_npy};
/// use kniff_tensor::Tensor;
/// let x: Tensor = Tensor::arange(6).reshape([2, 3]);
/// let mut file = Vec::new();
/// encode_npy(&mut file, &x)?;
/// assert_eq!(parse_npy::<f32>("x.npy", &file[..])?, x);
/// # Ok::<(), kniff_data::DataError>(())
/// ```
///
/// # Errors
/// As [`read_npy`].
pub fn parse_npy<E: Element>(name: &str, stream: impl Read) -> Result<Tensor<E>, DataError> {
    NpyReader::new().parse(name, stream)
}

/// Writes an npy file of version 1, little-endian, row-major; one of the same name is replaced once the new one is whole.
///
/// # Errors
/// [`DataError::Io`] with what the system said.
pub fn write_npy<E: Element>(path: impl AsRef<Path>, x: &Tensor<E>) -> Result<(), DataError> {
    let name = path.as_ref().display().to_string();
    write_atomically(path, |file| write(file, x)).map_err(|e| DataError::io(&name, e))
}

/// [`write_npy`] to a stream.
///
/// # Errors
/// [`DataError::Io`] with what the stream said.
pub fn encode_npy<E: Element>(stream: impl Write, x: &Tensor<E>) -> Result<(), DataError> {
    let mut stream = BufWriter::new(stream);
    let written = write(&mut stream, x).and_then(|()| stream.flush());
    written.map_err(|e| DataError::io("npy stream", e))
}

/// The bytes of an npy file.
pub(super) fn write<E: Element>(stream: &mut (impl Write + ?Sized), x: &Tensor<E>) -> std::io::Result<()> {
    let axes: String = x.shape().iter().map(|axis| format!("{axis}, ")).collect();
    let type_code = if E::NAME == "f32" { "<f4" } else { "<f8" };
    let mut header = format!("{{'descr': '{type_code}', 'fortran_order': False, 'shape': ({}), }}", axes.trim_end());
    // The numbers begin at a multiple of 64 bytes; the header ends with a line feed.
    while !(MAGIC.len() + 4 + header.len() + 1).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    stream.write_all(MAGIC)?;
    stream.write_all(&[1, 0])?;
    stream.write_all(&(header.len() as u16).to_le_bytes())?;
    stream.write_all(header.as_bytes())?;
    for &v in x.contiguous().as_slice().unwrap_or_default() {
        match E::NAME {
            "f32" => stream.write_all(&(v.to_f64() as f32).to_le_bytes())?,
            _ => stream.write_all(&v.to_f64().to_le_bytes())?,
        }
    }
    Ok(())
}

/// What a file holds.
pub(super) struct Array {
    name: String,
    /// Kind and size, such as `f4`.
    code: String,
    big_endian: bool,
    column_major: bool,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Array {
    pub(super) fn read(mut source: Source<'_>, limit: u64, mend: &str) -> Result<Self, DataError> {
        let name = source.name().to_owned();
        let magic: [u8; 8] = source.array("npy header")?;
        if magic[..6] != *MAGIC {
            return Err(DataError::format(
                &name,
                "an npy file, which begins with \\x93NUMPY",
                format!("{:02x?}", &magic[..6]),
            ));
        }
        let len = match magic[6] {
            1 => usize::from(u16::from_le_bytes(source.array("npy header")?)),
            2 | 3 => u32::from_le_bytes(source.array("npy header")?) as usize,
            other => return Err(DataError::format(&name, "npy version 1, 2 or 3", other.to_string())),
        };
        if len > LONGEST_HEADER {
            return Err(DataError::format(
                &name,
                format!("a header of at most {LONGEST_HEADER} bytes"),
                len.to_string(),
            ));
        }
        let header = source.bytes(len, "npy header")?;
        let header = String::from_utf8_lossy(&header).into_owned();
        let Some((descr, column_major, shape)) = dictionary(&header) else {
            let expected = "a dictionary with 'descr', 'fortran_order' and 'shape'";
            return Err(DataError::format(&name, expected, header.trim().chars().take(200).collect::<String>()));
        };
        if shape.len() > MAX_RANK {
            return Err(DataError::format(&name, format!("at most {MAX_RANK} axes"), shape.len().to_string()));
        }
        let (order, code) = descr.split_at(descr.chars().next().map_or(0, char::len_utf8));
        let known = ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"];
        if !["<", ">", "|", "="].contains(&order) || !known.contains(&code) {
            return Err(DataError::format(&name, format!("one of the types {}", known.join(", ")), descr));
        }
        let size = usize::from(code.as_bytes()[1] - b'0');
        let len = source.promise(&shape, size, limit, mend)?;
        let bytes = source.last_bytes(len, &format!("numbers for shape {shape:?}"))?;
        Ok(Self { name, code: code.to_owned(), big_endian: order == ">", column_major, shape, bytes })
    }

    pub(super) fn indices(&self) -> Result<Indices, DataError> {
        let numbers: Tensor<f64> = self.tensor()?;
        let labels = numbers.as_slice().unwrap_or_default().iter().map(|&x| match x {
            // Below 2^53 every whole number is exact in f64.
            x if x >= 0.0 && x.fract() == 0.0 && x < 9e15 => Ok(x as usize),
            x => Err(DataError::format(&self.name, "class labels: whole numbers from 0 on", x.to_string())),
        });
        Ok(Indices::new(labels.collect::<Result<Vec<_>, _>>()?, *numbers.shape()))
    }

    pub(super) fn tensor<E: Element>(&self) -> Result<Tensor<E>, DataError> {
        let mut shape = self.shape.clone();
        if self.column_major {
            shape.reverse();
        }
        let mut out = Tensor::scratch(&shape);
        let (to, from) = (out.make_mut(), &self.bytes);
        macro_rules! read {
            ($t:ident) => {
                read!($t, |x| x as f64)
            };
            ($t:ident, $widen:expr) => {
                match self.big_endian {
                    true => fill(to, from, |b| $widen($t::from_be_bytes(b))),
                    false => fill(to, from, |b| $widen($t::from_le_bytes(b))),
                }
            };
        }
        match self.code.as_str() {
            "f2" => read!(f16, f16::to_f64),
            "f4" => read!(f32),
            "f8" => read!(f64),
            "i1" => read!(i8),
            "i2" => read!(i16),
            "i4" => read!(i32),
            "i8" => read!(i64),
            "u2" => read!(u16),
            "u4" => read!(u32),
            "u8" => read!(u64),
            "b1" => fill(to, from, |b: [u8; 1]| f64::from(u8::from(b[0] != 0))),
            _ => read!(u8),
        }
        if self.code == "f8" && E::MAX.to_f64() < f64::MAX {
            self.check_range::<E>(to)?;
        }
        let reversed: Vec<usize> = (0..shape.len()).rev().collect();
        Ok(if self.column_major { out.permute(&reversed).contiguous() } else { out })
    }
}

impl Array {
    /// How many bytes of numbers there are.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Refuses finite numbers that became infinite.
    fn check_range<E: Element>(&self, rounded: &[E]) -> Result<(), DataError> {
        let number = |b: &[u8]| {
            let b = b.try_into().unwrap_or_default();
            if self.big_endian { f64::from_be_bytes(b) } else { f64::from_le_bytes(b) }
        };
        let numbers = self.bytes.chunks_exact(8).map(number);
        match rounded.iter().zip(numbers).find(|(rounded, x)| !rounded.is_finite() && x.is_finite()) {
            None => Ok(()),
            Some((_, x)) => {
                Err(DataError::format(&self.name, format!("numbers that {} can hold", E::NAME), format!("{x:e}")))
            }
        }
    }
}

/// The three entries of the header's Python dictionary, whose form NumPy fixes.
fn dictionary(header: &str) -> Option<(String, bool, Vec<usize>)> {
    let body = header.trim().strip_prefix('{')?.strip_suffix('}')?;
    let after = |key: &str| -> Option<&str> {
        let quoted = [format!("'{key}'"), format!("\"{key}\"")];
        let at = quoted.iter().find_map(|q| body.find(q.as_str()).map(|at| at + q.len()))?;
        body[at..].trim_start().strip_prefix(':').map(str::trim_start)
    };
    let descr = after("descr")?;
    let quote = descr.chars().next().filter(|c| ['\'', '"'].contains(c))?;
    let descr = descr[1..].split(quote).next()?.to_owned();
    let order = after("fortran_order")?;
    let column_major = if order.starts_with("True") {
        true
    } else if order.starts_with("False") {
        false
    } else {
        return None;
    };
    let (inner, _) = after("shape")?.strip_prefix('(')?.split_once(')')?;
    let mut shape = Vec::new();
    for axis in inner.split(',').map(str::trim).filter(|axis| !axis.is_empty()) {
        shape.push(axis.parse().ok()?);
    }
    Some((descr, column_major, shape))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(descr: &str, order: &str, shape: &str, numbers: &[u8]) -> Vec<u8> {
        let header = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}\n");
        [MAGIC.as_slice(), &[1, 0], &(header.len() as u16).to_le_bytes(), header.as_bytes(), numbers].concat()
    }

    #[test]
    fn types_orders_and_layouts_are_read() {
        let read = |bytes: Vec<u8>| parse_npy::<f64>("x", &bytes[..]).unwrap();
        let six: Vec<u8> = (0..6_i32).flat_map(i32::to_be_bytes).collect();
        assert_eq!(read(file(">i4", "False", "(2, 3)", &six)).to_vec(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        let columns = read(file(">i4", "True", "(2, 3)", &six));
        assert_eq!(columns.shape(), &[2, 3]);
        assert_eq!(columns.to_vec(), [0.0, 2.0, 4.0, 1.0, 3.0, 5.0]);
        assert_eq!(read(file("<i8", "False", "(1,)", &(-5_i64).to_le_bytes())).to_vec(), [-5.0]);
        assert_eq!(read(file("<u8", "False", "(1,)", &(1_u64 << 40).to_le_bytes())).to_vec(), [2.0_f64.powi(40)]);
        assert_eq!(
            read(file("<f2", "False", "(3,)", &[0, 0x3c, 0, 0xc1, 1, 0])).to_vec(),
            [1.0, -2.5, 2.0_f64.powi(-24)]
        );
        assert_eq!(read(file("|u1", "False", "(2,)", &[0, 255])).to_vec(), [0.0, 255.0]);
        assert_eq!(read(file("|b1", "False", "(3,)", &[0, 1, 2])).to_vec(), [0.0, 1.0, 1.0]);
        assert_eq!(read(file("<f4", "False", "()", &1.5_f32.to_le_bytes())).item(), 1.5);
        assert_eq!(read(file("<f8", "False", "(0, 3)", &[])).shape(), &[0, 3]);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let says = |bytes: &[u8], words: &str| {
            let e = parse_npy::<f32>("f.npy", bytes).unwrap_err().to_string();
            assert!(e.starts_with("f.npy: expected ") && e.contains(words), "{e}");
        };
        says(b"\x93NUMP", "8 bytes of npy header, found 5");
        says(b"not an npy file", "an npy file");
        says(&file("|O", "False", "(1,)", &[0; 8]), "found |O");
        says(&file("", "False", "(1,)", &[0; 8]), "one of the types");
        says(&file("<f4", "False", "(2,)", &[0; 7]), "8 bytes of numbers for shape [2], found 7 bytes");
        says(&file("<f4", "False", "(2,)", &[0; 9]), "8 bytes of numbers for shape [2], found more bytes, at least 9");
        says(&file("<f4", "False", "(1", &[0; 4]), "a dictionary");
        says(&file("<f8", "False", "(2,)", &[[0; 8], 1e300_f64.to_le_bytes()].concat()), "f32 can hold, found 1e300");
        says(&file("<f4", "Maybe", "(2,)", &[0; 8]), "a dictionary");
        says(&file("<f4", "False", "(-2,)", &[0; 8]), "a dictionary");
        says(&file("<f4", "False", "(99999999999, 99999999999)", &[]), "memory can hold");
        says(&file("<f4", "False", "(0, 99999999999, 99999999999)", &[]), "memory can hold");
        says(&file("<f4", "False", "(1,1,1,1,1,1,1,1,1)", &[0; 4]), "at most 8 axes");
        says(&[MAGIC.as_slice(), &[2, 0, 255, 255, 255, 255]].concat(), "at most 10000 bytes");
    }

    #[test]
    fn what_is_written_is_numpys_form() {
        let mut bytes = Vec::new();
        encode_npy(&mut bytes, &Tensor::<f64>::ones([3])).unwrap();
        assert_eq!(bytes.len(), 128 + 24);
        let header = "{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }";
        assert!(bytes[10..].starts_with(header.as_bytes()) && bytes[127] == b'\n');
        let mut bytes = Vec::new();
        let t = Tensor::<f32>::arange(6).reshape([2, 3]).t();
        encode_npy(&mut bytes, &t).unwrap();
        assert_eq!(parse_npy::<f32>("x", &bytes[..]).unwrap(), t);
    }
}
