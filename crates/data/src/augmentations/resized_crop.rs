//! A part of random size and shape, brought to one size.

use crate::augmentation::{Augmentation, TestStep, Views, check_range, within};
use crate::resize::resize_planes;
use crate::{Border, DataError, Image, Interpolation};
use kniff_tensor::{Element, Rng};

/// Cuts out a rectangle of random area, shape and place and resizes it, as networks for large photographs are trained with.
///
/// The area is uniform between 8 and 100 % of the image's, the shape (width to height) uniform in its logarithm between 3/4 and 4/3;
/// if no such rectangle fits in ten draws, the largest in the middle is taken. At test time that one is, and with
/// [`Views::corners`] the corners of 7/8 of its sides.
///
/// ```
/// use kniff_data::{Augment, ResizedCrop};
/// use kniff_tensor::{Rng, Tensor};
/// let augment = Augment::new().then(ResizedCrop::new(8, 8)?.area(0.5, 1.0)?);
/// let images: Tensor = Tensor::ones([4, 3, 20, 30]);
/// assert_eq!(augment.apply(&images, &Rng::new(0))?.shape(), &[4, 3, 8, 8]);
/// # Ok::<(), kniff_data::DataError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ResizedCrop {
    size: [usize; 2],
    area: (f64, f64),
    ratio: (f64, f64),
    how: Interpolation,
}

impl ResizedCrop {
    /// To so many pixels.
    ///
    /// # Errors
    /// If one side is 0.
    pub fn new(height: usize, width: usize) -> Result<Self, DataError> {
        if height == 0 || width == 0 {
            return Err(DataError::setting("resized crop", "at least 1 x 1 pixels", format!("{height} x {width}")));
        }
        Ok(Self {
            size: [height, width],
            area: (0.08, 1.0),
            ratio: (0.75, 4.0 / 3.0),
            how: Interpolation::BilinearAntialias,
        })
    }

    /// Parts of the area between `low` and `high`.
    ///
    /// # Errors
    /// Unless 0 < low <= high <= 1.
    pub fn area(mut self, low: f64, high: f64) -> Result<Self, DataError> {
        if !(low > 0.0 && low <= high && high <= 1.0) {
            let expected = "parts of the image above 0 and at most 1, the lower one first";
            return Err(DataError::setting("area of a resized crop", expected, format!("{low} to {high}")));
        }
        self.area = (low, high);
        Ok(self)
    }

    /// Width to height between `low` and `high`.
    ///
    /// # Errors
    /// Unless 0 < low <= high, both finite.
    pub fn ratio(mut self, low: f64, high: f64) -> Result<Self, DataError> {
        check_range("shape of a resized crop", (low, high), f64::MIN_POSITIVE)?;
        self.ratio = (low, high);
        Ok(self)
    }

    /// How to resize; with the triangle that leaves no pixel out unless told otherwise.
    #[must_use]
    pub fn interpolation(mut self, how: Interpolation) -> Self {
        self.how = how;
        self
    }

    /// Top, left, height and width.
    fn draw(&self, height: usize, width: usize, rng: &mut Rng) -> [usize; 4] {
        let logs = (self.ratio.0.ln(), self.ratio.1.ln());
        for _ in 0..10 {
            let area = within(self.area, rng) * (height * width) as f64;
            let ratio = within(logs, rng).exp();
            let (w, h) = ((area * ratio).sqrt().round() as usize, (area / ratio).sqrt().round() as usize);
            if (1..=width).contains(&w) && (1..=height).contains(&h) {
                return [rng.below(height - h + 1), rng.below(width - w + 1), h, w];
            }
        }
        largest(height, width, self.ratio)
    }
}

/// The largest rectangle in the middle whose shape is allowed.
fn largest(height: usize, width: usize, (low, high): (f64, f64)) -> [usize; 4] {
    let ratio = (width as f64 / height as f64).clamp(low, high);
    let w = ((height as f64 * ratio).round() as usize).clamp(1, width);
    let h = ((width as f64 / ratio).round() as usize).clamp(1, height);
    [(height - h) / 2, (width - w) / 2, h, w]
}

fn cut<E: Element>(image: &mut Image<'_, E>, part: [usize; 4], [height, width]: [usize; 2], how: Interpolation) {
    let [top, left, h, w] = part;
    image.window(top as isize, left as isize, h, w, Border::ZERO);
    image.remake(height, width, |from, to| resize_planes(from, [h, w], to, [height, width], how));
}

impl<E: Element> Augmentation<E> for ResizedCrop {
    fn name(&self) -> &str {
        "resized crop"
    }

    fn output_shape(&self, [channels, height, width]: [usize; 3]) -> Result<[usize; 3], DataError> {
        if height == 0 || width == 0 {
            return Err(DataError::setting("resized crop", "images with pixels", format!("{height} x {width}")));
        }
        Ok([channels, self.size[0], self.size[1]])
    }

    fn apply(&self, image: &mut Image<'_, E>, rng: &mut Rng) {
        let part = self.draw(image.height(), image.width(), rng);
        cut(image, part, self.size, self.how);
    }

    fn at_test(&self, [_, height, width]: [usize; 3], views: &Views, _: &mut Rng) -> Vec<TestStep<E>> {
        let (size, how) = (self.size, self.how);
        let shape = size[1] as f64 / size[0] as f64;
        let [top, left, h, w] = largest(height, width, (shape, shape));
        let mut parts = vec![("", [top, left, h, w])];
        if views.corners {
            let (hh, ww) = ((h * 7 / 8).max(1), (w * 7 / 8).max(1));
            let (y, x) = ([top as isize, (top + h - hh) as isize], [left as isize, (left + w - ww) as isize]);
            let corners = super::random_crop::corners(y, x);
            parts.extend(corners.map(|(name, y, x)| (name, [y as usize, x as usize, hh, ww])));
        }
        let step = |(name, part)| {
            TestStep::new(name, move |image: &mut Image<'_, E>| cut(image, part, size, how)).to_size(size)
        };
        parts.into_iter().map(step).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_drawn_lies_within_the_image_and_the_settings() {
        let crop = ResizedCrop::new(4, 4).unwrap().area(0.2, 0.6).unwrap();
        let mut rng = Rng::new(3);
        let mut areas = Vec::new();
        for _ in 0..2000 {
            let [top, left, h, w] = crop.draw(40, 60, &mut rng);
            assert!(top + h <= 40 && left + w <= 60);
            let (area, ratio) = ((h * w) as f64 / 2400.0, w as f64 / h as f64);
            // Sides are rounded to whole pixels: 15 of them are the fewest.
            assert!((0.18..0.64).contains(&area) && (0.69..1.44).contains(&ratio), "{area} {ratio}");
            areas.push(area);
        }
        let mean = areas.iter().sum::<f64>() / 2000.0;
        // Uniform: five standard errors of sigma 0.4 / sqrt(12), and what rounding to pixels adds.
        assert!((mean - 0.4).abs() < 0.02, "{mean}");
        // A strip has no such part: its middle is taken.
        assert_eq!(crop.draw(3, 300, &mut rng), [0, 148, 3, 4]);
    }

    #[test]
    fn settings_are_checked() {
        assert!(ResizedCrop::new(0, 1).is_err());
        let crop = ResizedCrop::new(1, 1).unwrap();
        assert!(crop.area(0.0, 1.0).is_err() && crop.area(0.5, 0.4).is_err() && crop.area(f64::NAN, 1.0).is_err());
        assert!(crop.ratio(0.0, 1.0).is_err() && crop.ratio(1.0, f64::INFINITY).is_err());
    }
}
