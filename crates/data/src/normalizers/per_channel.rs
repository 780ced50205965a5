//! Mean 0 and variance 1 for every channel of an image.

use super::standardizer::check_constant;
use crate::normalizer::{check_scales, check_stored, checked_shape, for_all};
use crate::{DataError, Dataset, Examples, Moments, Normalizer};
use kniff_tensor::{Element, Shape, Tensor, parallel};
use serde::{Deserialize, Serialize};

/// z = (x - mean_c) / std_c for images `[n, channels, ...]`, one mean and standard deviation per channel.
///
/// All places of all images count for their channel (divided by their number), so that a convolution, which shares its weights over
/// places, sees one scale everywhere. A channel that is constant in the training data gets std 1.
///
/// ```
/// use kniff_data::{Normalizer, PerChannel};
/// use kniff_tensor::Tensor;
/// let images: Tensor = Tensor::from_slice(&[1.0, 3.0, 8.0, 8.0], [1, 2, 1, 2]);
/// let normalizer = PerChannel::fit(&images)?;
/// assert_eq!(normalizer.transform(&images)?.to_vec(), [-1.0, 1.0, 0.0, 0.0]);
/// # Ok::<(), kniff_data::DataError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound = "", try_from = "Stored<E>")]
pub struct PerChannel<E: Element = f32> {
    mean: Vec<E>,
    std: Vec<E>,
    constant: Vec<usize>,
}

#[derive(Deserialize)]
#[serde(bound = "", rename = "PerChannel")]
struct Stored<E: Element> {
    mean: Vec<E>,
    std: Vec<E>,
    constant: Vec<usize>,
}

impl<E: Element> PerChannel<E> {
    /// Fits on images `[n, channels, ...]`.
    ///
    /// # Errors
    /// [`DataError::Empty`] without images, [`DataError::NotFinite`] with image and place of what is infinite or NaN.
    pub fn fit(x: &impl Examples<E>) -> Result<Self, DataError> {
        let x = x.tensor();
        let mut moments = Moments::new(x.shape().get(1).copied().unwrap_or(0));
        moments.update_channels(&x)?;
        Self::from_moments(&moments)
    }

    /// Fits on the inputs of a data set, a part at a time.
    ///
    /// # Errors
    /// As [`PerChannel::fit`], and what the data set says.
    pub fn fit_dataset<D: Dataset<E>>(dataset: &D) -> Result<Self, DataError> {
        let mut moments = Moments::new(dataset.input_shape().first().copied().unwrap_or(0));
        for_all(dataset, |x| moments.update_channels(x))?;
        Self::from_moments(&moments)
    }

    /// With given numbers, such as those that a pretrained network was trained with.
    ///
    /// # Errors
    /// Unless there are as many deviations as means, all numbers are finite and the deviations above 0.
    pub fn new(mean: Vec<E>, std: Vec<E>) -> Result<Self, DataError> {
        Stored { mean, std, constant: Vec::new() }.try_into()
    }

    /// From moments that were gathered by [`Moments::update_channels`].
    ///
    /// # Errors
    /// [`DataError::Empty`] if there were no images.
    pub fn from_moments(moments: &Moments) -> Result<Self, DataError> {
        let columns = super::Standardizer::from_moments(moments)?;
        let constant = columns.constant_columns().to_vec();
        Ok(Self { mean: columns.mean().to_vec(), std: columns.std().to_vec(), constant })
    }

    /// The mean of each channel.
    pub fn mean(&self) -> &[E] {
        &self.mean
    }

    /// What each channel is divided by.
    pub fn std(&self) -> &[E] {
        &self.std
    }

    /// The channels that were constant in the training data.
    pub fn constant_channels(&self) -> &[usize] {
        &self.constant
    }

    fn map(&self, x: &Tensor<E>, f: impl Fn(E, E, E) -> E + Sync) -> Result<Tensor<E>, DataError> {
        let channels = self.mean.len();
        if x.rank() < 2 || x.shape()[1] != channels {
            let expected = format!("[n, {channels}, ...]");
            return Err(DataError::Shape { what: "channel normalizer", expected, found: *x.shape() });
        }
        let mut out = x.contiguous();
        let places: usize = x.shape()[2..].iter().product();
        parallel::row_blocks(out.make_mut(), places, places, |first, block| {
            for (i, plane) in block.chunks_exact_mut(places).enumerate() {
                let c = (first + i) % channels;
                let (mean, std) = (self.mean[c], self.std[c]);
                plane.iter_mut().for_each(|x| *x = f(*x, mean, std));
            }
        });
        Ok(out)
    }
}

impl<E: Element> Normalizer<E> for PerChannel<E> {
    fn output_shape(&self, example: &[usize]) -> Result<Shape, DataError> {
        let found = checked_shape("channel normalizer", example)?;
        if example.first() != Some(&self.mean.len()) {
            let expected = format!("[{}, ...]", self.mean.len());
            return Err(DataError::Shape { what: "channel normalizer", expected, found });
        }
        Ok(found)
    }

    fn transform(&self, x: &Tensor<E>) -> Result<Tensor<E>, DataError> {
        self.map(x, |x, mean, std| (x - mean) / std)
    }

    fn inverse_transform(&self, z: &Tensor<E>) -> Result<Tensor<E>, DataError> {
        self.map(z, |z, mean, std| z * std + mean)
    }
}

impl<E: Element> TryFrom<Stored<E>> for PerChannel<E> {
    type Error = DataError;

    fn try_from(stored: Stored<E>) -> Result<Self, DataError> {
        let Stored { mean, std, constant } = stored;
        check_stored("channel means", &mean, mean.len())?;
        check_scales("channel standard deviations", &std, mean.len())?;
        check_constant(&constant, mean.len())?;
        Ok(Self { mean, std, constant })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kniff_tensor::Rng;

    #[test]
    fn channels_come_out_standard_and_go_back() {
        let x = Tensor::<f64>::randn([4, 3, 5, 5], &mut Rng::new(2)).affine(3.0, -7.0);
        let p = PerChannel::fit(&x).unwrap();
        let z = p.transform(&x).unwrap();
        let again = PerChannel::fit(&z).unwrap();
        for c in 0..3 {
            assert!(again.mean()[c].abs() < 1e-14 && (again.std()[c] - 1.0).abs() < 1e-14);
        }
        let back = p.inverse_transform(&z).unwrap().to_vec();
        assert!(back.iter().zip(x.to_vec()).all(|(a, b)| (a - b).abs() < 1e-12));
        assert!(p.transform(&x.slice_axis(1, ..2)).is_err());
        assert!(p.output_shape(&[3, 9, 9]).is_ok() && p.output_shape(&[1, 9, 9]).is_err());
        assert!(PerChannel::<f32>::fit(&Tensor::zeros([0, 3, 2, 2])).is_err());
        assert!(PerChannel::new(vec![0.5_f32], vec![0.0]).is_err());
    }
}
