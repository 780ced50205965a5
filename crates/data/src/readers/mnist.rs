//! MNIST and its likes: a folder with four IDX files.

use super::{IdxKind, idx_reader::IdxFile};
use crate::reader::{UNPACKED, open};
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

/// How the four files of MNIST (or Fashion-MNIST, KMNIST, EMNIST) are to be read from a folder.
///
/// All four headers are read and compared before any of the numbers.
///
/// ```no_run
/// use kniff_data::MnistReader;
/// let data = MnistReader::new().classes(10).read("data/mnist")?;
/// assert_eq!(data.train.inputs().shape(), &[60_000, 1, 28, 28]);
/// # Ok::<(), kniff_data::DataError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct MnistReader {
    classes: Option<usize>,
    limit: u64,
}

impl MnistReader {
    /// As many classes as the training labels span; files of any size, gzip up to 1 GiB each.
    pub fn new() -> Self {
        Self { classes: None, limit: UNPACKED }
    }

    /// Refuses labels that are not below this number.
    #[must_use]
    pub fn classes(mut self, classes: usize) -> Self {
        self.classes = Some(classes);
        self
    }

    /// How many bytes each file may unpack to if it is gzip; 1 GiB unless told. In memory every grey level takes four.
    #[must_use]
    pub fn limit(mut self, bytes: u64) -> Self {
        self.limit = bytes;
        self
    }

    /// Reads the folder.
    ///
    /// # Errors
    /// As [`mnist`]; also for a label beyond the classes, whose file is named.
    pub fn read(&self, folder: impl AsRef<Path>) -> Result<Mnist, DataError> {
        let folder = folder.as_ref();
        if !folder.is_dir() {
            let found = if folder.exists() { "something else" } else { "nothing there" };
            return Err(wrong(&folder.display().to_string(), "a folder with the four MNIST files", found.into()));
        }
        let (train, test) = (self.part(folder, "train")?, self.part(folder, "t10k")?);
        if train.images.shape[1..] != test.images.shape[1..] {
            let expected = format!("images of {:?}, as the training part has them", &train.images.shape[1..]);
            return Err(wrong(test.images.name(), &expected, format!("{:?}", &test.images.shape[1..])));
        }
        // Labels are checked while the images are still packed: they are the smaller part.
        let below = |labels: &Indices, classes: usize, name: &str, whose: &str| {
            let Some(at) = labels.as_slice().iter().position(|&label| label >= classes) else { return Ok(()) };
            let expected = format!("labels below {classes}, {whose}");
            Err(wrong(name, &expected, format!("label {} of example {at}", labels.as_slice()[at])))
        };
        let (train_name, test_name) = (train.labels.name().to_owned(), test.labels.name().to_owned());
        let (train_labels, test_labels) = (train.labels.numbers()?.to_indices()?, test.labels.numbers()?.to_indices()?);
        if let Some(classes) = self.classes {
            below(&train_labels, classes, &train_name, "the number of classes")?;
            below(&test_labels, classes, &test_name, "the number of classes")?;
        }
        let seen = train_labels.max().map_or(0, |most| most + 1);
        below(&test_labels, seen, &test_name, "as the training part has them")?;
        Ok(Mnist { train: with(train.images, train_labels)?, test: with(test.images, test_labels)? })
    }

    fn part(&self, folder: &Path, which: &str) -> Result<PartFiles, DataError> {
        let file = |what, rank| -> Result<IdxFile<'static>, DataError> {
            let path = find(folder, which, what, rank)?;
            let mend = "unpack it, or raise MnistReader::limit, if it is meant to be so large";
            IdxFile::new(open(&path)?, self.limit, mend)
        };
        // What is missing is said before what is wrong.
        find(folder, which, "images", 3).and(find(folder, which, "labels", 1))?;
        let images = file("images", 3)?;
        let &[n, height, width] = &images.shape[..] else {
            let expected = "images: 3 axes (n, height, width)";
            return Err(wrong(images.name(), expected, format!("shape {:?}", images.shape)));
        };
        if images.kind != IdxKind::U8 || n == 0 || height == 0 || width == 0 {
            let found = format!("{:?} of shape {:?}", images.kind, images.shape);
            let expected = "grey levels as bytes (type 8), at least one image with at least one pixel";
            return Err(wrong(images.name(), expected, found));
        }
        let labels = file("labels", 1)?;
        // A label of another type could ask for a class whose scores fit no memory.
        if labels.kind != IdxKind::U8 {
            return Err(wrong(labels.name(), "labels as bytes (type 8)", format!("{:?}", labels.kind)));
        }
        if labels.shape != [n] {
            let expected = format!("{n} labels, one for each image of {}", images.name());
            return Err(wrong(labels.name(), &expected, format!("shape {:?}", labels.shape)));
        }
        Ok(PartFiles { images, labels })
    }
}

impl Default for MnistReader {
    fn default() -> Self {
        Self::new()
    }
}

/// Reads the four files of MNIST (or Fashion-MNIST, KMNIST, EMNIST) from a folder, as [`MnistReader`] does unless told otherwise.
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
    MnistReader::new().read(folder)
}

/// A part's two files, which fit each other by their headers.
struct PartFiles {
    images: IdxFile<'static>,
    labels: IdxFile<'static>,
}

fn with(images: IdxFile<'_>, labels: Indices) -> Result<TensorDataset<f32, Indices>, DataError> {
    let (n, height, width) = (images.shape[0], images.shape[1], images.shape[2]);
    TensorDataset::new(images.numbers()?.to_tensor().reshape([n, 1, height, width]), labels)
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
    let expected = format!("this file, or {}, or either with .gz", names[1]);
    Err(wrong(&folder.join(&names[0]).display().to_string(), &expected, "none of them".into()))
}

fn wrong(name: &str, expected: &str, found: String) -> DataError {
    DataError::format(name, expected, found)
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

    /// What is said of a folder whose test images and training labels are these.
    fn said(name: &str, test_images: Vec<u8>, train_labels: Vec<u8>) -> Result<Mnist, String> {
        said_by(&MnistReader::new(), name, idx(8, &[4, 3, 2], &[7]), test_images, train_labels)
    }

    fn said_by(
        reader: &MnistReader,
        name: &str,
        train_images: Vec<u8>,
        test_images: Vec<u8>,
        train_labels: Vec<u8>,
    ) -> Result<Mnist, String> {
        let folder = std::env::temp_dir().join(format!("kniff-mnist-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        for (file, bytes) in [
            ("train-images-idx3-ubyte", train_images),
            ("train-labels-idx1-ubyte", train_labels),
            ("t10k-images-idx3-ubyte", test_images),
            ("t10k-labels-idx1-ubyte", idx(8, &[2], &[1])),
        ] {
            std::fs::write(folder.join(file), bytes).unwrap();
        }
        let read = reader.read(&folder).map_err(|e| e.to_string());
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

    #[test]
    fn a_label_beyond_the_classes_is_refused_by_the_name_of_its_file() {
        let read = |classes| {
            let (images, test) = (idx(8, &[4, 3, 2], &[7]), idx(8, &[2, 3, 2], &[7]));
            said_by(&MnistReader::new().classes(classes), "classes", images, test, idx(8, &[4], &[3]))
        };
        assert!(read(4).is_ok());
        let error = read(3).unwrap_err();
        assert!(error.contains("train-labels-idx1-ubyte: expected labels below 3, the number of classes"), "{error}");
        assert!(error.ends_with("found label 3 of example 0"), "{error}");
    }

    #[test]
    fn headers_that_do_not_fit_are_refused_before_any_image_is_read() {
        // The training images end after their header: who reads them first says so.
        let cut = idx(8, &[4, 3, 2], &[7])[..16].to_vec();
        let read = |name: &str, test: Vec<u8>, labels: Vec<u8>| {
            said_by(&MnistReader::new(), name, cut.clone(), test, labels).unwrap_err()
        };
        let good = || idx(8, &[2, 3, 2], &[7]);
        for (error, file) in [
            (read("fewer", good(), idx(8, &[3], &[1])), "train-labels-idx1-ubyte"),
            (read("smaller", idx(8, &[2, 2, 2], &[7]), idx(8, &[4], &[1])), "t10k-images-idx3-ubyte"),
            (read("unseen", good(), idx(8, &[4], &[0])), "t10k-labels-idx1-ubyte"),
            (read("none", good(), idx(8, &[4], &[1])), "train-images-idx3-ubyte: expected 24 bytes"),
        ] {
            assert!(error.contains(file), "{error}");
        }
    }

    #[test]
    fn a_packed_file_may_unpack_to_the_limit() {
        use flate2::{Compression, write::GzEncoder};
        use std::io::Write;
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(&idx(8, &[4, 3, 2], &[7])).unwrap();
        let packed = gzip.finish().unwrap();
        let read = |limit| {
            let reader = MnistReader::new().limit(limit);
            said_by(&reader, "limit", packed.clone(), idx(8, &[2, 3, 2], &[7]), idx(8, &[4], &[1]))
        };
        assert!(read(24).is_ok());
        let error = read(23).unwrap_err();
        assert!(error.contains("train-images-idx3-ubyte: expected a gzip file that unpacks to at most 23"), "{error}");
    }
}
