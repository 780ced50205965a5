//! Colours shifted along the directions in which the colours of the training images vary.

use crate::augment::image_shape;
use crate::augmentation::{Augmentation, TestStep, Views, check_color, check_strength};
#[cfg(feature = "linalg")]
use crate::{Covariance, Dataset, Examples, eigen, normalizer::for_all};
use crate::{DataError, Image};
use kniff_tensor::{Element, Rng, Tensor, parallel};
use serde::{Deserialize, Serialize};

/// What a draw is multiplied by before it goes along an eigenvector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ColorScale {
    /// The eigenvalue, a variance: as AlexNet's paper prints it. The shift then depends on the unit of the pixels (0 to 1, or 0 to 255).
    #[default]
    Variance,
    /// Its square root, a standard deviation: the shift is in proportion to how far the colours vary, in any unit.
    Deviation,
}

/// Adds one colour to all pixels of an image: sum_i a_i lambda_i p_i, with a_i normal, mean 0 and standard deviation 0.1 ("Color PCA").
///
/// lambda_i and p_i are the eigenvalues and eigenvectors of the covariance of red, green and blue over all pixels of the training
/// images (divided by their number). Objects stay what they are when the light changes in strength and colour. Not cut off at
/// black and white. At test time the image stays as it is; a plan with [`Views::colors`] averages over that many variations too.
/// Krizhevsky, Sutskever and Hinton, "ImageNet Classification with Deep Convolutional Neural Networks" (2012).
///
/// Fitting needs the feature `linalg`; one of given numbers ([`ColorPca::new`]) does not.
///
/// ```
/// use kniff_data::ColorPca;
/// use kniff_tensor::Tensor;
/// // Two pixels that differ in red and green alike: all the variance, 0.5, lies along (1, 1, 0) / sqrt(2).
/// let image: Tensor<f64> = Tensor::from_slice(&[0.0, 1.0, 0.0, 1.0, 0.3, 0.3], [1, 3, 1, 2]);
/// let pca = ColorPca::fit(&image)?;
/// assert!((pca.eigenvalues()[0] - 0.5).abs() < 1e-12 && pca.eigenvalues()[1].abs() < 1e-12);
/// let shift = pca.shift([0.1, 0.0, 0.0]);
/// assert!((shift[0] - 0.05 / 2.0_f64.sqrt()).abs() < 1e-12 && shift[2].abs() < 1e-12);
/// # Ok::<(), kniff_data::DataError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColorPca {
    eigenvalues: [f64; 3],
    eigenvectors: [[f64; 3]; 3],
    std: f64,
    scale: ColorScale,
}

#[cfg(feature = "linalg")]
impl ColorPca {
    /// Fits on training images `[n, 3, height, width]`. Needs the feature `linalg`.
    ///
    /// # Errors
    /// [`DataError::Shape`] for other images, [`DataError::Empty`] without pixels, [`DataError::NotFinite`] if a number is not finite
    /// (its row is the pixel's number over all images).
    pub fn fit<E: Element>(images: &impl Examples<E>) -> Result<Self, DataError> {
        let mut covariance = Covariance::new(3);
        gather(&images.tensor(), &mut covariance)?;
        Self::from_covariance(&covariance)
    }

    /// Fits on the inputs of a data set, a part at a time. Needs the feature `linalg`.
    ///
    /// # Errors
    /// As [`ColorPca::fit`], and what the data set says.
    pub fn fit_dataset<E: Element, D: Dataset<E>>(dataset: &D) -> Result<Self, DataError> {
        let mut covariance = Covariance::new(3);
        for_all(dataset, |x| gather(x, &mut covariance))?;
        Self::from_covariance(&covariance)
    }

    fn from_covariance(covariance: &Covariance) -> Result<Self, DataError> {
        if covariance.count() == 0 {
            return Err(DataError::Empty { what: "the images to fit colours on" });
        }
        let found = eigen::decompose("colour PCA", &covariance.matrix(0)?)?;
        let row = |i: usize| [0, 1, 2].map(|j| found.vectors.at(&[i, j]));
        Self::new([found.values[0], found.values[1], found.values[2]], [row(0), row(1), row(2)])
    }
}

impl ColorPca {
    /// With given eigenvalues and eigenvectors, row i belonging to value i.
    ///
    /// # Errors
    /// Unless all numbers are finite and the eigenvalues at least 0.
    pub fn new(eigenvalues: [f64; 3], eigenvectors: [[f64; 3]; 3]) -> Result<Self, DataError> {
        eigenvalues.iter().try_for_each(|&value| check_strength("eigenvalue of colours", value))?;
        if let Some(x) = eigenvectors.as_flattened().iter().find(|x| !x.is_finite()) {
            return Err(DataError::setting("eigenvectors of colours", "finite numbers", x));
        }
        Ok(Self { eigenvalues, eigenvectors, std: 0.1, scale: ColorScale::Variance })
    }

    /// Draws with another standard deviation than 0.1.
    ///
    /// # Errors
    /// Unless it is finite and at least 0.
    pub fn std(mut self, std: f64) -> Result<Self, DataError> {
        check_strength("deviation of colour PCA", std)?;
        self.std = std;
        Ok(self)
    }

    /// Multiplies the draws by something else than the eigenvalue.
    #[must_use]
    pub fn scale(mut self, scale: ColorScale) -> Self {
        self.scale = scale;
        self
    }

    /// The variances along the eigenvectors; descending if they were fitted.
    pub fn eigenvalues(&self) -> [f64; 3] {
        self.eigenvalues
    }

    /// Row i is the direction of eigenvalue i: parts of red, green and blue.
    pub fn eigenvectors(&self) -> [[f64; 3]; 3] {
        self.eigenvectors
    }

    /// The colour sum_i a_i lambda_i p_i (or with sqrt(lambda_i)) for given draws.
    pub fn shift(&self, alphas: [f64; 3]) -> [f64; 3] {
        let mut shift = [0.0; 3];
        for ((a, lambda), vector) in alphas.iter().zip(self.eigenvalues).zip(self.eigenvectors) {
            let along = a * match self.scale {
                ColorScale::Variance => lambda,
                ColorScale::Deviation => lambda.sqrt(),
            };
            shift.iter_mut().zip(vector).for_each(|(s, p)| *s += along * p);
        }
        shift
    }

    /// Images `[n, 3, height, width]` with the colours of given draws `[n, 3]` added.
    ///
    /// # Errors
    /// [`DataError::Shape`] for other shapes.
    pub fn jitter<E: Element>(&self, images: &Tensor<E>, alphas: &Tensor<E>) -> Result<Tensor<E>, DataError> {
        let (n, shape) = image_shape(images.shape())?;
        check_color("colour PCA", shape)?;
        if alphas.shape()[..] != [n, 3] {
            let expected = format!("[{n}, 3]");
            return Err(DataError::Shape { what: "draws of colour PCA", expected, found: *alphas.shape() });
        }
        let places = shape[1] * shape[2];
        let shifts: Vec<[f64; 3]> = alphas
            .to_vec()
            .chunks_exact(3)
            .map(|a| self.shift([a[0].to_f64(), a[1].to_f64(), a[2].to_f64()]))
            .collect();
        let mut out = images.contiguous();
        parallel::row_blocks(out.make_mut(), places, places, |first, block| {
            for (i, plane) in block.chunks_exact_mut(places).enumerate() {
                let shift = E::from_f64(shifts[(first + i) / 3][(first + i) % 3]);
                plane.iter_mut().for_each(|x| *x += shift);
            }
        });
        Ok(out)
    }

    fn draw(&self, rng: &mut Rng) -> [f64; 3] {
        self.shift([0; 3].map(|_| self.std * rng.normal()))
    }
}

/// Adds the pixels of images to a covariance.
#[cfg(feature = "linalg")]
fn gather<E: Element>(images: &Tensor<E>, covariance: &mut Covariance) -> Result<(), DataError> {
    let (n, shape) = image_shape(images.shape())?;
    check_color("colour PCA", shape)?;
    covariance.update(&images.permute(&[0, 2, 3, 1]).contiguous().reshape([n * shape[1] * shape[2], 3]))
}

fn add<E: Element>(image: &mut Image<'_, E>, shift: [f64; 3]) {
    shift.iter().enumerate().for_each(|(c, &shift)| image.scale_and_shift(c, E::ONE, E::from_f64(shift)));
}

impl<E: Element> Augmentation<E> for ColorPca {
    fn name(&self) -> &str {
        "color pca"
    }

    fn output_shape(&self, shape: [usize; 3]) -> Result<[usize; 3], DataError> {
        check_color("colour PCA", shape)?;
        Ok(shape)
    }

    fn apply(&self, image: &mut Image<'_, E>, rng: &mut Rng) {
        add(image, self.draw(rng));
    }

    fn at_test(&self, _: [usize; 3], views: &Views, rng: &mut Rng) -> Vec<TestStep<E>> {
        let mut steps = vec![TestStep::new("", |_| ())];
        steps.extend((1..=views.colors).map(|k| {
            let shift = self.draw(rng);
            TestStep::new(format!("colours {k}"), move |image: &mut Image<'_, E>| add(image, shift))
        }));
        steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Augment;

    #[test]
    fn the_draws_have_the_covariance_that_the_formula_says() {
        let (r, s) = (0.8_f64.sqrt(), 0.2_f64.sqrt());
        let vectors = [[r, s, 0.0], [-s, r, 0.0], [0.0, 0.0, 1.0]];
        let pca = ColorPca::new([0.5, 0.1, 0.02], vectors).unwrap();
        for (pca, lambda) in
            [(pca.clone(), [0.5, 0.1, 0.02]), (pca.scale(ColorScale::Deviation), [0.5, 0.1, 0.02_f64].map(f64::sqrt))]
        {
            let n = 20_000;
            let zeros: Tensor<f64> = Tensor::zeros([n, 3, 1, 1]);
            let shifts = Augment::new().then(pca).apply(&zeros, &Rng::new(4)).unwrap().to_vec();
            for (vector, lambda) in vectors.iter().zip(lambda) {
                let along = shifts.chunks_exact(3).map(|s| (0..3).map(|j| s[j] * vector[j]).sum::<f64>());
                let variance = along.map(|x| x * x).sum::<f64>() / n as f64;
                let expected = (0.1 * lambda).powi(2);
                // Five standard errors of a variance.
                assert!((variance / expected - 1.0).abs() < 5.0 * (2.0 / n as f64).sqrt(), "{variance} {expected}");
            }
        }
    }

    #[cfg(feature = "linalg")]
    #[test]
    fn what_cannot_be_fitted_is_refused() {
        assert!(ColorPca::fit(&Tensor::<f32>::ones([1, 1, 2, 2])).is_err());
        assert!(matches!(ColorPca::fit(&Tensor::<f32>::ones([0, 3, 2, 2])), Err(DataError::Empty { .. })));
        let nan: Tensor = Tensor::full([1, 3, 1, 1], f32::NAN);
        assert!(matches!(ColorPca::fit(&nan), Err(DataError::NotFinite { .. })));
        assert!(ColorPca::new([-1.0, 0.0, 0.0], [[0.0; 3]; 3]).is_err());
        assert!(ColorPca::new([1.0, 0.0, 0.0], [[f64::NAN; 3]; 3]).is_err());
    }
}
