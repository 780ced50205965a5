//! Top and bottom exchanged.

use crate::augmentation::{Augmentation, TestStep, Views, check_probability};
use crate::{DataError, Image};
use kniff_tensor::{Element, Rng};

/// Exchanges top and bottom of an image with probability p ("Flipping").
///
/// For images without an upright: from above, through a microscope. A test-time plan that mirrors looks at both.
///
/// ```
/// use kniff_data::{Augment, VerticalFlip};
/// use kniff_tensor::{Rng, Tensor};
/// let image: Tensor = Tensor::from_slice(&[1.0, 2.0, 3.0], [1, 1, 3, 1]);
/// let always = Augment::new().then(VerticalFlip::new(1.0)?);
/// assert_eq!(always.apply(&image, &Rng::new(0))?.to_vec(), [3.0, 2.0, 1.0]);
/// # Ok::<(), kniff_data::DataError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct VerticalFlip {
    p: f64,
}

impl VerticalFlip {
    /// With probability `p`.
    ///
    /// # Errors
    /// Unless `p` is within 0 to 1.
    pub fn new(p: f64) -> Result<Self, DataError> {
        check_probability("vertical flip", p)?;
        Ok(Self { p })
    }
}

impl<E: Element> Augmentation<E> for VerticalFlip {
    fn name(&self) -> &str {
        "vertical flip"
    }

    fn apply(&self, image: &mut Image<'_, E>, rng: &mut Rng) {
        if rng.bernoulli(self.p) {
            image.flip_vertical();
        }
    }

    fn at_test(&self, _: [usize; 3], views: &Views, _: &mut Rng) -> Vec<TestStep<E>> {
        let mut steps = vec![TestStep::new("", |_| ())];
        if views.mirrored && self.p > 0.0 {
            steps.push(TestStep::new("upside down", |image: &mut Image<'_, E>| image.flip_vertical()));
        }
        steps
    }
}
