//! A square of the image blotted out.

use crate::augmentation::Augmentation;
use crate::{DataError, Image};
use kniff_tensor::{Element, Rng};

/// Fills a square with one number (0 unless told otherwise); its centre is drawn among all pixels, so it may reach over the edge.
///
/// After normalisation 0 is the mean. Left out at test time. DeVries and Taylor, "Improved Regularization of
/// Convolutional Neural Networks with Cutout" (2017).
///
/// ```
/// use kniff_data::{Augment, Cutout};
/// use kniff_tensor::{Rng, Tensor};
/// let image: Tensor = Tensor::ones([1, 1, 1, 9]);
/// let changed = Augment::new().then(Cutout::new(1)?).apply(&image, &Rng::new(0))?;
/// assert_eq!(changed.to_vec().iter().sum::<f32>(), 8.0);
/// # Ok::<(), kniff_data::DataError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Cutout {
    side: usize,
    value: f64,
}

impl Cutout {
    /// A square of `side` pixels.
    ///
    /// # Errors
    /// If that is none.
    pub fn new(side: usize) -> Result<Self, DataError> {
        match side {
            0 => Err(DataError::setting("cutout", "a side of at least 1 pixel", side)),
            _ => Ok(Self { side, value: 0.0 }),
        }
    }

    /// Filled with `value`.
    #[must_use]
    pub fn value(mut self, value: f64) -> Self {
        self.value = value;
        self
    }
}

impl<E: Element> Augmentation<E> for Cutout {
    fn name(&self) -> &str {
        "cutout"
    }

    fn apply(&self, image: &mut Image<'_, E>, rng: &mut Rng) {
        let [_, h, w] = image.shape();
        if h * w == 0 {
            return;
        }
        let mut range = |size: usize| {
            let (centre, before) = (rng.below(size), self.side / 2);
            (centre.saturating_sub(before), centre.saturating_add(self.side - before).min(size))
        };
        let (rows, columns) = (range(h), range(w));
        fill(image, rows, columns, |_| E::from_f64(self.value));
    }
}

/// Overwrites rows and columns (from, to) of all channels.
pub(super) fn fill<E: Element>(
    image: &mut Image<'_, E>,
    rows: (usize, usize),
    columns: (usize, usize),
    mut value: impl FnMut(usize) -> E,
) {
    let [_, h, w] = image.shape();
    for (c, plane) in image.pixels_mut().chunks_exact_mut(h * w).enumerate() {
        for row in plane.chunks_exact_mut(w).take(rows.1).skip(rows.0) {
            row[columns.0..columns.1].iter_mut().for_each(|x| *x = value(c));
        }
    }
}
