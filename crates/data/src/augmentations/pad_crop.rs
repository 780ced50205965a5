//! A border around the image, and a crop of its old size out of that.

use super::random_crop::corners;
use crate::augmentation::{Augmentation, TestStep, Views};
use crate::{Border, DataError, Image};
use kniff_tensor::{Element, Rng};

/// Pads by so many pixels on each side and cuts out the old size at a random place: a random shift, as CIFAR is trained with.
///
/// At test time the image stays as it is; with [`Views::corners`] a plan looks at the four farthest shifts too.
///
/// ```
/// use kniff_data::{Augment, Border, PadCrop};
/// use kniff_tensor::{Rng, Tensor};
/// let augment = Augment::new().then(PadCrop::new(1)?.border(Border::Edge));
/// let images: Tensor = Tensor::ones([9, 1, 2, 2]);
/// assert_eq!(augment.apply(&images, &Rng::new(0))?, images);
/// # Ok::<(), kniff_data::DataError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct PadCrop {
    padding: usize,
    border: Border,
}

impl PadCrop {
    /// Pads with zeros.
    ///
    /// # Errors
    /// If the padding is larger than any image (2^20 pixels).
    pub fn new(padding: usize) -> Result<Self, DataError> {
        if padding > 1 << 20 {
            return Err(DataError::setting("padding", "at most 1048576 pixels", padding));
        }
        Ok(Self { padding, border: Border::ZERO })
    }

    /// Pads with something else.
    #[must_use]
    pub fn border(mut self, border: Border) -> Self {
        self.border = border;
        self
    }
}

impl<E: Element> Augmentation<E> for PadCrop {
    fn name(&self) -> &str {
        "pad crop"
    }

    fn output_shape(&self, shape: [usize; 3]) -> Result<[usize; 3], DataError> {
        check_padding(self.padding, self.border, shape)?;
        Ok(shape)
    }

    fn apply(&self, image: &mut Image<'_, E>, rng: &mut Rng) {
        let mut offset = || rng.below(2 * self.padding + 1) as isize - self.padding as isize;
        let (top, left) = (offset(), offset());
        image.window(top, left, image.height(), image.width(), self.border);
    }

    fn at_test(&self, _: [usize; 3], views: &Views, _: &mut Rng) -> Vec<TestStep<E>> {
        let mut steps = vec![TestStep::new("", |_| ())];
        if views.corners && self.padding > 0 {
            let (ends, border) = ([-(self.padding as isize), self.padding as isize], self.border);
            steps.extend(corners(ends, ends).into_iter().map(|(name, top, left)| {
                TestStep::new(name, move |image: &mut Image<'_, E>| {
                    image.window(top, left, image.height(), image.width(), border);
                })
            }));
        }
        steps
    }
}

/// Refuses a border that the images cannot give.
pub(crate) fn check_padding(padding: usize, border: Border, [_, h, w]: [usize; 3]) -> Result<(), DataError> {
    match border {
        Border::Constant(value) if !value.is_finite() => {
            Err(DataError::setting("padding", "a finite number to pad with", value))
        }
        Border::Reflect if padding >= h.min(w).max(1) => {
            let expected = format!("less than {}, the smaller side of the images, to reflect", h.min(w));
            Err(DataError::setting("padding", expected, padding))
        }
        Border::Edge if padding > 0 && h.min(w) == 0 => {
            Err(DataError::setting("padding", "images with at least one pixel", format!("{h} x {w}")))
        }
        _ => Ok(()),
    }
}
