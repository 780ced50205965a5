//! One image on its way through an augmentation: what is to happen to it is gathered, and happens in one pass.

mod paint;

use kniff_tensor::Element;
use kniff_tensor::simd::dispatch;
use paint::{Paint, Raw};

/// What lies outside an image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Border {
    /// One number everywhere.
    Constant(f64),
    /// The image mirrored at its outermost pixels, which are not repeated: `c b | a b c | b a`. At most its size less one deep.
    Reflect,
    /// The outermost pixel, repeated.
    Edge,
}

impl Border {
    /// Zeros, as most networks are trained with.
    pub const ZERO: Border = Border::Constant(0.0);

    /// The place along an axis of `size` that stands for `at`; `None` where a constant does.
    #[inline(always)]
    pub(crate) fn place(self, at: isize, size: usize) -> Option<usize> {
        let last = size as isize - 1;
        match self {
            _ if (0..=last).contains(&at) => Some(at as usize),
            Border::Constant(_) => None,
            Border::Edge => Some(at.clamp(0, last) as usize),
            // Beyond one reflection the nearest edge stands in, so that no place is ever outside.
            Border::Reflect => Some(if at < 0 { -at } else { 2 * last - at }.clamp(0, last) as usize),
        }
    }
}

/// The rectangle of the raw image that is looked at; it may reach outside.
#[derive(Clone, Copy, Debug)]
struct Window {
    top: isize,
    left: isize,
    height: usize,
    width: usize,
    border: Border,
}

/// One image, `[channels, height, width]`, that an [`Augmentation`](crate::Augmentation) changes.
///
/// Moves of whole pixels (a window, a flip) and straight lines through the colours (a scale and a shift per channel) are only noted;
/// they happen together in one pass when the image is written into its batch, reading bytes and writing numbers. What needs the
/// numbers themselves ([`Image::pixels`], [`Image::pixels_mut`], [`Image::remake`]) makes what was noted so far
/// happen first. Either way the order of the calls is the order of the changes.
///
/// Images of bytes are seen as numbers from 0 to 1: a byte divided by 255.
///
/// ```
/// use kniff_data::{Border, Image};
/// let mut image = Image::<f32>::from_bytes(&[0, 51, 102, 255], [1, 2, 2]);
/// image.flip_horizontal();
/// image.window(0, 0, 1, 3, Border::ZERO);
/// image.scale_and_shift(0, 10.0, 1.0);
/// // Top row 0 and 0.2, mirrored, a 0 from outside, then times 10 plus 1.
/// assert_eq!(image.pixels(), [3.0, 1.0, 1.0]);
/// ```
pub struct Image<'a, E: Element = f32> {
    raw: Option<Raw<'a, E>>,
    /// The numbers themselves, where there is no `raw`.
    own: Vec<E>,
    spare: Vec<E>,
    channels: usize,
    /// Height and width of what is in `raw` or `own`.
    size: [usize; 2],
    window: Window,
    mirrored: bool,
    upside_down: bool,
    /// Per channel: scale, shift, and what the constant outside has become.
    tones: Vec<[E; 3]>,
    /// Whether the tones change nothing.
    plain: bool,
}

impl<'a, E: Element> Image<'a, E> {
    /// An image of bytes; they are seen divided by 255.
    ///
    /// # Panics
    /// If there are not as many bytes as the shape says.
    #[track_caller]
    pub fn from_bytes(bytes: &'a [u8], shape: [usize; 3]) -> Self {
        let mut image = Self::empty();
        image.load_bytes(bytes, shape);
        image
    }

    /// An image of numbers.
    ///
    /// # Panics
    /// If there are not as many numbers as the shape says.
    #[track_caller]
    pub fn from_numbers(numbers: &'a [E], shape: [usize; 3]) -> Self {
        let mut image = Self::empty();
        image.load_numbers(numbers, shape);
        image
    }

    /// No image yet, but room for one.
    pub(crate) fn empty() -> Self {
        let window = Window { top: 0, left: 0, height: 0, width: 0, border: Border::ZERO };
        let (own, spare, tones) = (Vec::new(), Vec::new(), Vec::new());
        let (mirrored, upside_down, plain) = (false, false, true);
        Self { raw: None, own, spare, channels: 0, size: [0, 0], window, mirrored, upside_down, tones, plain }
    }

    #[track_caller]
    pub(crate) fn load_bytes(&mut self, bytes: &'a [u8], shape: [usize; 3]) {
        assert_eq!(bytes.len(), shape.iter().product::<usize>(), "Image: bytes for shape {shape:?}");
        self.load(Raw::Bytes(bytes), shape);
        self.tones.iter_mut().for_each(|tone| tone[0] = E::from_f64(1.0 / 255.0));
        self.plain = false;
    }

    #[track_caller]
    pub(crate) fn load_numbers(&mut self, numbers: &'a [E], shape: [usize; 3]) {
        assert_eq!(numbers.len(), shape.iter().product::<usize>(), "Image: numbers for shape {shape:?}");
        self.load(Raw::Numbers(numbers), shape);
    }

    fn load(&mut self, raw: Raw<'a, E>, [channels, height, width]: [usize; 3]) {
        self.raw = Some(raw);
        self.channels = channels;
        self.untouched([height, width]);
    }

    /// What is there is as it is to be.
    fn untouched(&mut self, size: [usize; 2]) {
        self.size = size;
        self.window = Window { top: 0, left: 0, height: size[0], width: size[1], border: Border::ZERO };
        (self.mirrored, self.upside_down, self.plain) = (false, false, true);
        self.tones.clear();
        self.tones.resize(self.channels, [E::ONE, E::ZERO, E::ZERO]);
    }

    /// How many channels there are.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Rows of pixels.
    pub fn height(&self) -> usize {
        self.window.height
    }

    /// Columns of pixels.
    pub fn width(&self) -> usize {
        self.window.width
    }

    /// `[channels, height, width]`.
    pub fn shape(&self) -> [usize; 3] {
        [self.channels, self.window.height, self.window.width]
    }

    /// Looks at a rectangle, whose top left corner may lie outside the image (below 0), as may the rest of it.
    pub fn window(&mut self, top: isize, left: isize, height: usize, width: usize, border: Border) {
        let (h, w) = (self.window.height as isize, self.window.width as isize);
        let inside = top >= 0 && left >= 0 && top + height as isize <= h && left + width as isize <= w;
        if !inside {
            // What lies outside a window on a larger image is not what that image has there.
            if [self.window.height, self.window.width] != self.size || (self.window.top, self.window.left) != (0, 0) {
                self.settle();
            }
            self.window.border = border;
            if let Border::Constant(value) = border {
                self.tones.iter_mut().for_each(|tone| tone[2] = E::from_f64(value));
            }
        }
        self.window.top += if self.upside_down { h - height as isize - top } else { top };
        self.window.left += if self.mirrored { w - width as isize - left } else { left };
        (self.window.height, self.window.width) = (height, width);
    }

    /// Mirrors left and right.
    pub fn flip_horizontal(&mut self) {
        self.mirrored ^= true;
    }

    /// Mirrors top and bottom.
    pub fn flip_vertical(&mut self) {
        self.upside_down ^= true;
    }

    /// x becomes `scale` x + `shift` in one channel.
    ///
    /// # Panics
    /// If there is no such channel.
    #[track_caller]
    pub fn scale_and_shift(&mut self, channel: usize, scale: E, shift: E) {
        let [a, b, outside] = self.tones[channel];
        self.tones[channel] = [a * scale, b * scale + shift, outside * scale + shift];
        self.plain = false;
    }

    /// The numbers as they are now, row by row, channel after channel.
    pub fn pixels(&mut self) -> &[E] {
        self.settle();
        &self.own
    }

    /// The numbers as they are now, to be changed.
    pub fn pixels_mut(&mut self) -> &mut [E] {
        self.settle();
        &mut self.own
    }

    /// Makes another image out of this one: `f` gets the numbers as they are now and the new ones to be filled in.
    pub fn remake(&mut self, height: usize, width: usize, f: impl FnOnce(&[E], &mut [E])) {
        self.settle();
        self.spare.resize(self.channels * height * width, E::ZERO);
        f(&self.own, &mut self.spare);
        std::mem::swap(&mut self.own, &mut self.spare);
        self.untouched([height, width]);
    }

    /// Makes happen what was noted.
    fn settle(&mut self) {
        let whole = (self.window.top, self.window.left) == (0, 0) && [self.height(), self.width()] == self.size;
        if self.raw.is_none() && whole && self.plain && !self.mirrored && !self.upside_down {
            return;
        }
        let mut out = std::mem::take(&mut self.spare);
        out.resize(self.channels * self.height() * self.width(), E::ZERO);
        self.write(&mut out);
        self.spare = std::mem::replace(&mut self.own, out);
        self.raw = None;
        self.untouched([self.height(), self.width()]);
    }

    /// Writes the numbers into `out`, which has as many.
    pub(crate) fn write(&self, out: &mut [E]) {
        let raw = self.raw.as_ref().map_or(Raw::Numbers(&self.own), |raw| *raw);
        let Window { top, left, height, width, border } = self.window;
        if out.is_empty() {
            return;
        }
        if self.size.contains(&0) {
            let places = height * width;
            out.chunks_exact_mut(places).zip(&self.tones).for_each(|(plane, tone)| plane.fill(tone[2]));
            return;
        }
        dispatch(Paint {
            raw,
            size: self.size,
            corner: [top, left],
            out_size: [height, width],
            border,
            mirrored: self.mirrored,
            upside_down: self.upside_down,
            tones: &self.tones,
            out,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 0 1 2 / 3 4 5
    const SIX: [f64; 6] = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0];

    fn six() -> Image<'static, f64> {
        Image::from_numbers(&SIX, [1, 2, 3])
    }

    #[test]
    fn windows_and_flips_compose_in_the_order_of_the_calls() {
        let mut image = six();
        image.flip_horizontal();
        image.window(0, 0, 2, 2, Border::ZERO);
        assert_eq!(image.pixels(), [2.0, 1.0, 5.0, 4.0]);
        let mut image = six();
        image.window(0, 0, 2, 2, Border::ZERO);
        image.flip_horizontal();
        image.flip_vertical();
        image.window(1, 0, 1, 2, Border::ZERO);
        assert_eq!(image.pixels(), [1.0, 0.0]);
    }

    #[test]
    fn what_lies_outside_is_seen_from_the_window_that_is_left() {
        let mut image = six();
        image.window(0, 1, 2, 2, Border::ZERO);
        // The image is now 1 2 / 4 5: its left neighbour is its own edge, not the 0 that was cut off.
        image.window(0, -1, 2, 2, Border::Edge);
        assert_eq!(image.pixels(), [1.0, 1.0, 4.0, 4.0]);
    }

    #[test]
    fn the_outside_takes_part_in_what_comes_after_it_and_not_in_what_came_before() {
        let mut image = six();
        image.scale_and_shift(0, 2.0, 1.0);
        image.window(-1, 0, 1, 1, Border::Constant(7.0));
        assert_eq!(image.pixels(), [7.0]);
        let mut image = six();
        image.window(-1, 0, 1, 1, Border::Constant(7.0));
        image.scale_and_shift(0, 2.0, 1.0);
        assert_eq!(image.pixels(), [15.0]);
    }

    #[test]
    fn borders_by_hand() {
        let row = |border| {
            let mut image = six();
            image.window(0, -2, 1, 7, border);
            image.pixels().to_vec()
        };
        assert_eq!(row(Border::Reflect), [2.0, 1.0, 0.0, 1.0, 2.0, 1.0, 0.0]);
        assert_eq!(row(Border::Edge), [0.0, 0.0, 0.0, 1.0, 2.0, 2.0, 2.0]);
        assert_eq!(row(Border::Constant(9.0)), [9.0, 9.0, 0.0, 1.0, 2.0, 9.0, 9.0]);
    }

    #[test]
    fn noted_or_made_to_happen_at_once_it_is_the_same() {
        let bytes: Vec<u8> = (0..2 * 9 * 40).map(|i| (i * 37 % 256) as u8).collect();
        for border in [Border::Constant(0.25), Border::Reflect, Border::Edge] {
            type Step<'a> = &'a dyn Fn(&mut Image<'_, f64>);
            let steps: [Step<'_>; 6] = [
                &|i| i.window(-2, -3, 12, 45, border),
                &|i| i.flip_horizontal(),
                &|i| i.scale_and_shift(1, 0.5, 0.125),
                &|i| i.window(1, 2, 10, 33, border),
                &|i| i.flip_vertical(),
                &|i| i.window(3, -1, 9, 30, border),
            ];
            let (mut noted, mut stepwise) =
                (Image::from_bytes(&bytes, [2, 9, 40]), Image::from_bytes(&bytes, [2, 9, 40]));
            for step in steps {
                step(&mut noted);
                step(&mut stepwise);
                let _ = stepwise.pixels();
            }
            assert_eq!(noted.shape(), [2, 9, 30]);
            let (a, b) = (noted.pixels().to_vec(), stepwise.pixels().to_vec());
            // A scale and a shift at once instead of one after the other: rounding apart.
            assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-15), "{border:?}");
        }
    }
}
