//! safetensors, the format of names and plain numbers in which PyTorch's models are passed on.
//!
//! | the file's type | read as f32 | read as f64 |
//! |---|---|---|
//! | F16, BF16 | exact | exact |
//! | F32 | exact | exact |
//! | F64 | the nearest, halves to even; a finite number beyond f32's range is an error | exact |
//! | I8 to I64, U8 to U64 | rounded, exact up to 2^24 | rounded, exact up to 2^53 |
//! | BOOL | 0 and 1 | 0 and 1 |
//! | others (F8, F4, C64 ...) | an error that names the tensor | the same |
//!
//! Infinities and NaN stay what they are. Tensors are written in the model's own type, `num_batches_tracked` as PyTorch's I64.

use crate::{FormatError, Weights};
use half::{bf16, f16};
use kniff_data::write_atomically;
use kniff_nn::Module;
use kniff_tensor::{Element, MAX_RANK, Shape, Tensor};
use safetensors::tensor::{Dtype, SafeTensors, TensorView, View};
use std::borrow::Cow;
use std::path::Path;

/// Reads a file's tensors, in the order in which they lie in it, rounded to the nearest `E`.
///
/// Takes no more memory than a few times the file's size, whatever the file claims.
///
/// # Errors
/// [`FormatError::Io`] if it cannot be read; [`FormatError::Damaged`] if it is no whole safetensors file; [`FormatError::Type`] and
/// [`FormatError::Range`] with the tensor whose numbers are not read or do not fit.
pub fn read<E: Element>(path: impl AsRef<Path>) -> Result<Weights<E>, FormatError> {
    let file = path.as_ref().display().to_string();
    let bytes = std::fs::read(path).map_err(|source| FormatError::Io { file: file.clone(), source })?;
    parse(&file, &bytes)
}

/// [`read`] from the bytes of a file, which messages call `name`.
///
/// # Errors
/// As there.
pub fn parse<E: Element>(name: &str, bytes: &[u8]) -> Result<Weights<E>, FormatError> {
    let damaged = |found: String| FormatError::damaged(name, "a whole safetensors file", found);
    let file = SafeTensors::deserialize(bytes).map_err(|e| damaged(e.to_string()))?;
    let mut views = file.tensors();
    // By place in the file; of tensors without numbers several may be at one place, so by name then.
    views.sort_by(|(a, x), (b, y)| (x.data().as_ptr(), x.data().len(), a).cmp(&(y.data().as_ptr(), y.data().len(), b)));
    let mut tensors = Vec::with_capacity(views.len());
    for (tensor, view) in views {
        let x = numbers(name, &tensor, &view)?;
        tensors.push((tensor, x));
    }
    Weights::of_file(name, tensors)
}

/// Writes a file that PyTorch's safetensors package reads; one of the same name is replaced once the new one is whole.
///
/// # Errors
/// [`FormatError::Io`] with what the system said; [`FormatError::Damaged`] if the names take more than the format's 100 MB.
pub fn write<E: Element>(path: impl AsRef<Path>, weights: &Weights<E>) -> Result<(), FormatError> {
    let file = path.as_ref().display().to_string();
    let bytes = encode(&file, weights)?;
    write_atomically(path, |stream| stream.write_all(&bytes)).map_err(|source| FormatError::Io { file, source })
}

/// The bytes that [`write()`] writes.
///
/// # Errors
/// [`FormatError::Damaged`] if the names take more than the format's 100 MB.
pub fn encode<E: Element>(name: &str, weights: &Weights<E>) -> Result<Vec<u8>, FormatError> {
    let tensors = weights.tensors().iter().map(|(name, x)| (name.as_str(), Written::new(name, x)));
    // What PyTorch's side writes too, so that its users see whose layout this is.
    let metadata = [("format".to_owned(), "pt".to_owned())].into_iter().collect();
    ::safetensors::serialize(tensors, Some(metadata))
        .map_err(|e| FormatError::damaged(name, "names that safetensors can hold", e.to_string()))
}

/// Writes the parameters and buffers of a model.
///
/// # Errors
/// As [`write()`].
pub fn save<E: Element>(model: &(impl Module<E> + ?Sized), path: impl AsRef<Path>) -> Result<(), FormatError> {
    write(path, &Weights::of(model))
}

/// Reads a file into a model that has exactly its names and shapes; for others see [`Weights`].
///
/// # Errors
/// As [`read`] and [`Weights::load_into`]; the model is as it was.
pub fn load_into<E: Element>(model: &mut (impl Module<E> + ?Sized), path: impl AsRef<Path>) -> Result<(), FormatError> {
    read(path)?.load_into(model)
}

/// A tensor's numbers as `E`.
fn numbers<E: Element>(file: &str, tensor: &str, view: &TensorView<'_>) -> Result<Tensor<E>, FormatError> {
    let Some(shape) = Shape::try_new(view.shape()) else {
        let expected = format!("tensors of at most {MAX_RANK} axes that memory can hold");
        let axes: Vec<usize> = view.shape().iter().take(MAX_RANK + 1).copied().collect();
        return Err(FormatError::damaged(file, expected, format!("{tensor:?} of shape {axes:?}")));
    };
    let bytes = view.data();
    let elements: Vec<E> = match view.dtype() {
        Dtype::F64 => {
            let exact = bytes.as_chunks().0.iter().map(|&b| f64::from_le_bytes(b)).enumerate();
            let rounded = exact.map(|(position, value)| match E::from_f64(value) {
                x if x.is_finite() || !value.is_finite() => Ok(x),
                _ => {
                    let (file, tensor) = (file.to_owned(), tensor.to_owned());
                    Err(FormatError::Range { file, tensor, position, value, element: E::NAME })
                }
            });
            rounded.collect::<Result<_, _>>()?
        }
        Dtype::F32 => widened(bytes, |b| f64::from(f32::from_le_bytes(b))),
        Dtype::F16 => widened(bytes, |b| f16::from_le_bytes(b).to_f64()),
        Dtype::BF16 => widened(bytes, |b| bf16::from_le_bytes(b).to_f64()),
        Dtype::I8 => widened(bytes, |b| f64::from(i8::from_le_bytes(b))),
        Dtype::I16 => widened(bytes, |b| f64::from(i16::from_le_bytes(b))),
        Dtype::I32 => widened(bytes, |b| f64::from(i32::from_le_bytes(b))),
        Dtype::I64 => widened(bytes, |b| i64::from_le_bytes(b) as f64),
        Dtype::U8 => widened(bytes, |[b]| f64::from(b)),
        Dtype::U16 => widened(bytes, |b| f64::from(u16::from_le_bytes(b))),
        Dtype::U32 => widened(bytes, |b| f64::from(u32::from_le_bytes(b))),
        Dtype::U64 => widened(bytes, |b| u64::from_le_bytes(b) as f64),
        Dtype::BOOL => widened(bytes, |[b]| f64::from(u8::from(b != 0))),
        other => {
            let (file, tensor) = (file.to_owned(), tensor.to_owned());
            return Err(FormatError::Type { file, tensor, found: other.to_string() });
        }
    };
    if elements.len() != shape.numel() {
        let found = format!("{} numbers for {tensor:?} of shape {shape}", elements.len());
        return Err(FormatError::damaged(file, "as many numbers as the shape has", found));
    }
    Ok(Tensor::from_vec(elements, shape))
}

/// Numbers from bytes, `N` at a time.
fn widened<E: Element, const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f64) -> Vec<E> {
    bytes.as_chunks::<N>().0.iter().map(|b| E::from_f64(number(*b))).collect()
}

/// A tensor on its way into a file.
struct Written<'a, E: Element> {
    tensor: &'a Tensor<E>,
    kind: Dtype,
}

impl<'a, E: Element> Written<'a, E> {
    fn new(name: &str, tensor: &'a Tensor<E>) -> Self {
        // PyTorch counts batches in whole numbers.
        let counter = name.rsplit('.').next() == Some("num_batches_tracked") && tensor.rank() == 0;
        let kind = match E::NAME {
            _ if counter && (0.0..9e15).contains(&tensor.item().to_f64()) => Dtype::I64,
            "f32" => Dtype::F32,
            _ => Dtype::F64,
        };
        Self { tensor, kind }
    }
}

impl<E: Element> View for Written<'_, E> {
    fn dtype(&self) -> Dtype {
        self.kind
    }

    fn shape(&self) -> &[usize] {
        self.tensor.shape()
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let whole = self.tensor.contiguous();
        let elements = whole.as_slice().unwrap_or_default().iter().map(|x| x.to_f64());
        let bytes: Vec<u8> = match self.kind {
            Dtype::I64 => elements.flat_map(|x| (x as i64).to_le_bytes()).collect(),
            Dtype::F32 => elements.flat_map(|x| (x as f32).to_le_bytes()).collect(),
            _ => elements.flat_map(f64::to_le_bytes).collect(),
        };
        bytes.into()
    }

    fn data_len(&self) -> usize {
        self.tensor.len() * self.kind.bitsize() / 8
    }
}
