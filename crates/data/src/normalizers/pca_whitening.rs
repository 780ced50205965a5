//! Principal axes: uncorrelated columns, scaled to variance 1 if wanted.

use crate::normalizer::{check_example, check_scales, check_stored, map_rows, times};
#[cfg(feature = "linalg")]
use crate::{Covariance, Dataset, Examples, eigen::rounded, eigen_weak::decompose_for, normalizer::for_all};
use crate::{DataError, Normalizer};
use kniff_tensor::{Element, Shape, Tensor};
use serde::{Deserialize, Serialize};

/// How many principal axes to keep.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Keep {
    /// As many as there are columns.
    All,
    /// The first so many.
    Components(usize),
    /// As few as explain this fraction of the variance (above 0, at most 1).
    Variance(f64),
}

/// What a [`PcaWhitening`] is to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PcaOptions {
    /// How many axes to keep.
    pub keep: Keep,
    /// Whether to scale every axis to variance 1, or only to rotate.
    pub whiten: bool,
    /// What is added to every variance before its root is divided by; keeps weak axes, mostly noise, from being blown up.
    pub eps: f64,
}

/// All axes, whitened, with nothing added.
impl Default for PcaOptions {
    fn default() -> Self {
        Self { keep: Keep::All, whiten: true, eps: 0.0 }
    }
}

/// z = (x - mean) V diag(1 / sqrt(lambda + eps)): the data along the principal axes of its covariance, each scaled to variance 1.
///
/// The axes V are the covariance's eigenvectors, by descending eigenvalue lambda; the covariance is divided by n - 1, as
/// scikit-learn's `PCA` does. An axis has no sign of its own: here its entry of largest magnitude is positive. An axis
/// whose lambda + eps is rounding noise (at most the precision times the root of the number of columns times the variance of
/// the columns that it is made of) is not scaled but divided by 1, so that the zero which it carries does not become noise of variance 1; [`PcaWhitening::constant_axes`] names it. The
/// slide's "decorrelate the inputs, then scale them to the same variance".
///
/// Differs from scikit-learn: it computes in f32 for f32 data, here products are added up in f64, and weak axes are
/// decomposed in f64; it clips small scales at the precision; its default keeps at most n axes; its signs come from the rows of the data or of V, by version.
///
/// Fitting needs the feature `linalg`; a fitted one is read, applied and stored without it.
///
/// ```
/// use kniff_data::{Normalizer, PcaWhitening};
/// use kniff_tensor::{Rng, Tensor};
/// // Two columns that are nearly the same.
/// let mut rng = Rng::new(0);
/// let a = Tensor::<f64>::randn([100, 1], &mut rng);
/// let train = Tensor::from_fn([100, 2], |i| a.at(&[i / 2, 0]) + 0.01 * (i % 3) as f64);
/// let pca = PcaWhitening::fit(&train)?;
/// let again = PcaWhitening::fit(&pca.transform(&train)?)?;
/// assert!(again.explained_variance().iter().all(|v| (v - 1.0).abs() < 1e-8));
/// # Ok::<(), kniff_data::DataError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound = "", try_from = "Stored<E>", into = "Stored<E>")]
pub struct PcaWhitening<E: Element = f32> {
    mean: Vec<E>,
    /// `[axes, columns]`.
    components: Tensor<E>,
    variance: Vec<E>,
    total: E,
    scale: Vec<E>,
    /// `[columns, axes]`: V diag(1 / scale).
    forth: Tensor<E>,
    /// `[axes, columns]`: diag(scale) V^T.
    back: Tensor<E>,
    constant: Vec<usize>,
}

#[derive(Serialize, Deserialize)]
#[serde(bound = "", rename = "PcaWhitening")]
struct Stored<E: Element> {
    mean: Vec<E>,
    components: Vec<E>,
    variance: Vec<E>,
    total: E,
    scale: Vec<E>,
    constant: Vec<usize>,
}

#[cfg(feature = "linalg")]
impl<E: Element> PcaWhitening<E> {
    /// Fits on examples `[n, ...]`, each flattened to columns; keeps all axes and whitens. Needs the feature `linalg`.
    ///
    /// # Errors
    /// With fewer than two examples; [`DataError::NotFinite`] with row and column of what is infinite or NaN;
    /// [`DataError::Decomposition`] for numbers whose squares cannot be represented.
    pub fn fit(x: &impl Examples<E>) -> Result<Self, DataError> {
        Self::fit_with(x, &PcaOptions::default())
    }

    /// [`PcaWhitening::fit`] with other options. Needs the feature `linalg`.
    ///
    /// # Errors
    /// As there, and [`DataError::Setting`] for options that make no sense.
    pub fn fit_with(x: &impl Examples<E>, options: &PcaOptions) -> Result<Self, DataError> {
        let x = x.tensor();
        let mut covariance = Covariance::try_new(x.shape().iter().skip(1).product())?;
        covariance.update(&x)?;
        Self::from_covariance(&covariance, options)
    }

    /// Fits on the inputs of a data set, a part at a time. Needs the feature `linalg`.
    ///
    /// # Errors
    /// As [`PcaWhitening::fit_with`], and what the data set says.
    pub fn fit_dataset<D: Dataset<E>>(dataset: &D, options: &PcaOptions) -> Result<Self, DataError> {
        let mut covariance = Covariance::try_new(dataset.input_shape().numel())?;
        for_all(dataset, |x| covariance.update(x))?;
        Self::from_covariance(&covariance, options)
    }

    /// From a covariance that was gathered already, batch by batch. Needs the feature `linalg`.
    ///
    /// # Errors
    /// As [`PcaWhitening::fit_with`].
    pub fn from_covariance(covariance: &Covariance, options: &PcaOptions) -> Result<Self, DataError> {
        let columns = covariance.columns();
        check_options(options, columns)?;
        let eigen = decompose_for::<E>("PCA whitening", &covariance.matrix(1)?)?;
        let total: f64 = eigen.values.iter().sum();
        let axes = match options.keep {
            Keep::All => columns,
            Keep::Components(axes) => axes,
            Keep::Variance(fraction) => axes_for(&eigen.values, fraction * total),
        };
        let regular = |i: usize| eigen.values[i] + options.eps;
        let constant: Vec<usize> = (0..axes).filter(|&i| regular(i) <= eigen.noise_floor::<E>(i)).collect();
        let mut scale = vec![1.0; axes];
        if options.whiten {
            scale.iter_mut().enumerate().for_each(|(i, s)| *s = regular(i).sqrt());
            constant.iter().for_each(|&i| scale[i] = 1.0);
        }
        let narrow = |x: &[f64]| rounded("PCA whitening", &Tensor::from_slice(x, [x.len()])).map(|x| x.to_vec());
        let components = rounded("PCA whitening", &eigen.vectors.slice_axis(0, ..axes))?;
        let total = narrow(&[total])?[0];
        let (mean, variance, scale) = (narrow(covariance.mean())?, narrow(&eigen.values[..axes])?, narrow(&scale)?);
        let pca = Self::assemble(mean, components, variance, total, scale, constant);
        let fits = pca.forth.all_finite() && pca.back.all_finite();
        fits.then_some(pca).ok_or(DataError::Decomposition { what: "PCA whitening" })
    }
}

impl<E: Element> PcaWhitening<E> {
    fn assemble(
        mean: Vec<E>,
        components: Tensor<E>,
        variance: Vec<E>,
        total: E,
        scale: Vec<E>,
        constant: Vec<usize>,
    ) -> Self {
        let columns = mean.len();
        let mut back = components.clone();
        let mut by = components.clone();
        for (i, &s) in scale.iter().enumerate() {
            back.make_mut()[i * columns..(i + 1) * columns].iter_mut().for_each(|x| *x *= s);
            by.make_mut()[i * columns..(i + 1) * columns].iter_mut().for_each(|x| *x /= s);
        }
        Self { mean, components, variance, total, scale, forth: by.t().contiguous(), back, constant }
    }

    /// The mean of each column.
    pub fn mean(&self) -> &[E] {
        &self.mean
    }

    /// The principal axes, `[axes, columns]`, one per row, each of length 1.
    pub fn components(&self) -> &Tensor<E> {
        &self.components
    }

    /// The whitening matrix, `[columns, axes]`: what centred examples are multiplied by.
    pub fn matrix(&self) -> &Tensor<E> {
        &self.forth
    }

    /// The variance of the training data along each axis, descending.
    pub fn explained_variance(&self) -> &[E] {
        &self.variance
    }

    /// [`PcaWhitening::explained_variance`] as fractions of the variance along all axes; 0 for constant data.
    pub fn explained_variance_ratio(&self) -> Vec<E> {
        let total = if self.total > E::ZERO { self.total } else { E::ONE };
        self.variance.iter().map(|&v| v / total).collect()
    }

    /// The axes along which the training data does not vary beyond rounding.
    pub fn constant_axes(&self) -> &[usize] {
        &self.constant
    }
}

impl<E: Element> Normalizer<E> for PcaWhitening<E> {
    fn output_shape(&self, example: &[usize]) -> Result<Shape, DataError> {
        check_example("PCA whitening", example, self.mean.len())?;
        Ok([self.variance.len()].into())
    }

    fn transform(&self, x: &Tensor<E>) -> Result<Tensor<E>, DataError> {
        Ok(times(&minus(x, &self.mean, "PCA whitening")?, &self.forth))
    }

    /// Gives `[n, columns]`, whatever shape the examples had when they were flattened.
    fn inverse_transform(&self, z: &Tensor<E>) -> Result<Tensor<E>, DataError> {
        crate::moments::check_columns("PCA whitening", z, self.variance.len())?;
        map_rows("PCA whitening", &times(z, &self.back), self.mean.len(), |row, out| {
            for ((o, &x), &mean) in out.iter_mut().zip(row).zip(&self.mean) {
                *o = x + mean;
            }
        })
    }
}

impl<E: Element> From<PcaWhitening<E>> for Stored<E> {
    fn from(pca: PcaWhitening<E>) -> Self {
        let components = pca.components.to_vec();
        let PcaWhitening { mean, variance, total, scale, constant, .. } = pca;
        Self { mean, components, variance, total, scale, constant }
    }
}

impl<E: Element> TryFrom<Stored<E>> for PcaWhitening<E> {
    type Error = DataError;

    fn try_from(stored: Stored<E>) -> Result<Self, DataError> {
        let Stored { mean, components, variance, total, scale, constant } = stored;
        let (columns, axes) = (mean.len(), variance.len());
        check_stored("stored mean", &mean, columns)?;
        check_stored("stored variance", &variance, axes)?;
        check_stored("stored total variance", &[total], 1)?;
        check_scales("stored scale", &scale, axes)?;
        let len = axes.checked_mul(columns).filter(|_| axes <= columns);
        let expected = || DataError::setting("stored axes", format!("at most {columns}"), axes);
        check_stored("stored components", &components, len.ok_or_else(expected)?)?;
        super::standardizer::check_constant(&constant, axes)?;
        Ok(Self::assemble(mean, Tensor::from_vec(components, [axes, columns]), variance, total, scale, constant))
    }
}

/// Every example less the mean, flattened to `[n, columns]`.
pub(super) fn minus<E: Element>(x: &Tensor<E>, mean: &[E], what: &'static str) -> Result<Tensor<E>, DataError> {
    let centred = map_rows(what, x, mean.len(), |row, out| {
        for ((o, &x), &mean) in out.iter_mut().zip(row).zip(mean) {
            *o = x - mean;
        }
    })?;
    Ok(centred.reshape([x.shape()[0], mean.len()]))
}

#[cfg(feature = "linalg")]
fn check_options(options: &PcaOptions, columns: usize) -> Result<(), DataError> {
    match options.keep {
        Keep::Components(axes) if axes == 0 || axes > columns => {
            return Err(DataError::setting(
                "components to keep",
                format!("1 to {columns}, the number of columns"),
                axes,
            ));
        }
        Keep::Variance(f) if !(f > 0.0 && f <= 1.0) => {
            return Err(DataError::setting("fraction of variance to keep", "a number above 0 and at most 1", f));
        }
        _ => {}
    }
    check_eps(options.eps)
}

#[cfg(feature = "linalg")]
pub(super) fn check_eps(eps: f64) -> Result<(), DataError> {
    if eps.is_finite() && eps >= 0.0 {
        return Ok(());
    }
    Err(DataError::setting("whitening eps", "a finite number of at least 0", eps))
}

/// How many of the largest values it takes to reach `goal`.
#[cfg(feature = "linalg")]
fn axes_for(values: &[f64], goal: f64) -> usize {
    let mut sum = 0.0;
    for (i, v) in values.iter().enumerate() {
        sum += v;
        if sum >= goal {
            return i + 1;
        }
    }
    values.len()
}

#[cfg(all(test, feature = "linalg"))]
mod tests {
    use super::*;
    use kniff_tensor::Rng;
    use ndarray::array;

    #[test]
    fn a_line_by_hand() {
        // Along (1, 1): deviations -sqrt 2, 0, sqrt 2, so variance 2; nothing across.
        let a = array![[0.0_f64, 0.0], [1.0, 1.0], [2.0, 2.0]];
        let pca = PcaWhitening::fit(&a).unwrap();
        assert!((pca.explained_variance()[0] - 2.0).abs() < 1e-14);
        assert_eq!(pca.constant_axes(), [1]);
        let z = pca.transform_array(&a).unwrap();
        assert!((z[[2, 0]] - 1.0).abs() < 1e-14 && z[[2, 1]].abs() < 1e-14);
        assert!((pca.explained_variance_ratio()[0] - 1.0).abs() < 1e-14);
        let back = pca.inverse_transform_array(&z).unwrap();
        assert!((&back - &a.into_dyn()).iter().all(|d| d.abs() < 1e-14));
    }

    #[test]
    fn options_decide_how_many_axes() {
        let x = Tensor::from_fn([200, 3], {
            let mut rng = Rng::new(1);
            move |i| rng.normal() * [10.0, 3.0, 0.1][i % 3]
        });
        let axes = |keep| PcaWhitening::<f64>::fit_with(&x, &PcaOptions { keep, ..PcaOptions::default() });
        assert_eq!(axes(Keep::Components(2)).unwrap().components().shape(), &[2, 3]);
        assert_eq!(axes(Keep::Variance(0.8)).unwrap().explained_variance().len(), 1);
        assert_eq!(axes(Keep::Variance(0.99)).unwrap().explained_variance().len(), 2);
        assert_eq!(axes(Keep::All).unwrap().output_shape(&[3]).unwrap(), [3]);
        for keep in [Keep::Components(0), Keep::Components(4), Keep::Variance(0.0), Keep::Variance(f64::NAN)] {
            assert!(axes(keep).is_err());
        }
        let options = PcaOptions { eps: -1.0, ..PcaOptions::default() };
        assert!(PcaWhitening::fit_with(&x, &options).is_err());
        let rotated = PcaWhitening::fit_with(&x, &PcaOptions { whiten: false, ..PcaOptions::default() }).unwrap();
        let length = |t: &Tensor<f64>| t.to_vec().iter().map(|v| v * v).sum::<f64>();
        let centred = minus(&x, rotated.mean(), "x").unwrap();
        assert!((length(&rotated.transform(&x).unwrap()) / length(&centred) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn f32_data_is_white_too() {
        let x = Tensor::<f32>::randn([3000, 40], &mut Rng::new(3)).affine(5.0, 100.0);
        let pca = PcaWhitening::fit(&x).unwrap();
        let mut c = Covariance::new(40);
        c.update(&pca.transform(&x).unwrap()).unwrap();
        for (i, v) in c.matrix(1).unwrap().to_vec().iter().enumerate() {
            let expected = f64::from(u8::from(i / 40 == i % 40));
            assert!((v - expected).abs() < 1e-4, "{i}: {v}");
        }
    }

    /// The covariance of what comes out, beside the unit matrix.
    fn farthest_from_white(x: &Tensor<f32>, axes: usize) -> f64 {
        let pca = PcaWhitening::fit(x).unwrap();
        let mut c = Covariance::new(axes);
        c.update(&pca.transform(x).unwrap().slice_axis(1, ..axes).contiguous()).unwrap();
        let unit = |i: usize| f64::from(u8::from(i / axes == i % axes));
        c.matrix(1).unwrap().to_vec().iter().enumerate().map(|(i, v)| (v - unit(i)).abs()).fold(0.0, f64::max)
    }

    #[test]
    fn single_precision_data_of_very_different_scales_becomes_white() {
        for small in [1e-2_f32, 1e-3, 3e-4] {
            let x = Tensor::<f32>::randn([500, 3], &mut Rng::new(5));
            let x = Tensor::from_fn([500, 3], |i| x.at(&[i / 3, i % 3]) * [1.0, small, small * small][i % 3]);
            assert!(PcaWhitening::fit(&x).unwrap().constant_axes().is_empty());
            assert!(farthest_from_white(&x, 3) < 1e-3, "{small}: {}", farthest_from_white(&x, 3));
        }
    }

    #[test]
    fn axes_that_carry_only_rounding_are_found_in_single_precision() {
        // Fewer examples than columns, of scales from 1 to 1e-3: 40 examples span 39 directions.
        let x = Tensor::<f32>::randn([40, 60], &mut Rng::new(6));
        let x = Tensor::from_fn([40, 60], |i| x.at(&[i / 60, i % 60]) * 10_f32.powf(-((i % 60) as f32) / 20.0) + 1.0);
        let pca = PcaWhitening::fit(&x).unwrap();
        assert_eq!(pca.constant_axes(), (39..60).collect::<Vec<_>>());
        assert!(farthest_from_white(&x, 39) < 1e-2);
        // A column twice, one that never changes, and one that is the sum of two others.
        let x = Tensor::<f32>::randn([300, 3], &mut Rng::new(7));
        let x = Tensor::from_fn([300, 6], |i| {
            let (r, c) = (i / 6, i % 6);
            match c {
                3 => x.at(&[r, 0]),
                4 => 100.0,
                5 => x.at(&[r, 1]) + x.at(&[r, 2]),
                _ => x.at(&[r, c]),
            }
        });
        assert_eq!(PcaWhitening::fit(&x).unwrap().constant_axes(), [3, 4, 5]);
    }

    #[test]
    fn too_little_is_refused_and_constants_are_not() {
        assert!(PcaWhitening::<f32>::fit(&Tensor::ones([1, 2])).is_err());
        let pca = PcaWhitening::<f32>::fit(&Tensor::ones([3, 2])).unwrap();
        assert_eq!(pca.constant_axes(), [0, 1]);
        assert_eq!(pca.transform(&Tensor::ones([1, 2])).unwrap().to_vec(), [0.0, 0.0]);
        assert_eq!(pca.explained_variance_ratio(), [0.0, 0.0]);
    }

    #[test]
    fn what_is_stored_is_checked_when_loaded() {
        let pca = PcaWhitening::fit(&array![[0.0_f32, 0.0], [1.0, 1.5], [2.0, 1.0]]).unwrap();
        let text = serde_json::to_string(&pca).unwrap();
        assert_eq!(serde_json::from_str::<PcaWhitening>(&text).unwrap(), pca);
        assert!(serde_json::from_str::<PcaWhitening>(&text.replace("\"mean\":[", "\"mean\":[0.0,")).is_err());
        assert!(serde_json::from_str::<PcaWhitening>(&text.replace("\"scale\":[", "\"scale\":[-")).is_err());
    }
}
