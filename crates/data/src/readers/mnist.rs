//! MNIST and its likes: a folder with four IDX files.

use super::Idx;
use crate::{DataError, TensorDataset};
use kniff_tensor::Indices;
use std::path::{Path, PathBuf};

/// MNIST's training and test part.
#[derive(Clone, Debug)]
pub struct Mnist {
    /// 60,000 examples in the original.
    pub train: TensorDataset<f32, Indices>,
    /// 10,000 examples in the original.
    pub test: TensorDataset<f32, Indices>,
}

/// Reads the four files of MNIST (or Fashion-MNIST, KMNIST, EMNIST) from a folder.
///
/// Inputs are `[n, 1, height, width]` with the raw grey levels 0 to 255; [`TensorDataset::flattened`] makes them `[n, 784]` for a
/// dense layer. The files may be gzip or not, with or without `.gz`, spelt `train-images-idx3-ubyte` or
/// `train-images.idx3-ubyte`.
///
/// # Errors
/// A file that is missing, damaged, or does not fit the others is named, with what was expected and found.
///
/// ```no_run
/// use kniff_data::mnist;
/// let data = mnist("data/mnist")?;
/// assert_eq!(data.train.inputs().shape(), &[60_000, 1, 28, 28]);
/// # Ok::<(), kniff_data::DataError>(())
/// ```
pub fn mnist(folder: impl AsRef<Path>) -> Result<Mnist, DataError> {
    let folder = folder.as_ref();
    if !folder.is_dir() {
        let found = if folder.exists() { "something else" } else { "nothing there" };
        return Err(DataError::format(&folder.display().to_string(), "a folder with the four MNIST files", found));
    }
    Ok(Mnist { train: part(folder, "train")?, test: part(folder, "t10k")? })
}

fn part(folder: &Path, which: &str) -> Result<TensorDataset<f32, Indices>, DataError> {
    let (images_path, labels_path) = (find(folder, which, "images", 3)?, find(folder, which, "labels", 1)?);
    let images = Idx::read(&images_path)?;
    let &[n, height, width] = images.shape() else {
        let expected = "images: 3 axes (n, height, width)";
        return Err(wrong(&images_path, expected, format!("shape {:?}", images.shape())));
    };
    let labels = Idx::read(&labels_path)?;
    if labels.shape() != [n] {
        let expected = format!("{n} labels, one for each image of {}", images_path.display());
        return Err(wrong(&labels_path, &expected, format!("shape {:?}", labels.shape())));
    }
    TensorDataset::new(images.to_tensor().reshape([n, 1, height, width]), labels.to_indices()?)
}

fn find(folder: &Path, which: &str, what: &str, rank: usize) -> Result<PathBuf, DataError> {
    let names = [format!("{which}-{what}-idx{rank}-ubyte"), format!("{which}-{what}.idx{rank}-ubyte")];
    for name in &names {
        for candidate in [folder.join(name), folder.join(format!("{name}.gz"))] {
            if candidate.is_file() {
                return Ok(candidate);
            }
        }
    }
    Err(wrong(
        &folder.join(&names[0]),
        &format!("this file, or {}, or either with .gz", names[1]),
        "none of them".into(),
    ))
}

fn wrong(path: &Path, expected: &str, found: String) -> DataError {
    DataError::format(&path.display().to_string(), expected, found)
}
