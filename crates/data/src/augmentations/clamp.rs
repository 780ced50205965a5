//! Numbers kept within bounds.

use crate::augmentation::{Augmentation, TestStep, Views, check_range};
use crate::{DataError, Image};
use kniff_tensor::{Element, Rng};

/// x becomes min(max(x, low), high): after changes of brightness and colour, for networks that must not see what no image holds.
///
/// The same at test time.
///
/// ```
/// use kniff_data::{Augment, Clamp};
/// use kniff_tensor::{Rng, Tensor};
/// let image: Tensor = Tensor::from_slice(&[-0.5, 0.5, 1.5], [1, 1, 1, 3]);
/// let cut = Augment::new().then(Clamp::new(0.0, 1.0)?).apply(&image, &Rng::new(0))?;
/// assert_eq!(cut.to_vec(), [0.0, 0.5, 1.0]);
/// # Ok::<(), kniff_data::DataError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Clamp {
    low: f64,
    high: f64,
}

impl Clamp {
    /// Within `low` to `high`.
    ///
    /// # Errors
    /// Unless low <= high, both finite.
    pub fn new(low: f64, high: f64) -> Result<Self, DataError> {
        check_range("clamp", (low, high), f64::NEG_INFINITY)?;
        Ok(Self { low, high })
    }
}

impl<E: Element> Augmentation<E> for Clamp {
    fn name(&self) -> &str {
        "clamp"
    }

    fn apply(&self, image: &mut Image<'_, E>, _: &mut Rng) {
        let (low, high) = (E::from_f64(self.low), E::from_f64(self.high));
        // A NaN stays one: hiding it would hide what is wrong.
        image.pixels_mut().iter_mut().for_each(|x| {
            *x = if *x < low {
                low
            } else if *x > high {
                high
            } else {
                *x
            }
        });
    }

    fn at_test(&self, _: [usize; 3], _: &Views, _: &mut Rng) -> Vec<TestStep<E>> {
        let this = *self;
        vec![TestStep::new("", move |image| this.apply(image, &mut Rng::new(0)))]
    }
}
