//! Left and right exchanged.

use crate::augmentation::{Augmentation, TestStep, Views, check_probability};
use crate::{DataError, Image};
use kniff_tensor::{Element, Rng};

/// Mirrors an image, left and right, with probability p ("Flipping").
///
/// Right for photographs of things, wrong for writing. A test-time plan looks at both sides.
///
/// ```
/// use kniff_data::{Augment, HorizontalFlip};
/// use kniff_tensor::{Rng, Tensor};
/// let image: Tensor = Tensor::from_slice(&[1.0, 2.0, 3.0], [1, 1, 1, 3]);
/// let always = Augment::new().then(HorizontalFlip::new(1.0)?);
/// assert_eq!(always.apply(&image, &Rng::new(0))?.to_vec(), [3.0, 2.0, 1.0]);
/// # Ok::<(), kniff_data::DataError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct HorizontalFlip {
    p: f64,
}

impl HorizontalFlip {
    /// With probability `p`.
    ///
    /// # Errors
    /// Unless `p` is within 0 to 1.
    pub fn new(p: f64) -> Result<Self, DataError> {
        check_probability("horizontal flip", p)?;
        Ok(Self { p })
    }
}

impl<E: Element> Augmentation<E> for HorizontalFlip {
    fn name(&self) -> &str {
        "horizontal flip"
    }

    fn apply(&self, image: &mut Image<'_, E>, rng: &mut Rng) {
        if rng.bernoulli(self.p) {
            image.flip_horizontal();
        }
    }

    fn at_test(&self, _: [usize; 3], views: &Views, _: &mut Rng) -> Vec<TestStep<E>> {
        let mut steps = vec![TestStep::new("", |_| ())];
        if views.mirrored && self.p > 0.0 {
            steps.push(TestStep::new("mirrored", |image: &mut Image<'_, E>| image.flip_horizontal()));
        }
        steps
    }
}
