//! A rectangle of the image at a random place.

use super::center_crop::centre;
use crate::augmentation::{Augmentation, TestStep, Views, check_fits};
use crate::{Border, DataError, Image};
use kniff_tensor::{Element, Rng};

/// Cuts out `height` x `width` pixels at a place that is drawn anew for every image ("Cropping").
///
/// At test time the images have to be of the same size, so a plan cuts out the centre, and with
/// [`Views::corners`] the four corners too.
///
/// ```
/// use kniff_data::{Augment, RandomCrop};
/// use kniff_tensor::{Rng, Tensor};
/// let augment = Augment::new().then(RandomCrop::new(28, 28));
/// let images: Tensor = Tensor::ones([2, 3, 32, 32]);
/// assert_eq!(augment.apply(&images, &Rng::new(0))?.shape(), &[2, 3, 28, 28]);
/// let e = augment.apply(&images.slice_axis(3, ..20), &Rng::new(0)).unwrap_err();
/// assert_eq!(
///     e.to_string(),
///     "random crop: expected 1 to 32 rows and 1 to 20 columns, the size of the images, found 28 x 28"
/// );
/// # Ok::<(), kniff_data::DataError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RandomCrop {
    height: usize,
    width: usize,
}

impl RandomCrop {
    /// So many pixels; images that are smaller are refused when they come.
    pub fn new(height: usize, width: usize) -> Self {
        Self { height, width }
    }
}

impl<E: Element> Augmentation<E> for RandomCrop {
    fn name(&self) -> &str {
        "random crop"
    }

    fn output_shape(&self, shape: [usize; 3]) -> Result<[usize; 3], DataError> {
        check_fits("random crop", [self.height, self.width], shape)?;
        Ok([shape[0], self.height, self.width])
    }

    fn apply(&self, image: &mut Image<'_, E>, rng: &mut Rng) {
        let top = rng.below(image.height() - self.height + 1);
        let left = rng.below(image.width() - self.width + 1);
        image.window(top as isize, left as isize, self.height, self.width, Border::ZERO);
    }

    fn at_test(&self, [_, height, width]: [usize; 3], views: &Views, _: &mut Rng) -> Vec<TestStep<E>> {
        let size = [self.height, self.width];
        let (bottom, right) = ((height - self.height) as isize, (width - self.width) as isize);
        let mut places = vec![("", centre(height, self.height) as isize, centre(width, self.width) as isize)];
        if views.corners && (bottom, right) != (0, 0) {
            places.extend(corners([0, bottom], [0, right]));
        }
        let step = |(name, top, left): (&str, isize, isize)| {
            let cut = move |image: &mut Image<'_, E>| image.window(top, left, size[0], size[1], Border::ZERO);
            TestStep::new(name, cut).to_size(size)
        };
        places.into_iter().map(step).collect()
    }
}

/// The four corners, in the order of the rows, with their names.
pub(super) fn corners(y: [isize; 2], x: [isize; 2]) -> [(&'static str, isize, isize); 4] {
    [("top left", y[0], x[0]), ("top right", y[0], x[1]), ("bottom left", y[1], x[0]), ("bottom right", y[1], x[1])]
}
