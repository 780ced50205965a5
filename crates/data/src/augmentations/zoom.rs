//! Nearer or farther.

use crate::augmentation::{Augmentation, check_range, within};
use crate::warp::warp_planes;
use crate::{Border, DataError, Image, Sampling};
use kniff_tensor::{Element, Rng};

/// Magnifies by a factor drawn uniformly between two numbers; the size stays.
///
/// Above 1 a box of the image fills it all, at a random place; below 1 the image lies in the middle of what the border says
/// (its edge, unless told otherwise). Bilinear. Left out at test time.
///
/// ```
/// use kniff_data::{Augment, Zoom};
/// use kniff_tensor::{Rng, Tensor};
/// let augment = Augment::new().then(Zoom::new(0.8, 1.25)?);
/// let images: Tensor = Tensor::ones([4, 3, 8, 8]);
/// assert_eq!(augment.apply(&images, &Rng::new(0))?, images);
/// # Ok::<(), kniff_data::DataError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Zoom {
    factor: (f64, f64),
    border: Border,
}

impl Zoom {
    /// By a factor between `low` and `high`.
    ///
    /// # Errors
    /// Unless 0.001 <= low <= high, both finite.
    pub fn new(low: f64, high: f64) -> Result<Self, DataError> {
        check_range("zoom", (low, high), 1e-3)?;
        Ok(Self { factor: (low, high), border: Border::Edge })
    }

    /// What lies around an image that is made smaller.
    #[must_use]
    pub fn border(mut self, border: Border) -> Self {
        self.border = border;
        self
    }
}

impl<E: Element> Augmentation<E> for Zoom {
    fn name(&self) -> &str {
        "zoom"
    }

    fn apply(&self, image: &mut Image<'_, E>, rng: &mut Rng) {
        let factor = within(self.factor, rng);
        let (h, w) = (image.height(), image.width());
        let mut axis = |size: usize| {
            let room = size as f64 * (1.0 - 1.0 / factor);
            let start = if room > 0.0 { room * rng.uniform() } else { room / 2.0 };
            // Pixels are areas: place x' + 1/2 of the result is start + (x' + 1/2) / factor of the image.
            (1.0 / factor, start + 0.5 / factor - 0.5)
        };
        let ((sx, ox), (sy, oy)) = (axis(w), axis(h));
        let map = [[sx, 0.0, ox], [0.0, sy, oy]];
        image.remake(h, w, |from, to| warp_planes(from, [h, w], to, [h, w], &map, Sampling::Bilinear, self.border));
    }
}
