//! An augmentation: a random change of an image that leaves alone what the image shows.

use crate::{DataError, Image};
use kniff_tensor::{Element, Rng};
use std::fmt;
use std::sync::Arc;

/// A random change of one image.
///
/// Many of them, one after the other, are an [`Augment`](crate::Augment); each belongs into a file of its own.
///
/// ```
/// use kniff_data::{Augment, Augmentation, Image};
/// use kniff_tensor::{Rng, Tensor};
///
/// /// Turns the sign of a whole image with probability one half.
/// struct RandomSign;
///
/// impl Augmentation for RandomSign {
///     fn name(&self) -> &str {
///         "random sign"
///     }
///     fn apply(&self, image: &mut Image<'_>, rng: &mut Rng) {
///         if rng.bernoulli(0.5) {
///             (0..image.channels()).for_each(|c| image.scale_and_shift(c, -1.0, 0.0));
///         }
///     }
/// }
/// let ones: Tensor = Tensor::ones([100, 1, 1, 1]);
/// let signs = Augment::new().then(RandomSign).apply(&ones, &Rng::new(1))?.to_vec();
/// assert!(signs.contains(&1.0) && signs.contains(&-1.0));
/// # Ok::<(), kniff_data::DataError>(())
/// ```
pub trait Augmentation<E: Element = f32>: Send + Sync {
    /// What it is called; its draws come from a stream of this name.
    fn name(&self) -> &str;

    /// The shape `[channels, height, width]` that an image of `shape` has afterwards.
    ///
    /// # Errors
    /// If images of that shape do not fit.
    fn output_shape(&self, shape: [usize; 3]) -> Result<[usize; 3], DataError> {
        Ok(shape)
    }

    /// Changes one image; what is random about it is drawn from `rng`, which belongs to this step of this example.
    fn apply(&self, image: &mut Image<'_, E>, rng: &mut Rng);

    /// Whether this step is a normalisation that was fitted: such a one happens once.
    fn normalizes(&self) -> bool {
        false
    }

    /// What stands for this step at test time, the plainest first; every other one is a further view of the same image.
    ///
    /// Empty (the default) leaves the step out. `shape` is that of the images which come to it, `rng` is for what has to be drawn once.
    fn at_test(&self, shape: [usize; 3], views: &Views, rng: &mut Rng) -> Vec<TestStep<E>> {
        let _ = (shape, views, rng);
        Vec::new()
    }
}

/// Which views a test-time plan takes, where the training has something of the kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Views {
    /// Beside the centre, the four corners too, if there were random crops.
    pub corners: bool,
    /// Mirrored too, if there were random flips.
    pub mirrored: bool,
    /// So many variations of the colours beside the image's own, if there was colour PCA.
    pub colors: usize,
}

/// A step of a test-time view: a change with nothing random about it.
#[derive(Clone)]
pub struct TestStep<E: Element = f32> {
    name: String,
    from: Option<[usize; 3]>,
    size: Option<[usize; 2]>,
    change: Arc<Change<E>>,
}

/// What happens to an image.
type Change<E> = dyn Fn(&mut Image<'_, E>) + Send + Sync;

impl<E: Element> TestStep<E> {
    /// A change that leaves the size alone. A name that is empty says that this is the plain view.
    pub fn new(name: impl Into<String>, change: impl Fn(&mut Image<'_, E>) + Send + Sync + 'static) -> Self {
        Self { name: name.into(), from: None, size: None, change: Arc::new(change) }
    }

    /// A change that is made for images of a shape, and refuses others.
    pub(crate) fn made_for(mut self, shape: [usize; 3]) -> Self {
        self.from = Some(shape);
        self
    }

    /// A change to images of `[height, width]`.
    #[must_use]
    pub fn to_size(mut self, size: [usize; 2]) -> Self {
        self.size = Some(size);
        self
    }
}

impl<E: Element> fmt::Debug for TestStep<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestStep").field("name", &self.name).field("size", &self.size).finish_non_exhaustive()
    }
}

impl<E: Element> Augmentation<E> for TestStep<E> {
    fn name(&self) -> &str {
        &self.name
    }

    fn output_shape(&self, shape: [usize; 3]) -> Result<[usize; 3], DataError> {
        if let Some(from) = self.from.filter(|from| *from != shape) {
            let (what, expected) = ("images for a test-time plan", format!("{from:?}, which the plan was made for"));
            return Err(DataError::Shape { what, expected, found: shape.into() });
        }
        let [channels, height, width] = shape;
        let [height, width] = self.size.unwrap_or([height, width]);
        Ok([channels, height, width])
    }

    fn apply(&self, image: &mut Image<'_, E>, _: &mut Rng) {
        (self.change)(image);
    }
}

/// Refuses what is not a probability.
pub(crate) fn check_probability(what: &'static str, p: f64) -> Result<(), DataError> {
    if (0.0..=1.0).contains(&p) {
        return Ok(());
    }
    Err(DataError::setting(what, "a probability, 0 to 1", p))
}

/// Refuses what is not a range of finite numbers from `least` on, the lower end first.
pub(crate) fn check_range(what: &'static str, (low, high): (f64, f64), least: f64) -> Result<(), DataError> {
    if low <= high && low >= least && high.is_finite() {
        return Ok(());
    }
    let expected = match least == f64::NEG_INFINITY {
        true => "finite numbers, the lower one first".to_owned(),
        false => format!("finite numbers of at least {least}, the lower one first"),
    };
    Err(DataError::setting(what, expected, format!("{low} to {high}")))
}

/// Refuses what is not a finite number of at least 0.
pub(crate) fn check_strength(what: &'static str, strength: f64) -> Result<(), DataError> {
    if strength >= 0.0 && strength.is_finite() {
        return Ok(());
    }
    Err(DataError::setting(what, "a finite number of at least 0", strength))
}

/// Refuses a rectangle that does not fit into an image.
pub(crate) fn check_fits(
    what: &'static str,
    size: [usize; 2],
    [_, height, width]: [usize; 3],
) -> Result<(), DataError> {
    if size.contains(&0) || size[0] > height || size[1] > width {
        let expected = format!("1 to {height} rows and 1 to {width} columns, the size of the images");
        return Err(DataError::setting(what, expected, format!("{} x {}", size[0], size[1])));
    }
    Ok(())
}

/// Refuses images that are not red, green and blue.
pub(crate) fn check_color(what: &'static str, shape: [usize; 3]) -> Result<(), DataError> {
    if shape[0] == 3 {
        return Ok(());
    }
    Err(DataError::Shape { what, expected: "[n, 3, height, width]".into(), found: shape.into() })
}

/// Uniform within a range.
pub(crate) fn within((low, high): (f64, f64), rng: &mut Rng) -> f64 {
    low + (high - low) * rng.uniform()
}
