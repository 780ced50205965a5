//! Every column stretched to one range.

use super::standardizer::{check_constant, gather};
use crate::normalizer::{check_example, check_scales, check_stored, for_all, map_rows};
use crate::{DataError, Dataset, Examples, Moments, Normalizer};
use kniff_tensor::{Element, Shape, Tensor};
use serde::{Deserialize, Serialize};

/// z = low + (x - min) / (max - min) (high - low), column by column, with the training data's minimum and maximum.
///
/// Other data may land outside the range: it is not clipped. A column that is constant in the training data has max - min taken as 1, so it
/// becomes `low` there. As scikit-learn's `MinMaxScaler`.
///
/// ```
/// use kniff_data::{MinMax, Normalizer};
/// use kniff_tensor::Tensor;
/// let train: Tensor = Tensor::from_slice(&[2.0, 4.0, 6.0], [3, 1]);
/// let scaler = MinMax::fit(&train, -1.0, 1.0)?;
/// assert_eq!(scaler.transform(&train)?.to_vec(), [-1.0, 0.0, 1.0]);
/// # Ok::<(), kniff_data::DataError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound = "", try_from = "Stored<E>")]
pub struct MinMax<E: Element = f32> {
    min: Vec<E>,
    range: Vec<E>,
    low: E,
    high: E,
    constant: Vec<usize>,
}

#[derive(Deserialize)]
#[serde(bound = "", rename = "MinMax")]
struct Stored<E: Element> {
    min: Vec<E>,
    range: Vec<E>,
    low: E,
    high: E,
    constant: Vec<usize>,
}

impl<E: Element> MinMax<E> {
    /// Fits on examples `[n, ...]`, each flattened to columns, for the range from `low` to `high`.
    ///
    /// # Errors
    /// [`DataError::Empty`] without examples, [`DataError::NotFinite`] with row and column of what is infinite or NaN,
    /// [`DataError::Setting`] unless `low` is below `high`.
    pub fn fit(x: &impl Examples<E>, low: E, high: E) -> Result<Self, DataError> {
        Self::from_moments(&gather([Ok(x.tensor())])?, low, high)
    }

    /// Fits on the inputs of a data set, a part at a time.
    ///
    /// # Errors
    /// As [`MinMax::fit`], and what the data set says.
    pub fn fit_dataset<D: Dataset<E>>(dataset: &D, low: E, high: E) -> Result<Self, DataError> {
        let mut moments = Moments::new(dataset.input_shape().numel());
        for_all(dataset, |x| moments.update(x))?;
        Self::from_moments(&moments, low, high)
    }

    /// From moments that were gathered already.
    ///
    /// # Errors
    /// As [`MinMax::fit`].
    pub fn from_moments(moments: &Moments, low: E, high: E) -> Result<Self, DataError> {
        moments.check()?;
        check_range(low, high)?;
        let constant = moments.constant_columns();
        let min = moments.min().iter().map(|&x| E::from_f64(x)).collect();
        let spans = moments.max().iter().zip(moments.min()).map(|(max, min)| E::from_f64(max - min));
        let mut range: Vec<E> = spans.collect();
        constant.iter().for_each(|&c| range[c] = E::ONE);
        check_scales("range of the columns", &range, range.len())?;
        Ok(Self { min, range, low, high, constant })
    }

    /// The numbers that decide what it does.
    pub(crate) fn parts(&self) -> [&[E]; 4] {
        [&self.min, &self.range, std::slice::from_ref(&self.low), std::slice::from_ref(&self.high)]
    }

    /// The columns that were constant in the training data.
    pub fn constant_columns(&self) -> &[usize] {
        &self.constant
    }
}

impl<E: Element> Normalizer<E> for MinMax<E> {
    fn output_shape(&self, example: &[usize]) -> Result<Shape, DataError> {
        check_example("min-max scaler", example, self.min.len())?;
        Ok(example.into())
    }

    fn transform(&self, x: &Tensor<E>) -> Result<Tensor<E>, DataError> {
        let width = self.high - self.low;
        map_rows("min-max scaler", x, self.min.len(), |row, out| {
            for (((o, &x), &min), &range) in out.iter_mut().zip(row).zip(&self.min).zip(&self.range) {
                *o = self.low + (x - min) / range * width;
            }
        })
    }

    fn inverse_transform(&self, z: &Tensor<E>) -> Result<Tensor<E>, DataError> {
        let width = self.high - self.low;
        map_rows("min-max scaler", z, self.min.len(), |row, out| {
            for (((o, &z), &min), &range) in out.iter_mut().zip(row).zip(&self.min).zip(&self.range) {
                *o = (z - self.low) / width * range + min;
            }
        })
    }
}

impl<E: Element> TryFrom<Stored<E>> for MinMax<E> {
    type Error = DataError;

    fn try_from(stored: Stored<E>) -> Result<Self, DataError> {
        let Stored { min, range, low, high, constant } = stored;
        check_stored("stored minimum", &min, min.len())?;
        check_scales("stored range", &range, min.len())?;
        check_constant(&constant, min.len())?;
        check_range(low, high)?;
        Ok(Self { min, range, low, high, constant })
    }
}

fn check_range<E: Element>(low: E, high: E) -> Result<(), DataError> {
    if low < high && (high - low).is_finite() {
        return Ok(());
    }
    Err(DataError::setting("range to scale to", "low below high, both finite", format!("{low} to {high}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn there_and_back() {
        let a = array![[1.0_f64, 7.0], [3.0, 7.0]];
        let m = MinMax::fit(&a, 0.0, 10.0).unwrap();
        let z = m.transform_array(&a).unwrap();
        assert_eq!(z, array![[0.0, 0.0], [10.0, 0.0]].into_dyn());
        assert_eq!(m.inverse_transform_array(&z).unwrap(), a.into_dyn());
        assert_eq!(m.constant_columns(), [1]);
        assert!(MinMax::fit(&array![[1.0_f32]], 1.0, 1.0).is_err());
        let text = serde_json::to_string(&m).unwrap();
        assert_eq!(serde_json::from_str::<MinMax<f64>>(&text).unwrap(), m);
        assert!(serde_json::from_str::<MinMax<f64>>(&text.replace("\"high\":10.0", "\"high\":-1.0")).is_err());
    }
}
