//! A turn, a shift, a scale and a shear at once.

use crate::augmentation::{Augmentation, check_range, check_strength, within};
use crate::warp::warp_planes;
use crate::{Border, DataError, Image, Sampling, Transform};
use kniff_tensor::{Element, Rng};

/// Maps an image by a random [`Transform`]: nothing, until parts of it are asked for; all uniform, the image sampled once.
///
/// Bilinear, the outside filled with zeros, unless told otherwise. Left out at test time.
///
/// ```
/// use kniff_data::{Augment, RandomAffine};
/// use kniff_tensor::{Rng, Tensor};
/// let affine = RandomAffine::new().rotation(10.0)?.translation(0.1)?.scale(0.9, 1.1)?.shear(5.0)?;
/// let images: Tensor = Tensor::ones([4, 3, 8, 8]);
/// let changed = Augment::new().then(affine).apply(&images, &Rng::new(0))?;
/// assert!(changed.to_vec().iter().all(|x| (0.0..=1.00001).contains(x)));
/// # Ok::<(), kniff_data::DataError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RandomAffine {
    degrees: f64,
    translation: f64,
    scale: (f64, f64),
    shear: f64,
    sampling: Sampling,
    border: Border,
}

impl RandomAffine {
    /// A map that changes nothing yet.
    pub fn new() -> Self {
        let (sampling, border) = (Sampling::Bilinear, Border::ZERO);
        Self { degrees: 0.0, translation: 0.0, scale: (1.0, 1.0), shear: 0.0, sampling, border }
    }

    /// Turns by at most so many degrees, either way.
    ///
    /// # Errors
    /// Unless the angle is finite and at least 0.
    pub fn rotation(mut self, degrees: f64) -> Result<Self, DataError> {
        check_strength("rotation", degrees)?;
        self.degrees = degrees;
        Ok(self)
    }

    /// Shifts by at most this part of the width and of the height, either way.
    ///
    /// # Errors
    /// Unless the part is within 0 to 1.
    pub fn translation(mut self, part: f64) -> Result<Self, DataError> {
        if !(0.0..=1.0).contains(&part) {
            return Err(DataError::setting("translation", "a part of the image's sides, 0 to 1", part));
        }
        self.translation = part;
        Ok(self)
    }

    /// Scales by a factor between `low` and `high`.
    ///
    /// # Errors
    /// Unless 0.001 <= low <= high, both finite.
    pub fn scale(mut self, low: f64, high: f64) -> Result<Self, DataError> {
        check_range("scale", (low, high), 1e-3)?;
        self.scale = (low, high);
        Ok(self)
    }

    /// Shears along x by at most so many degrees, either way.
    ///
    /// # Errors
    /// Unless the angle is at least 0 and below 90.
    pub fn shear(mut self, degrees: f64) -> Result<Self, DataError> {
        if !(0.0..90.0).contains(&degrees) {
            return Err(DataError::setting("shear", "degrees, at least 0 and below 90", degrees));
        }
        self.shear = degrees;
        Ok(self)
    }

    /// Which number a place between pixels has.
    #[must_use]
    pub fn sampling(mut self, sampling: Sampling) -> Self {
        self.sampling = sampling;
        self
    }

    /// What comes in from outside.
    #[must_use]
    pub fn border(mut self, border: Border) -> Self {
        self.border = border;
        self
    }
}

impl Default for RandomAffine {
    fn default() -> Self {
        Self::new()
    }
}

impl<E: Element> Augmentation<E> for RandomAffine {
    fn name(&self) -> &str {
        "affine"
    }

    fn apply(&self, image: &mut Image<'_, E>, rng: &mut Rng) {
        let (h, w) = (image.height(), image.width());
        let mut upto = |most: f64| within((-most, most), rng);
        let degrees = upto(self.degrees);
        let translate = [upto(self.translation) * w as f64, upto(self.translation) * h as f64];
        let shear = [upto(self.shear), 0.0];
        let scale = within(self.scale, rng);
        let map = Transform { degrees, translate, scale, shear }.inverse(h, w);
        image.remake(h, w, |from, to| warp_planes(from, [h, w], to, [h, w], &map, self.sampling, self.border));
    }
}
