//! npz, NumPy's format for arrays with names: a zip archive of npy files.

use super::NpzReader;
use super::npy::write;
use crate::{DataError, write_atomically};
use kniff_tensor::{Element, Tensor};
use rawzip::{ZipArchiveWriter, path::EntryPath};
use std::io::{BufWriter, Write};
use std::path::Path;

/// What follows an array's name in the archive.
pub(super) const ENDING: &str = ".npy";

/// Reads the arrays of an npz file, as `numpy.savez` and `numpy.savez_compressed` write it, with their names in the file's order.
///
/// The arrays' types, and how their numbers are rounded to `E`, are those of [`read_npy`](super::read_npy).
///
/// ```
/// use kniff_data::{read_npz, write_npz};
/// use kniff_tensor::Tensor;
/// let path = std::env::temp_dir().join("kniff-npz-example.npz");
/// write_npz(&path, &[("x", &Tensor::<f32>::arange(4).reshape([2, 2])), ("y", &Tensor::scalar(1.0))])?;
/// let arrays = read_npz::<f32>(&path)?;
/// assert_eq!((arrays[0].0.as_str(), arrays[0].1.shape().to_vec()), ("x", vec![2, 2]));
/// assert_eq!((arrays[1].0.as_str(), arrays[1].1.item()), ("y", 1.0));
/// # std::fs::remove_file(&path).unwrap();
/// # Ok::<(), kniff_data::DataError>(())
/// ```
///
/// # Errors
/// [`DataError::Io`] if the file cannot be read; [`DataError::Format`], with the file and the array, if it is no whole zip archive of
/// npy files, if a checksum is wrong, two arrays have one name or entries overlap; also if its compressed arrays unpack to more
/// than 1 GiB together, which [`NpzReader::limit`] can raise.
pub fn read_npz<E: Element>(path: impl AsRef<Path>) -> Result<Vec<(String, Tensor<E>)>, DataError> {
    NpzReader::new().read(path)
}

/// Writes an npz file as `numpy.savez` does, not compressed; one of the same name is replaced once the new one is whole.
///
/// # Errors
/// [`DataError::Io`] with what the system said; [`DataError::Format`] if two arrays have one name.
pub fn write_npz<E: Element>(path: impl AsRef<Path>, arrays: &[(&str, &Tensor<E>)]) -> Result<(), DataError> {
    let file = path.as_ref().display().to_string();
    check_names(&file, arrays)?;
    write_atomically(path, |stream| archive(stream, arrays)).map_err(|e| DataError::io(&file, e))
}

/// [`write_npz`] to a stream.
///
/// # Errors
/// As there.
pub fn encode_npz<E: Element>(stream: impl Write, arrays: &[(&str, &Tensor<E>)]) -> Result<(), DataError> {
    let name = "npz stream";
    check_names(name, arrays)?;
    let mut stream = BufWriter::new(stream);
    archive(&mut stream, arrays).and_then(|()| stream.flush()).map_err(|e| DataError::io(name, e))
}

fn check_names<E: Element>(file: &str, arrays: &[(&str, &Tensor<E>)]) -> Result<(), DataError> {
    let mut names: Vec<&str> = arrays.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(DataError::format(file, "a name of its own for each array", format!("{:?} twice", pair[0]))),
        None => Ok(()),
    }
}

fn archive<E: Element>(stream: &mut dyn Write, arrays: &[(&str, &Tensor<E>)]) -> std::io::Result<()> {
    let failed = |error: rawzip::Error| match error.into_kind() {
        rawzip::ErrorKind::IO(error) => error,
        other => std::io::Error::other(other.to_string()),
    };
    let mut zip = ZipArchiveWriter::new(stream);
    for (name, array) in arrays {
        let path = EntryPath::verbatim(format!("{name}{ENDING}").into_bytes());
        let (mut entry, config) = zip.new_file(path).start().map_err(failed)?;
        let mut content = config.wrap(BufWriter::new(&mut entry));
        write(&mut content, array)?;
        content.flush()?;
        let (buffer, sums) = content.finish().map_err(failed)?;
        drop(buffer);
        entry.finish(sums).map_err(failed)?;
    }
    zip.finish().map_err(failed)?.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_come_back_with_their_names_in_order() {
        let arrays = [
            ("w/b", Tensor::<f64>::arange(6).reshape([2, 3]).t()),
            ("a", Tensor::scalar(-2.5)),
            ("ü", Tensor::zeros([0, 2])),
        ];
        let arrays: Vec<(&str, &Tensor<f64>)> = arrays.iter().map(|(name, x)| (*name, x)).collect();
        let mut file = Vec::new();
        encode_npz(&mut file, &arrays).unwrap();
        let back = NpzReader::new().parse::<f64>("x.npz", &file).unwrap();
        assert_eq!(back.iter().map(|(name, x)| (name.as_str(), x)).collect::<Vec<_>>(), arrays);
        let twice = [arrays[0], arrays[0]];
        assert!(encode_npz(Vec::new(), &twice).unwrap_err().to_string().contains("\"w/b\" twice"));
        let mut empty = Vec::new();
        encode_npz::<f32>(&mut empty, &[]).unwrap();
        assert!(NpzReader::new().parse::<f32>("x.npz", &empty).unwrap().is_empty());
    }
}
