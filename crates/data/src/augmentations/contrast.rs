//! More or less apart from the image's mean.

use super::brightness::{GREY, around_one};
use crate::augmentation::{Augmentation, check_strength};
use crate::{DataError, Image};
use kniff_tensor::{Element, Rng};

/// x becomes m + f (x - m), m the mean grey of the image, f uniform between 1 - strength (not below 0) and 1 + strength.
///
/// Of three channels the grey is 0.299 R + 0.587 G + 0.114 B, of any other number their mean. Differs from PyTorch: not cut off at
/// 0 and 1; add [`Clamp`](crate::Clamp) for that. Left out at test time.
///
/// ```
/// use kniff_data::{Augment, Contrast};
/// use kniff_tensor::{Rng, Tensor};
/// let image: Tensor = Tensor::from_slice(&[0.25, 0.75], [1, 1, 1, 2]);
/// let changed = Augment::new().then(Contrast::new(0.4)?).apply(&image, &Rng::new(0))?.to_vec();
/// assert!((changed[0] + changed[1] - 1.0).abs() < 1e-6 && changed[0] != 0.25);
/// # Ok::<(), kniff_data::DataError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Contrast {
    strength: f64,
}

impl Contrast {
    /// Of so much.
    ///
    /// # Errors
    /// Unless the strength is finite and at least 0.
    pub fn new(strength: f64) -> Result<Self, DataError> {
        check_strength("contrast", strength)?;
        Ok(Self { strength })
    }
}

impl<E: Element> Augmentation<E> for Contrast {
    fn name(&self) -> &str {
        "contrast"
    }

    fn apply(&self, image: &mut Image<'_, E>, rng: &mut Rng) {
        stretch(image, around_one(self.strength, rng));
    }
}

fn stretch<E: Element>(image: &mut Image<'_, E>, factor: f64) {
    let [channels, height, width] = image.shape();
    let places = height * width;
    if places == 0 || channels == 0 {
        return;
    }
    let weight = |c: usize| if channels == 3 { GREY[c] } else { 1.0 / channels as f64 };
    let planes = image.pixels().chunks_exact(places).enumerate();
    let sum = |plane: &[E]| plane.iter().map(|x| x.to_f64()).sum::<f64>();
    let mean = planes.map(|(c, plane)| weight(c) * sum(plane)).sum::<f64>() / places as f64;
    let (scale, shift) = (E::from_f64(factor), E::from_f64(mean * (1.0 - factor)));
    (0..channels).for_each(|c| image.scale_and_shift(c, scale, shift));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What torchvision 0.29.2's `adjust_contrast` printed for a factor of 0.5; its weight of red is 0.2989.
    #[test]
    fn as_torchvision_printed() {
        let numbers = [0.2, 0.4, 0.6, 0.1, 0.8, 0.5];
        let mut image = Image::<f64>::from_numbers(&numbers, [3, 1, 2]);
        stretch(&mut image, 0.5);
        let expected = [0.28461, 0.38461, 0.48461, 0.23461, 0.58461, 0.43461];
        assert!(image.pixels().iter().zip(expected).all(|(a, b)| (a - b).abs() < 5e-5), "{:?}", image.pixels());
    }
}
