//! npz, NumPy's archive of arrays with names.
//!
//! `numpy.savez(path, **{name: tensor.numpy() for name, tensor in model.state_dict().items()})` writes what [`read`] reads, and
//! `numpy.load` reads what [`write()`] writes. The reader itself, with its limits, is [`kniff_data::NpzReader`].

use crate::{FormatError, Weights};
use kniff_data::{NpzReader, write_npz};
use kniff_nn::Module;
use kniff_tensor::{Element, Tensor};
use std::path::Path;

/// Reads a file's arrays; any type of number, rounded to the nearest `E`.
///
/// # Errors
/// As [`kniff_data::read_npz`].
pub fn read<E: Element>(path: impl AsRef<Path>) -> Result<Weights<E>, FormatError> {
    let path = path.as_ref();
    Weights::of_file(&path.display().to_string(), NpzReader::new().read(path)?)
}

/// [`read`] from the bytes of a file, which messages call `name`.
///
/// # Errors
/// As there.
pub fn parse<E: Element>(name: &str, bytes: &[u8]) -> Result<Weights<E>, FormatError> {
    Weights::of_file(name, NpzReader::new().parse(name, bytes)?)
}

/// Writes a file, not compressed; one of the same name is replaced once the new one is whole.
///
/// # Errors
/// What the system says.
pub fn write<E: Element>(path: impl AsRef<Path>, weights: &Weights<E>) -> Result<(), FormatError> {
    let arrays: Vec<(&str, &Tensor<E>)> = weights.tensors().iter().map(|(name, x)| (name.as_str(), x)).collect();
    Ok(write_npz(path, &arrays)?)
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
