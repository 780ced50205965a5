//! MNIST and its likes: a folder with four IDX files.

use super::{Idx, IdxKind};
use crate::{DataError, Dataset, TensorDataset};
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
    let (train, test) = (part(folder, "train")?, part(folder, "t10k")?);
    let size = |part: &TensorDataset<f32, Indices>| part.input_shape();
    if size(&train) != size(&test) {
        let expected = format!("images of {:?}, as the training part has them", &size(&train)[1..]);
        return Err(wrong(&find(folder, "t10k", "images", 3)?, &expected, format!("{:?}", &size(&test)[1..])));
    }
    let (classes, labels) = (train.classes(), test.targets().as_slice());
    if let Some(at) = labels.iter().position(|&label| label >= classes) {
        let expected = format!("labels below {classes}, as the training part has them");
        let found = format!("label {} of example {at}", labels[at]);
        return Err(wrong(&find(folder, "t10k", "labels", 1)?, &expected, found));
    }
    Ok(Mnist { train, test })
}

fn part(folder: &Path, which: &str) -> Result<TensorDataset<f32, Indices>, DataError> {
    let (images_path, labels_path) = (find(folder, which, "images", 3)?, find(folder, which, "labels", 1)?);
    let images = Idx::read(&images_path)?;
    let &[n, height, width] = images.shape() else {
        let expected = "images: 3 axes (n, height, width)";
        return Err(wrong(&images_path, expected, format!("shape {:?}", images.shape())));
    };
    if images.kind() != IdxKind::U8 || n == 0 || height == 0 || width == 0 {
        let found = format!("{:?} of shape {:?}", images.kind(), images.shape());
        return Err(wrong(
            &images_path,
            "grey levels as bytes (type 8), at least one image with at least one pixel",
            found,
        ));
    }
    let labels = Idx::read(&labels_path)?;
    // A label of another type could ask for a class whose scores fit no memory.
    if labels.kind() != IdxKind::U8 {
        return Err(wrong(&labels_path, "labels as bytes (type 8)", format!("{:?}", labels.kind())));
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn idx(kind: u8, axes: &[u32], element: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 0, kind, axes.len() as u8];
        axes.iter().for_each(|axis| bytes.extend(axis.to_be_bytes()));
        let n = axes.iter().product::<u32>() as usize;
        (0..n).for_each(|_| bytes.extend(element));
        bytes
    }

    /// What `mnist` says of a folder whose test images and training labels are these.
    fn said(name: &str, test_images: Vec<u8>, train_labels: Vec<u8>) -> Result<Mnist, String> {
        let folder = std::env::temp_dir().join(format!("kniff-mnist-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        for (file, bytes) in [
            ("train-images-idx3-ubyte", idx(8, &[4, 3, 2], &[7])),
            ("train-labels-idx1-ubyte", train_labels),
            ("t10k-images-idx3-ubyte", test_images),
            ("t10k-labels-idx1-ubyte", idx(8, &[2], &[1])),
        ] {
            std::fs::write(folder.join(file), bytes).unwrap();
        }
        let read = mnist(&folder).map_err(|e| e.to_string());
        std::fs::remove_dir_all(&folder).unwrap();
        read
    }

    #[test]
    fn parts_that_do_not_fit_each_other_and_labels_that_are_no_bytes_are_named() {
        let labels = || idx(8, &[4], &[1]);
        let data = said("good", idx(8, &[2, 3, 2], &[7]), labels()).unwrap();
        assert_eq!(
            (data.train.inputs().shape(), data.test.inputs().shape()),
            (&[4, 1, 3, 2].into(), &[2, 1, 3, 2].into())
        );
        for (name, images, labels, part) in [
            ("size", idx(8, &[2, 2, 2], &[7]), labels(), "t10k-images-idx3-ubyte"),
            ("empty", idx(8, &[2, 0, 2], &[7]), labels(), "t10k-images-idx3-ubyte"),
            ("none", idx(8, &[0, 3, 2], &[7]), labels(), "t10k-images-idx3-ubyte"),
            ("class", idx(8, &[2, 3, 2], &[7]), idx(8, &[4], &[0]), "t10k-labels-idx1-ubyte"),
            ("kind", idx(0x0e, &[2, 3, 2], &7.0_f64.to_be_bytes()), labels(), "F64"),
            ("huge", idx(8, &[2, 3, 2], &[7]), idx(0x0e, &[4], &8e15_f64.to_be_bytes()), "train-labels-idx1-ubyte"),
        ] {
            let error = said(name, images, labels).unwrap_err();
            assert!(error.contains(part), "{name}: {error}");
        }
    }
}
