//! A turn by a random angle.

use crate::augmentation::{Augmentation, check_strength};
use crate::{Border, DataError, Image, RandomAffine, Sampling};
use kniff_tensor::{Element, Rng};

/// Turns an image about its centre by an angle drawn uniformly between -degrees and degrees; the size stays.
///
/// Bilinear, the corners filled with zeros, unless told otherwise. Left out at test time.
///
/// ```
/// use kniff_data::{Augment, Border, Rotation};
/// use kniff_tensor::{Rng, Tensor};
/// let augment = Augment::new().then(Rotation::new(15.0)?.border(Border::Edge));
/// let images: Tensor = Tensor::ones([4, 3, 8, 8]);
/// assert!(augment.apply(&images, &Rng::new(0))?.to_vec().iter().all(|x| (x - 1.0).abs() < 1e-6));
/// # Ok::<(), kniff_data::DataError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Rotation {
    turn: RandomAffine,
}

impl Rotation {
    /// By at most so many degrees, either way.
    ///
    /// # Errors
    /// Unless the angle is finite and at least 0.
    pub fn new(degrees: f64) -> Result<Self, DataError> {
        check_strength("rotation", degrees)?;
        Ok(Self { turn: RandomAffine::new().rotation(degrees)? })
    }

    /// What comes in from outside.
    #[must_use]
    pub fn border(mut self, border: Border) -> Self {
        self.turn = self.turn.border(border);
        self
    }

    /// Which number a place between pixels has.
    #[must_use]
    pub fn sampling(mut self, sampling: Sampling) -> Self {
        self.turn = self.turn.sampling(sampling);
        self
    }
}

impl<E: Element> Augmentation<E> for Rotation {
    fn name(&self) -> &str {
        "rotation"
    }

    fn apply(&self, image: &mut Image<'_, E>, rng: &mut Rng) {
        self.turn.apply(image, rng);
    }
}
