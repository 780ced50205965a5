//! The middle of the image.

use crate::augmentation::{Augmentation, TestStep, Views, check_fits};
use crate::{Border, DataError, Image};
use kniff_tensor::{Element, Rng};

/// Cuts out the `height` x `width` pixels in the middle, in training and at test time.
///
/// Where the border cannot be even, it begins at the even one of the two places (halves round to even), as torchvision's.
///
/// ```
/// use kniff_data::{Augment, CenterCrop};
/// use kniff_tensor::{Rng, Tensor};
/// let row: Tensor = Tensor::arange(5).reshape([1, 1, 1, 5]);
/// let augment = Augment::new().then(CenterCrop::new(1, 2));
/// assert_eq!(augment.apply(&row, &Rng::new(0))?.to_vec(), [2.0, 3.0]);
/// # Ok::<(), kniff_data::DataError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct CenterCrop {
    height: usize,
    width: usize,
}

impl CenterCrop {
    /// So many pixels; images that are smaller are refused when they come.
    pub fn new(height: usize, width: usize) -> Self {
        Self { height, width }
    }
}

impl<E: Element> Augmentation<E> for CenterCrop {
    fn name(&self) -> &str {
        "center crop"
    }

    fn output_shape(&self, shape: [usize; 3]) -> Result<[usize; 3], DataError> {
        check_fits("center crop", [self.height, self.width], shape)?;
        Ok([shape[0], self.height, self.width])
    }

    fn apply(&self, image: &mut Image<'_, E>, _: &mut Rng) {
        let (top, left) = (centre(image.height(), self.height), centre(image.width(), self.width));
        image.window(top as isize, left as isize, self.height, self.width, Border::ZERO);
    }

    fn at_test(&self, _: [usize; 3], _: &Views, _: &mut Rng) -> Vec<TestStep<E>> {
        let this = *self;
        let cut = move |image: &mut Image<'_, E>| this.apply(image, &mut Rng::new(0));
        vec![TestStep::new("", cut).to_size([self.height, self.width])]
    }
}

/// Where `part` pixels in the middle of `whole` begin; halves round to even.
pub(crate) fn centre(whole: usize, part: usize) -> usize {
    let twice = whole - part;
    match twice % 4 {
        3 => twice / 2 + 1,
        _ => twice / 2,
    }
}
