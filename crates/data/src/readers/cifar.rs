//! CIFAR-10 and CIFAR-100 in their binary form: a label or two, then the bytes of 3 x 32 x 32 pixels, record after record.

use crate::reader::{broken, open};
use crate::{DataError, ImageDataset};
use kniff_tensor::Indices;
use std::io::Read;
use std::path::Path;

const SHAPE: [usize; 3] = [3, 32, 32];
const PIXELS: usize = 3 * 32 * 32;
/// The most bytes that one of the files may unpack to if it is gzip; the largest of the original has 154 MB.
const UNPACKED: u64 = 1 << 28;

/// CIFAR's training and test part.
#[derive(Clone, Debug)]
pub struct Cifar {
    /// 50,000 examples in the original.
    pub train: ImageDataset,
    /// 10,000 examples in the original.
    pub test: ImageDataset,
}

/// Reads CIFAR-10 from `data_batch_1.bin` to `data_batch_5.bin` and `test_batch.bin`; class names from `batches.meta.txt`, if it is there.
///
/// # Errors
/// A file that is missing, cut short or has a label beyond 9 is named, with what was expected and found.
///
/// ```no_run
/// let data = kniff_data::cifar10("data/cifar-10-batches-bin")?;
/// assert_eq!(data.train.shape(), [3, 32, 32]);
/// # Ok::<(), kniff_data::DataError>(())
/// ```
pub fn cifar10(folder: impl AsRef<Path>) -> Result<Cifar, DataError> {
    let folder = folder.as_ref();
    let names = names(&folder.join("batches.meta.txt"), 10)?;
    let train: Vec<String> = (1..=5).map(|i| format!("data_batch_{i}.bin")).collect();
    read(folder, &train, &["test_batch.bin".into()], Layout { labels: 1, which: 0, classes: 10 }, names)
}

/// Reads CIFAR-100 from `train.bin` and `test.bin`, with its 100 fine labels; class names from `fine_label_names.txt`, if it is there.
///
/// # Errors
/// As [`cifar10`], with labels up to 99.
pub fn cifar100(folder: impl AsRef<Path>) -> Result<Cifar, DataError> {
    let folder = folder.as_ref();
    let names = names(&folder.join("fine_label_names.txt"), 100)?;
    read(folder, &["train.bin".into()], &["test.bin".into()], Layout { labels: 2, which: 1, classes: 100 }, names)
}

/// How many bytes of labels a record begins with, which of them counts, and how many classes there are.
#[derive(Clone, Copy)]
struct Layout {
    labels: usize,
    which: usize,
    classes: usize,
}

fn read(
    folder: &Path,
    train: &[String],
    test: &[String],
    layout: Layout,
    names: Vec<String>,
) -> Result<Cifar, DataError> {
    let part = |files: &[String]| -> Result<ImageDataset, DataError> {
        let (mut pixels, mut labels) = (Vec::new(), Vec::new());
        for file in files {
            records(&folder.join(file), layout, &mut pixels, &mut labels)?;
        }
        Ok(ImageDataset::new(pixels, SHAPE, Indices::from_vec(labels))?.with_classes(names.clone()))
    };
    Ok(Cifar { train: part(train)?, test: part(test)? })
}

fn records(path: &Path, layout: Layout, pixels: &mut Vec<u8>, labels: &mut Vec<usize>) -> Result<(), DataError> {
    let name = path.display().to_string();
    let source = open(path)?;
    let limit = if source.is_packed() { UNPACKED } else { u64::MAX };
    let mut stream = source.into_stream(limit, "unpack the file if it is meant to be so large");
    let size = layout.labels + PIXELS;
    let mut record = Vec::with_capacity(size);
    // Record by record, so that what is no CIFAR is not unpacked to its end.
    for i in 0.. {
        record.clear();
        let got = stream.by_ref().take(size as u64).read_to_end(&mut record).map_err(|e| broken(&name, e))?;
        if got == 0 && i > 0 {
            break;
        }
        if got < size {
            let expected = format!("one or more records of {size} bytes");
            return Err(DataError::format(&name, expected, format!("{} bytes", i * size + got)));
        }
        let (head, image) = record.split_at(layout.labels);
        let label = usize::from(head[layout.which]);
        if label >= layout.classes {
            let expected = format!("labels 0 to {}", layout.classes - 1);
            return Err(DataError::format(&name, expected, format!("label {label} in record {i}")));
        }
        labels.push(label);
        pixels.extend_from_slice(image);
    }
    Ok(())
}

/// The names of the classes, one a line; none if there is no such file.
fn names(path: &Path, classes: usize) -> Result<Vec<String>, DataError> {
    if !path.is_file() {
        return Ok(Vec::new());
    }
    let name = path.display().to_string();
    let mut text = String::new();
    let mut stream = open(path)?.into_stream(1 << 16, "the names of the classes take less");
    stream.read_to_string(&mut text).map_err(|e| DataError::io(&name, e))?;
    let names: Vec<String> = text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    match names.len() == classes {
        true => Ok(names),
        false => {
            Err(DataError::format(&name, format!("{classes} names, one a line"), format!("{} names", names.len())))
        }
    }
}
