//! Lighter or darker.

use crate::augmentation::{Augmentation, check_strength, within};
use crate::{DataError, Image};
use kniff_tensor::{Element, Rng};

/// x becomes f x, with one f for the whole image, uniform between 1 - strength (not below 0) and 1 + strength.
///
/// For images whose black is 0, so before any normalisation. Differs from PyTorch: not cut off at 1; add
/// [`Clamp`](crate::Clamp) for that. Left out at test time.
///
/// ```
/// use kniff_data::{Augment, Brightness};
/// use kniff_tensor::{Rng, Tensor};
/// let grey: Tensor = Tensor::full([50, 1, 1, 1], 0.5);
/// let changed = Augment::new().then(Brightness::new(0.2)?).apply(&grey, &Rng::new(0))?;
/// assert!(changed.to_vec().iter().all(|x| (0.4..=0.6).contains(x)));
/// # Ok::<(), kniff_data::DataError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Brightness {
    strength: f64,
}

impl Brightness {
    /// Of so much.
    ///
    /// # Errors
    /// Unless the strength is finite and at least 0.
    pub fn new(strength: f64) -> Result<Self, DataError> {
        check_strength("brightness", strength)?;
        Ok(Self { strength })
    }
}

impl<E: Element> Augmentation<E> for Brightness {
    fn name(&self) -> &str {
        "brightness"
    }

    fn apply(&self, image: &mut Image<'_, E>, rng: &mut Rng) {
        let factor = E::from_f64(around_one(self.strength, rng));
        (0..image.channels()).for_each(|c| image.scale_and_shift(c, factor, E::ZERO));
    }
}

/// Uniform between 1 - strength, not below 0, and 1 + strength.
pub(super) fn around_one(strength: f64, rng: &mut Rng) -> f64 {
    within(((1.0 - strength).max(0.0), 1.0 + strength), rng)
}

/// The share of red, green and blue in what the eye takes for grey (ITU-R BT.601).
pub(super) const GREY: [f64; 3] = [0.299, 0.587, 0.114];
