//! Other colours of the same brightness.

use super::saturation::mix;
use crate::augmentation::{Augmentation, check_color, check_strength};
use crate::{DataError, Image};
use kniff_tensor::{Element, Rng};

/// Turns the colours about the axis of greys by an angle drawn uniformly between -degrees and degrees.
///
/// (R, G, B) is turned about (1, 1, 1), so greys stay and red becomes green at 120 degrees. Differs from PyTorch, which goes through
/// hue, saturation and value: a turn is linear, and keeps R + G + B instead of the largest of the three. Left out at test time.
///
/// ```
/// use kniff_data::{Augment, Hue};
/// use kniff_tensor::{Rng, Tensor};
/// let grey: Tensor = Tensor::full([2, 3, 1, 1], 0.5);
/// let changed = Augment::new().then(Hue::new(30.0)?).apply(&grey, &Rng::new(0))?;
/// assert!(changed.to_vec().iter().all(|x| (x - 0.5).abs() < 1e-6));
/// # Ok::<(), kniff_data::DataError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Hue {
    degrees: f64,
}

impl Hue {
    /// By at most so many degrees, either way.
    ///
    /// # Errors
    /// Unless the angle is finite and at least 0.
    pub fn new(degrees: f64) -> Result<Self, DataError> {
        check_strength("hue", degrees)?;
        Ok(Self { degrees })
    }
}

impl<E: Element> Augmentation<E> for Hue {
    fn name(&self) -> &str {
        "hue"
    }

    fn output_shape(&self, shape: [usize; 3]) -> Result<[usize; 3], DataError> {
        check_color("hue", shape)?;
        Ok(shape)
    }

    fn apply(&self, image: &mut Image<'_, E>, rng: &mut Rng) {
        mix(image, &turn(self.degrees * (2.0 * rng.uniform() - 1.0)));
    }
}

/// The turn about (1, 1, 1): Rodrigues' formula.
fn turn(degrees: f64) -> [[f64; 3]; 3] {
    let (sin, cos) = degrees.to_radians().sin_cos();
    let (same, cross) = ((1.0 - cos) / 3.0, sin / 3.0_f64.sqrt());
    [
        [same + cos, same - cross, same + cross],
        [same + cross, same + cos, same - cross],
        [same - cross, same + cross, same + cos],
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_third_of_a_turn_makes_red_green() {
        let mut image = Image::<f64>::from_numbers(&[0.9, 0.1, 0.2], [3, 1, 1]);
        mix(&mut image, &turn(120.0));
        assert!(image.pixels().iter().zip([0.2, 0.9, 0.1]).all(|(a, b)| (a - b).abs() < 1e-12));
    }
}
