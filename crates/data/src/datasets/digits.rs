//! The handwritten digits that come with the crate.

use crate::{CsvReader, TensorDataset};
use kniff_tensor::Indices;

/// 1,797 handwritten digits: inputs `[1797, 64]` are the grey levels 0 to 16 of 8x8 pixels, row by row; labels 0 to 9.
///
/// The test part of "Optical Recognition of Handwritten Digits" (E. Alpaydin, C. Kaynak, 1998; UCI Machine Learning
/// Repository), CC BY 4.0; the same numbers as scikit-learn's `load_digits`. It is carried inside the crate (58 kB), so
/// that a first network trains without a download.
///
/// ```
/// use kniff_data::{Dataset, digits};
/// let data = digits();
/// assert_eq!((data.len(), data.classes()), (1797, 10));
/// assert_eq!(data.targets().as_slice()[..5], [0, 1, 2, 3, 4]);
/// ```
pub fn digits() -> TensorDataset<f32, Indices> {
    let file = include_bytes!("../../assets/digits.csv.gz");
    let read = || CsvReader::new().header(false).label(64).parse("the embedded digits", &file[..])?.into_classes();
    match read() {
        Ok(data) => data,
        // The bytes are compiled in and a test reads them.
        Err(error) => unreachable!("{error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Dataset;

    #[test]
    fn the_digits_are_whole() {
        let data = digits();
        data.validate_classes(10).unwrap();
        assert_eq!(data.inputs().shape(), &[1797, 64]);
        assert_eq!(data.input_shape(), [64]);
        let mut counts = [0; 10];
        data.targets().as_slice().iter().for_each(|&l| counts[l] += 1);
        // As scikit-learn counts them.
        assert_eq!(counts, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
        let all = data.inputs().to_vec();
        assert!(all.iter().all(|&x| (0.0..=16.0).contains(&x) && x.fract() == 0.0));
        assert_eq!(all.iter().map(|&x| f64::from(x)).sum::<f64>(), 561_718.0);
        assert_eq!(all[..8], [0.0, 0.0, 5.0, 13.0, 9.0, 1.0, 0.0, 0.0]);
    }
}
