//! A rectangle of random size blotted out now and then.

use super::cutout::fill;
use crate::augmentation::{Augmentation, check_probability, within};
use crate::{DataError, Image};
use kniff_tensor::{Element, Rng};

/// With probability p fills a rectangle that lies within the image with one number, or with normal draws.
///
/// Its area is uniform between 2 and 33 % of the image's, its shape (height to width) uniform in its logarithm between 0.3 and 1/0.3; if
/// none fits in ten draws, the image stays. Left out at test time. Zhong et al., "Random Erasing Data Augmentation" (2017).
///
/// ```
/// use kniff_data::{Augment, RandomErasing};
/// use kniff_tensor::{Rng, Tensor};
/// let image: Tensor = Tensor::ones([1, 1, 32, 32]);
/// let changed = Augment::new().then(RandomErasing::new(1.0)?).apply(&image, &Rng::new(0))?;
/// let left = changed.to_vec().iter().sum::<f32>() / 1024.0;
/// assert!((0.66..0.99).contains(&left), "{left}");
/// # Ok::<(), kniff_data::DataError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RandomErasing {
    p: f64,
    area: (f64, f64),
    value: Option<f64>,
}

impl RandomErasing {
    /// With probability `p`, zeros.
    ///
    /// # Errors
    /// Unless `p` is within 0 to 1.
    pub fn new(p: f64) -> Result<Self, DataError> {
        check_probability("random erasing", p)?;
        Ok(Self { p, area: (0.02, 0.33), value: Some(0.0) })
    }

    /// Parts of the area between `low` and `high`.
    ///
    /// # Errors
    /// Unless 0 < low <= high <= 1.
    pub fn area(mut self, low: f64, high: f64) -> Result<Self, DataError> {
        if !(low > 0.0 && low <= high && high <= 1.0) {
            let expected = "parts of the image above 0 and at most 1, the lower one first";
            return Err(DataError::setting("area of random erasing", expected, format!("{low} to {high}")));
        }
        self.area = (low, high);
        Ok(self)
    }

    /// Filled with `value`.
    #[must_use]
    pub fn value(mut self, value: f64) -> Self {
        self.value = Some(value);
        self
    }

    /// Filled with normal draws of mean 0 and deviation 1, for images that were normalised.
    #[must_use]
    pub fn noise(mut self) -> Self {
        self.value = None;
        self
    }
}

impl<E: Element> Augmentation<E> for RandomErasing {
    fn name(&self) -> &str {
        "random erasing"
    }

    fn apply(&self, image: &mut Image<'_, E>, rng: &mut Rng) {
        let [_, h, w] = image.shape();
        if !rng.bernoulli(self.p) || h * w == 0 {
            return;
        }
        let steepest = (1.0_f64 / 0.3).ln();
        for _ in 0..10 {
            let area = within(self.area, rng) * (h * w) as f64;
            let ratio = within((-steepest, steepest), rng).exp();
            let (rows, columns) = ((area * ratio).sqrt().round() as usize, (area / ratio).sqrt().round() as usize);
            if !(1..=h).contains(&rows) || !(1..=w).contains(&columns) {
                continue;
            }
            let (top, left) = (rng.below(h - rows + 1), rng.below(w - columns + 1));
            fill(image, (top, top + rows), (left, left + columns), |_| {
                E::from_f64(self.value.unwrap_or_else(|| rng.normal()))
            });
            return;
        }
    }
}
