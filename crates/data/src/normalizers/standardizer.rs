//! Mean 0 and variance 1 for every column.

use crate::normalizer::{check_example, check_scales, check_stored, for_all, map_rows};
use crate::{DataError, Dataset, Examples, Moments, Normalizer};
use kniff_tensor::{Element, Shape, Tensor};
use serde::{Deserialize, Serialize};

/// z = (x - mean) / std, column by column, with the training data's mean and standard deviation (divided by n).
///
/// A column that is constant in the training data gets std 1, so it becomes 0 there, and
/// [`Standardizer::constant_columns`] names it: it carries nothing to learn from and may as well be dropped. The slide's "inputs scaled to
/// mean 0 and the same variance". As scikit-learn's `StandardScaler`.
///
/// ```
/// use kniff_data::{Normalizer, Standardizer};
/// use kniff_tensor::Tensor;
/// let train: Tensor = Tensor::from_slice(&[1.0, 5.0, 3.0, 5.0], [2, 2]);
/// let standardizer = Standardizer::fit(&train)?;
/// assert_eq!(standardizer.transform(&train)?.to_vec(), [-1.0, 0.0, 1.0, 0.0]);
/// assert_eq!(standardizer.constant_columns(), [1]);
/// # Ok::<(), kniff_data::DataError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound = "", try_from = "Stored<E>")]
pub struct Standardizer<E: Element = f32> {
    mean: Vec<E>,
    std: Vec<E>,
    constant: Vec<usize>,
}

#[derive(Deserialize)]
#[serde(bound = "", rename = "Standardizer")]
struct Stored<E: Element> {
    mean: Vec<E>,
    std: Vec<E>,
    constant: Vec<usize>,
}

impl<E: Element> Standardizer<E> {
    /// Fits on examples `[n, ...]`, each flattened to columns.
    ///
    /// # Errors
    /// [`DataError::Empty`] without examples, [`DataError::NotFinite`] with row and column of what is infinite or NaN.
    pub fn fit(x: &impl Examples<E>) -> Result<Self, DataError> {
        Self::fit_batches([Ok(x.tensor())])
    }

    /// Fits on the inputs of a data set, a part at a time.
    ///
    /// # Errors
    /// As [`Standardizer::fit`], and what the data set says.
    pub fn fit_dataset<D: Dataset<E>>(dataset: &D) -> Result<Self, DataError> {
        let mut moments = Moments::new(dataset.input_shape().numel());
        for_all(dataset, |x| moments.update(x))?;
        Self::from_moments(&moments)
    }

    /// Fits on batches, so on data of any size.
    ///
    /// # Errors
    /// As [`Standardizer::fit`], and the first error among the batches.
    pub fn fit_batches(batches: impl IntoIterator<Item = Result<Tensor<E>, DataError>>) -> Result<Self, DataError> {
        Self::from_moments(&gather(batches)?)
    }

    /// From moments that were gathered already.
    ///
    /// # Errors
    /// [`DataError::Empty`] if there were no examples.
    pub fn from_moments(moments: &Moments) -> Result<Self, DataError> {
        moments.check()?;
        let constant = moments.constant_columns();
        let mean = moments.mean().iter().map(|&m| E::from_f64(m)).collect();
        let mut std: Vec<E> = moments.variance(0).iter().map(|v| E::from_f64(v.sqrt())).collect();
        // So small a deviation that it rounds to 0 is no scale either.
        std.iter_mut().filter(|s| **s <= E::ZERO).for_each(|s| *s = E::ONE);
        constant.iter().for_each(|&c| std[c] = E::ONE);
        Ok(Self { mean, std, constant })
    }

    /// The mean of each column.
    pub fn mean(&self) -> &[E] {
        &self.mean
    }

    /// What each column is divided by: its standard deviation, or 1 where that is 0.
    pub fn std(&self) -> &[E] {
        &self.std
    }

    /// The columns that were constant in the training data.
    pub fn constant_columns(&self) -> &[usize] {
        &self.constant
    }
}

impl<E: Element> Normalizer<E> for Standardizer<E> {
    fn output_shape(&self, example: &[usize]) -> Result<Shape, DataError> {
        check_example("standardizer", example, self.mean.len())?;
        Ok(example.into())
    }

    fn transform(&self, x: &Tensor<E>) -> Result<Tensor<E>, DataError> {
        map_rows("standardizer", x, self.mean.len(), |row, out| {
            for (((o, &x), &mean), &std) in out.iter_mut().zip(row).zip(&self.mean).zip(&self.std) {
                *o = (x - mean) / std;
            }
        })
    }

    fn inverse_transform(&self, z: &Tensor<E>) -> Result<Tensor<E>, DataError> {
        map_rows("standardizer", z, self.mean.len(), |row, out| {
            for (((o, &z), &mean), &std) in out.iter_mut().zip(row).zip(&self.mean).zip(&self.std) {
                *o = z * std + mean;
            }
        })
    }
}

impl<E: Element> TryFrom<Stored<E>> for Standardizer<E> {
    type Error = DataError;

    fn try_from(stored: Stored<E>) -> Result<Self, DataError> {
        let Stored { mean, std, constant } = stored;
        check_stored("stored mean", &mean, mean.len())?;
        check_scales("stored standard deviation", &std, mean.len())?;
        check_constant(&constant, mean.len())?;
        Ok(Self { mean, std, constant })
    }
}

/// The moments of all batches; the first one tells the number of columns.
pub(super) fn gather<E: Element>(
    batches: impl IntoIterator<Item = Result<Tensor<E>, DataError>>,
) -> Result<Moments, DataError> {
    let mut moments = None;
    for x in batches {
        let x = x?;
        let columns = x.shape().iter().skip(1).product();
        moments.get_or_insert_with(|| Moments::new(columns)).update(&x)?;
    }
    moments.ok_or(DataError::Empty { what: "the data to fit on" })
}

pub(super) fn check_constant(constant: &[usize], columns: usize) -> Result<(), DataError> {
    if constant.iter().any(|&c| c >= columns) || constant.windows(2).any(|w| w[0] >= w[1]) {
        return Err(DataError::setting(
            "stored constant columns",
            format!("ascending numbers below {columns}"),
            format!("{constant:?}"),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use kniff_tensor::Rng;
    use ndarray::array;

    #[test]
    fn fit_on_arrays_batches_and_data_sets_agree() {
        let a = array![[1.0_f64, 10.0], [2.0, 10.0], [6.0, 40.0]];
        let whole = Standardizer::fit(&a).unwrap();
        assert_eq!(whole.mean(), [3.0, 20.0]);
        let x = Tensor::from_ndarray_view(&a);
        let parts = Standardizer::fit_batches([Ok(x.slice_axis(0, ..1)), Ok(x.slice_axis(0, 1..))]).unwrap();
        assert!((parts.std()[0] - whole.std()[0]).abs() < 1e-14);
        let data = crate::TensorDataset::new(x.clone(), kniff_tensor::Indices::from_vec(vec![0; 3])).unwrap();
        assert_eq!(Standardizer::fit_dataset(&data).unwrap(), whole);
        let z = whole.transform_array(&a).unwrap();
        assert!((z.sum()).abs() < 1e-14);
        let back = whole.inverse_transform_array(&z).unwrap();
        assert!((back[[2, 1]] - 40.0).abs() < 1e-12);
    }

    #[test]
    fn images_keep_their_shape() {
        let x = Tensor::<f32>::randn([10, 1, 4, 4], &mut Rng::new(0));
        let s = Standardizer::fit(&x).unwrap();
        assert_eq!(s.transform(&x).unwrap().shape(), &[10, 1, 4, 4]);
        assert_eq!(s.output_shape(&[1, 4, 4]).unwrap(), [1, 4, 4]);
        assert!(s.output_shape(&[4]).is_err() && s.transform(&x.slice_axis(3, ..2)).is_err());
    }

    #[test]
    fn nothing_and_nan_are_refused() {
        assert!(matches!(Standardizer::<f32>::fit(&Tensor::zeros([0, 3])), Err(DataError::Empty { .. })));
        let e = Standardizer::<f32>::fit(&array![[1.0], [f32::NAN]]).unwrap_err();
        assert!(matches!(e, DataError::NotFinite { row: 1, column: 0, .. }));
    }

    #[test]
    fn what_is_stored_is_checked_when_loaded() {
        let s = Standardizer::fit(&array![[1.0_f32, 5.0], [2.5, 5.0]]).unwrap();
        let text = serde_json::to_string(&s).unwrap();
        assert_eq!(serde_json::from_str::<Standardizer>(&text).unwrap(), s);
        for (from, to) in [("0.75", "0.0"), ("0.75", "-1"), ("[1]", "[2]"), ("1.75,", "")] {
            let bad = text.replacen(from, to, 1);
            assert_ne!(bad, text, "{text}");
            assert!(serde_json::from_str::<Standardizer>(&bad).is_err(), "{bad}");
        }
    }
}
