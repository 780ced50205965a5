//! Noise in every pixel.

use crate::augmentation::{Augmentation, check_strength};
use crate::{DataError, Image};
use kniff_tensor::{Element, Rng};

/// x becomes x + n, n normal with mean 0 and the given standard deviation, for every channel of every pixel by itself.
///
/// Left out at test time.
///
/// ```
/// use kniff_data::{Augment, GaussianNoise};
/// use kniff_tensor::{Rng, Tensor};
/// let flat: Tensor = Tensor::zeros([1, 1, 100, 100]);
/// let noisy = Augment::new().then(GaussianNoise::new(0.1)?).apply(&flat, &Rng::new(0))?.to_vec();
/// let variance = noisy.iter().map(|x| x * x).sum::<f32>() / 10_000.0;
/// assert!((variance - 0.01).abs() < 0.001);
/// # Ok::<(), kniff_data::DataError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct GaussianNoise {
    std: f64,
}

impl GaussianNoise {
    /// Of so much.
    ///
    /// # Errors
    /// Unless the deviation is finite and at least 0.
    pub fn new(std: f64) -> Result<Self, DataError> {
        check_strength("gaussian noise", std)?;
        Ok(Self { std })
    }
}

impl<E: Element> Augmentation<E> for GaussianNoise {
    fn name(&self) -> &str {
        "gaussian noise"
    }

    fn apply(&self, image: &mut Image<'_, E>, rng: &mut Rng) {
        image.pixels_mut().iter_mut().for_each(|x| *x += E::from_f64(self.std * rng.normal()));
    }
}
