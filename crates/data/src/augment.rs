//! A pipeline of augmentations: what happens to every training image, in one line.

use crate::augmentation::Augmentation;
use crate::{DataError, Image};
use kniff_tensor::{Element, Rng, Shape, Tensor, parallel};
use std::fmt;
use std::sync::Arc;

/// Augmentations one after the other.
///
/// What is drawn for an example depends on the generator that is handed in (which the loader derives from its seed and the epoch), the
/// example's place in the epoch, and the step's name: not on threads, prefetching or how the epoch is cut into batches, and a
/// step more or less changes nothing in the others. Images are done in parallel. Crops, flips and colour shifts are noted and
/// happen in one pass that reads bytes and writes scaled numbers.
///
/// ```
/// use kniff_data::{Augment, HorizontalFlip, PadCrop};
/// use kniff_tensor::{Rng, Tensor};
/// let augment = Augment::new().then(PadCrop::new(4)?).then(HorizontalFlip::new(0.5)?);
/// let images: Tensor = Tensor::ones([8, 3, 32, 32]);
/// let epoch = Rng::new(7).keyed(0);
/// let changed = augment.apply(&images, &epoch)?;
/// assert_eq!(changed.shape(), &[8, 3, 32, 32]);
/// // The second half by itself: the same draws, because they belong to places 4 to 7.
/// let half = augment.apply_from(&images.slice_axis(0, 4..), &epoch, 4)?;
/// assert_eq!(half, changed.slice_axis(0, 4..).contiguous());
/// # Ok::<(), kniff_data::DataError>(())
/// ```
pub struct Augment<E: Element = f32> {
    steps: Vec<Arc<dyn Augmentation<E>>>,
}

impl<E: Element> Augment<E> {
    /// No step yet: images stay as they are, bytes are divided by 255.
    pub fn new() -> Self {
        Self { steps: Vec::new() }
    }

    /// One step more, after those there are.
    #[must_use]
    pub fn then(self, step: impl Augmentation<E> + 'static) -> Self {
        self.then_shared(Arc::new(step))
    }

    /// [`Augment::then`] for a step that is used elsewhere too.
    #[must_use]
    pub fn then_shared(mut self, step: Arc<dyn Augmentation<E>>) -> Self {
        self.steps.push(step);
        self
    }

    /// The steps, first to last.
    pub fn steps(&self) -> &[Arc<dyn Augmentation<E>>] {
        &self.steps
    }

    /// The shape `[channels, height, width]` of what becomes of images of `shape`.
    ///
    /// # Errors
    /// What the first step says that such images do not fit.
    pub fn output_shape(&self, shape: [usize; 3]) -> Result<[usize; 3], DataError> {
        self.steps.iter().try_fold(shape, |shape, step| step.output_shape(shape))
    }

    /// The shape of examples of a shape afterwards; that shape where they are no images, or do not fit.
    pub(crate) fn shape_after(&self, shape: Shape) -> Shape {
        let image = <[usize; 3]>::try_from(&shape[..]).ok();
        image.and_then(|image| self.output_shape(image).ok()).map_or(shape, Shape::from)
    }

    /// Images `[n, channels, height, width]`, each changed by its own draws; the first has place 0.
    ///
    /// # Errors
    /// [`DataError::Shape`] unless there are four axes, and what a step says that does not take such images.
    pub fn apply(&self, images: &Tensor<E>, rng: &Rng) -> Result<Tensor<E>, DataError> {
        self.apply_from(images, rng, 0)
    }

    /// [`Augment::apply`] for images of which the first has place `first` in its epoch.
    ///
    /// # Errors
    /// As there.
    pub fn apply_from(&self, images: &Tensor<E>, rng: &Rng, first: usize) -> Result<Tensor<E>, DataError> {
        let (n, shape) = image_shape(images.shape())?;
        let images = images.contiguous();
        let numbers = images.as_slice().unwrap_or_default();
        let size: usize = shape.iter().product();
        self.run(n, shape, rng, first, |i, image| image.load_numbers(&numbers[i * size..(i + 1) * size], shape))
    }

    /// Images of bytes, `[n, channels, height, width]` row by row, seen as numbers from 0 to 1; the first has place `first`.
    ///
    /// # Errors
    /// As [`Augment::apply`], and if there are not as many bytes as the shape says.
    ///
    /// ```
    /// use kniff_data::Augment;
    /// use kniff_tensor::Rng;
    /// let numbers = Augment::<f32>::new().apply_bytes(&[0, 255], [1, 1, 1, 2], &Rng::new(0), 0)?;
    /// assert_eq!(numbers.to_vec(), [0.0, 1.0]);
    /// # Ok::<(), kniff_data::DataError>(())
    /// ```
    pub fn apply_bytes(
        &self,
        bytes: &[u8],
        [n, channels, height, width]: [usize; 4],
        rng: &Rng,
        first: usize,
    ) -> Result<Tensor<E>, DataError> {
        let (shape, size) = ([channels, height, width], channels * height * width);
        if bytes.len() != n * size {
            let expected = format!("{} of them for {n} images of shape {shape:?}", n * size);
            return Err(DataError::setting("bytes of images", expected, bytes.len()));
        }
        self.run(n, shape, rng, first, |i, image| image.load_bytes(&bytes[i * size..(i + 1) * size], shape))
    }

    /// `n` images of `shape`, of which `load` brings number i.
    pub(crate) fn run<'a>(
        &self,
        n: usize,
        shape: [usize; 3],
        rng: &Rng,
        first: usize,
        load: impl Fn(usize, &mut Image<'a, E>) + Sync,
    ) -> Result<Tensor<E>, DataError> {
        self.run_to(n, shape, self.output_shape(shape)?, rng, first, load)
    }

    /// [`Augment::run`] where `load` may change the size too, so that the last one has to be said.
    pub(crate) fn run_to<'a>(
        &self,
        n: usize,
        shape: [usize; 3],
        [channels, height, width]: [usize; 3],
        rng: &Rng,
        first: usize,
        load: impl Fn(usize, &mut Image<'a, E>) + Sync,
    ) -> Result<Tensor<E>, DataError> {
        let streams = self.streams(rng);
        let mut out = Tensor::scratch([n, channels, height, width]);
        let size = channels * height * width;
        parallel::row_blocks(out.make_mut(), size, size.max(shape.iter().product()), |start, block| {
            let mut image = Image::empty();
            for (i, out) in block.chunks_exact_mut(size).enumerate() {
                load(start + i, &mut image);
                for (step, stream) in self.steps.iter().zip(&streams) {
                    step.apply(&mut image, &mut stream.keyed((first + start + i) as u64));
                }
                // A step that says one size and makes another is a mistake in that step.
                assert_eq!(image.shape(), [channels, height, width], "Augment: a step made another shape than it said");
                image.write(out);
            }
        });
        Ok(out)
    }

    /// A stream for every step: by its name, and its number among those of the same name.
    pub(crate) fn streams(&self, rng: &Rng) -> Vec<Rng> {
        let name = |i: usize| self.steps[i].name();
        let before = |i: usize| (0..i).filter(|&j| name(j) == name(i)).count();
        (0..self.steps.len()).map(|i| rng.stream(name(i)).keyed(before(i) as u64)).collect()
    }
}

impl<E: Element> Clone for Augment<E> {
    fn clone(&self) -> Self {
        Self { steps: self.steps.clone() }
    }
}

impl<E: Element> Default for Augment<E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E: Element> fmt::Debug for Augment<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.steps.iter().map(|step| step.name())).finish()
    }
}

/// The number of images and the shape of each.
pub(crate) fn image_shape(shape: &Shape) -> Result<(usize, [usize; 3]), DataError> {
    match shape[..] {
        [n, channels, height, width] => Ok((n, [channels, height, width])),
        _ => Err(DataError::Shape { what: "images", expected: "[n, channels, height, width]".into(), found: *shape }),
    }
}
