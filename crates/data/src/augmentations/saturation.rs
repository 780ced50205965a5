//! More or less colour.

use super::brightness::{GREY, around_one};
use crate::augmentation::{Augmentation, check_color, check_strength};
use crate::{DataError, Image};
use kniff_tensor::{Element, Rng};

/// x becomes g + f (x - g), g the grey of the pixel, f uniform between 1 - strength (not below 0) and 1 + strength.
///
/// The grey is 0.299 R + 0.587 G + 0.114 B. Differs from PyTorch: not cut off at 0 and 1. Left out at test time.
///
/// ```
/// use kniff_data::{Augment, Saturation};
/// use kniff_tensor::{Rng, Tensor};
/// let grey: Tensor = Tensor::full([2, 3, 1, 1], 0.5);
/// let changed = Augment::new().then(Saturation::new(0.9)?).apply(&grey, &Rng::new(0))?;
/// assert!(changed.to_vec().iter().all(|x| (x - 0.5).abs() < 1e-6));
/// # Ok::<(), kniff_data::DataError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Saturation {
    strength: f64,
}

impl Saturation {
    /// Of so much.
    ///
    /// # Errors
    /// Unless the strength is finite and at least 0.
    pub fn new(strength: f64) -> Result<Self, DataError> {
        check_strength("saturation", strength)?;
        Ok(Self { strength })
    }
}

impl<E: Element> Augmentation<E> for Saturation {
    fn name(&self) -> &str {
        "saturation"
    }

    fn output_shape(&self, shape: [usize; 3]) -> Result<[usize; 3], DataError> {
        check_color("saturation", shape)?;
        Ok(shape)
    }

    fn apply(&self, image: &mut Image<'_, E>, rng: &mut Rng) {
        let f = around_one(self.strength, rng);
        mix(image, &[0, 1, 2].map(|i| [0, 1, 2].map(|j| (1.0 - f) * GREY[j] + if i == j { f } else { 0.0 })));
    }
}

/// Every pixel's red, green and blue times a matrix.
pub(super) fn mix<E: Element>(image: &mut Image<'_, E>, matrix: &[[f64; 3]; 3]) {
    let places = image.height() * image.width();
    let m = matrix.map(|row| row.map(E::from_f64));
    let (red, rest) = image.pixels_mut().split_at_mut(places);
    let (green, blue) = rest.split_at_mut(places);
    for ((r, g), b) in red.iter_mut().zip(green).zip(blue) {
        let old = [*r, *g, *b];
        let [x, y, z] = m.map(|row| row[0] * old[0] + row[1] * old[1] + row[2] * old[2]);
        (*r, *g, *b) = (x, y, z);
    }
}
