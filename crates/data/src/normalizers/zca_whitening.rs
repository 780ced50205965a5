//! White data that still looks like the data: the symmetric whitening.

#[cfg(feature = "linalg")]
use super::pca_whitening::check_eps;
use super::pca_whitening::minus;
use crate::normalizer::{check_example, check_stored, map_rows, times};
#[cfg(feature = "linalg")]
use crate::{Covariance, Dataset, Examples, eigen::rounded, eigen_weak::decompose_for, normalizer::for_all};
use crate::{DataError, Normalizer};
use kniff_tensor::{Element, Shape, Tensor};
use serde::{Deserialize, Serialize};

/// z = (x - mean) W with W = U diag(1 / sqrt(lambda + eps)) U^T: the whitening that changes the data least.
///
/// U and lambda are the eigenvectors and eigenvalues of the covariance, divided by n. W is symmetric and does not depend on
/// any choice of signs, and a whitened image is still an image (Bell and Sejnowski, 1997; Krizhevsky, 2009). Along a
/// direction where lambda + eps is rounding noise the factor is 1, as for [`PcaWhitening`](crate::PcaWhitening).
///
/// Fitting needs the feature `linalg`; a fitted one is read, applied and stored without it.
///
/// ```
/// use kniff_data::{Normalizer, ZcaWhitening};
/// use kniff_tensor::Tensor;
/// let train: Tensor = Tensor::from_slice(&[-2.0, 0.0, 2.0, 0.0, 0.0, -4.0, 0.0, 4.0], [4, 2]);
/// // Variances 2 and 8, no correlation: the columns are divided by their roots.
/// let z = ZcaWhitening::fit(&train, 0.0)?.transform(&train)?;
/// assert!((z.at(&[1, 0]) - 2.0_f32.sqrt()).abs() < 1e-6 && (z.at(&[3, 1]) - 2.0_f32.sqrt()).abs() < 1e-6);
/// # Ok::<(), kniff_data::DataError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound = "", try_from = "Stored<E>", into = "Stored<E>")]
pub struct ZcaWhitening<E: Element = f32> {
    mean: Vec<E>,
    forth: Tensor<E>,
    back: Tensor<E>,
}

#[derive(Serialize, Deserialize)]
#[serde(bound = "", rename = "ZcaWhitening")]
struct Stored<E: Element> {
    mean: Vec<E>,
    forth: Vec<E>,
    back: Vec<E>,
}

#[cfg(feature = "linalg")]
impl<E: Element> ZcaWhitening<E> {
    /// Fits on examples `[n, ...]`, each flattened to columns; `eps` is added to every eigenvalue. Needs the feature `linalg`.
    ///
    /// # Errors
    /// [`DataError::Setting`] without examples or if `eps` is negative or not finite; [`DataError::NotFinite`] with row and
    /// column of what is infinite or NaN; [`DataError::Decomposition`] for numbers whose squares cannot be represented.
    pub fn fit(x: &impl Examples<E>, eps: f64) -> Result<Self, DataError> {
        let x = x.tensor();
        let mut covariance = Covariance::try_new(x.shape().iter().skip(1).product())?;
        covariance.update(&x)?;
        Self::from_covariance(&covariance, eps)
    }

    /// Fits on the inputs of a data set, a part at a time. Needs the feature `linalg`.
    ///
    /// # Errors
    /// As [`ZcaWhitening::fit`], and what the data set says.
    pub fn fit_dataset<D: Dataset<E>>(dataset: &D, eps: f64) -> Result<Self, DataError> {
        let mut covariance = Covariance::try_new(dataset.input_shape().numel())?;
        for_all(dataset, |x| covariance.update(x))?;
        Self::from_covariance(&covariance, eps)
    }

    /// From a covariance that was gathered already, batch by batch. Needs the feature `linalg`.
    ///
    /// # Errors
    /// As [`ZcaWhitening::fit`].
    pub fn from_covariance(covariance: &Covariance, eps: f64) -> Result<Self, DataError> {
        check_eps(eps)?;
        let eigen = decompose_for::<E>("ZCA whitening", &covariance.matrix(0)?)?;
        let regular = |(i, v): (usize, &f64)| match v + eps {
            v if v <= eigen.noise_floor::<E>(i) => 1.0,
            v => v.sqrt(),
        };
        let roots: Vec<f64> = eigen.values.iter().enumerate().map(regular).collect();
        let forth = rounded("ZCA whitening", &conjugate(&eigen.vectors, roots.iter().map(|&r| 1.0 / r)))?;
        let back = rounded("ZCA whitening", &conjugate(&eigen.vectors, roots.iter().copied()))?;
        let mean = covariance.mean().iter().map(|&m| E::from_f64(m)).collect();
        Ok(Self { mean, forth, back })
    }
}

impl<E: Element> ZcaWhitening<E> {
    /// The mean of each column.
    pub fn mean(&self) -> &[E] {
        &self.mean
    }

    /// The whitening matrix W, `[columns, columns]`.
    pub fn matrix(&self) -> &Tensor<E> {
        &self.forth
    }
}

impl<E: Element> Normalizer<E> for ZcaWhitening<E> {
    fn output_shape(&self, example: &[usize]) -> Result<Shape, DataError> {
        check_example("ZCA whitening", example, self.mean.len())?;
        Ok(example.into())
    }

    fn transform(&self, x: &Tensor<E>) -> Result<Tensor<E>, DataError> {
        Ok(times(&minus(x, &self.mean, "ZCA whitening")?, &self.forth).reshape(*x.shape()))
    }

    fn inverse_transform(&self, z: &Tensor<E>) -> Result<Tensor<E>, DataError> {
        crate::moments::check_columns("ZCA whitening", z, self.mean.len())?;
        let x = map_rows("ZCA whitening", &times(z, &self.back), self.mean.len(), |row, out| {
            for ((o, &x), &mean) in out.iter_mut().zip(row).zip(&self.mean) {
                *o = x + mean;
            }
        })?;
        Ok(x.reshape(*z.shape()))
    }
}

impl<E: Element> From<ZcaWhitening<E>> for Stored<E> {
    fn from(zca: ZcaWhitening<E>) -> Self {
        Self { forth: zca.forth.to_vec(), back: zca.back.to_vec(), mean: zca.mean }
    }
}

impl<E: Element> TryFrom<Stored<E>> for ZcaWhitening<E> {
    type Error = DataError;

    fn try_from(stored: Stored<E>) -> Result<Self, DataError> {
        let Stored { mean, forth, back } = stored;
        let n = mean.len();
        check_stored("stored mean", &mean, n)?;
        let len = n.checked_mul(n).ok_or_else(|| DataError::setting("stored mean", "fewer columns", n))?;
        check_stored("stored whitening matrix", &forth, len)?;
        check_stored("stored colouring matrix", &back, len)?;
        Ok(Self { mean, forth: Tensor::from_vec(forth, [n, n]), back: Tensor::from_vec(back, [n, n]) })
    }
}

/// U diag(factors) U^T for eigenvectors in rows; exactly symmetric.
#[cfg(feature = "linalg")]
fn conjugate(vectors: &Tensor<f64>, factors: impl Iterator<Item = f64>) -> Tensor<f64> {
    let n = vectors.shape()[0];
    let mut scaled = vectors.clone();
    let rows = scaled.make_mut().chunks_exact_mut(n.max(1));
    for (row, factor) in rows.zip(factors) {
        row.iter_mut().for_each(|x| *x *= factor);
    }
    let mut out = times(&vectors.t(), &scaled);
    let entries = out.make_mut();
    for i in 0..n {
        for j in 0..i {
            entries[i * n + j] = entries[j * n + i];
        }
    }
    out
}

#[cfg(all(test, feature = "linalg"))]
mod tests {
    use super::*;
    use kniff_tensor::Rng;
    use ndarray::array;

    #[test]
    fn white_and_back() {
        let mut rng = Rng::new(8);
        let x = Tensor::<f64>::randn([300, 2, 3], &mut rng);
        let x = Tensor::from_fn([300, 2, 3], |i| x.as_slice().unwrap()[i] + x.as_slice().unwrap()[i / 6 * 6] + 4.0);
        let zca = ZcaWhitening::fit(&x, 0.0).unwrap();
        let z = zca.transform(&x).unwrap();
        assert_eq!(z.shape(), &[300, 2, 3]);
        let mut c = Covariance::new(6);
        c.update(&z).unwrap();
        for (i, v) in c.matrix(0).unwrap().to_vec().iter().enumerate() {
            assert!((v - f64::from(u8::from(i / 6 == i % 6))).abs() < 1e-12);
        }
        let back = zca.inverse_transform(&z).unwrap().to_vec();
        assert!(back.iter().zip(x.to_vec()).all(|(a, b)| (a - b).abs() < 1e-12));
    }

    #[test]
    fn a_constant_column_stays_zero() {
        let zca = ZcaWhitening::fit(&array![[1.0_f32, 7.0], [3.0, 7.0]], 0.0).unwrap();
        assert_eq!(zca.transform(&Tensor::from_slice(&[3.0, 8.0], [1, 2])).unwrap().to_vec(), [1.0, 1.0]);
        assert!(ZcaWhitening::fit(&array![[1.0_f32]], f64::NAN).is_err());
        assert!(ZcaWhitening::<f32>::fit(&Tensor::zeros([0, 2]), 0.0).is_err());
    }

    #[test]
    fn what_is_stored_is_checked_when_loaded() {
        let zca = ZcaWhitening::fit(&array![[1.0_f32, 7.5], [3.0, 7.0], [2.0, 2.0]], 0.5).unwrap();
        let text = serde_json::to_string(&zca).unwrap();
        assert_eq!(serde_json::from_str::<ZcaWhitening>(&text).unwrap(), zca);
        assert!(serde_json::from_str::<ZcaWhitening>(&text.replace("\"mean\":[", "\"mean\":[0.0,")).is_err());
    }
}
