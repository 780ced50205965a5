//! The one pass: window, flips and tones, from bytes or numbers to numbers.

use super::Border;
use kniff_tensor::Element;
use kniff_tensor::simd::{Isa, Kernel};

/// Where the numbers come from.
#[derive(Clone, Copy)]
pub(super) enum Raw<'a, E> {
    Bytes(&'a [u8]),
    Numbers(&'a [E]),
}

pub(super) struct Paint<'a, E> {
    pub(super) raw: Raw<'a, E>,
    /// Height and width of a plane of `raw`.
    pub(super) size: [usize; 2],
    /// Where the window begins in it.
    pub(super) corner: [isize; 2],
    pub(super) out_size: [usize; 2],
    pub(super) border: Border,
    pub(super) mirrored: bool,
    pub(super) upside_down: bool,
    pub(super) tones: &'a [[E; 3]],
    pub(super) out: &'a mut [E],
}

impl<E: Element> Kernel for Paint<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        match self.raw {
            Raw::Bytes(bytes) => self.from(bytes, |byte| E::from_f64(f64::from(byte))),
            Raw::Numbers(numbers) => self.from(numbers, |number| number),
        }
    }
}

impl<E: Element> Paint<'_, E> {
    #[inline(always)]
    fn from<R: Copy>(self, raw: &[R], number: impl Fn(R) -> E + Copy) {
        let ([h, w], [height, width], [top, left]) = (self.size, self.out_size, self.corner);
        // The columns of a row of the window that lie inside: `before` ones outside, then `inside`, the rest outside again.
        let before = (-left).clamp(0, width as isize) as usize;
        let end = (w as isize - left).clamp(before as isize, width as isize) as usize;
        let (first, inside) = ((left.max(0) as usize).min(w), end - before);
        for (c, (plane, tone)) in self.out.chunks_exact_mut(height * width).zip(self.tones).enumerate() {
            let [scale, shift, outside] = *tone;
            let paint = |raw: R| number(raw) * scale + shift;
            for (y, row) in plane.chunks_exact_mut(width).enumerate() {
                let y = if self.upside_down { height - 1 - y } else { y };
                let Some(y) = self.border.place(top + y as isize, h) else {
                    row.fill(outside);
                    continue;
                };
                let from = &raw[(c * h + y) * w..(c * h + y + 1) * w];
                // In the row as it is written, the inside begins where the mirror puts it.
                let at = if self.mirrored { width - end } else { before };
                let middle = &mut row[at..at + inside];
                match self.mirrored {
                    false => straight(&from[first..first + inside], middle, paint),
                    true => reversed(&from[first..first + inside], middle, paint),
                }
                if inside == width {
                    continue;
                }
                for x in (0..at).chain(at + inside..width) {
                    let place = if self.mirrored { width - 1 - x } else { x };
                    row[x] = match self.border.place(left + place as isize, w) {
                        Some(place) => paint(from[place]),
                        None => outside,
                    };
                }
            }
        }
    }
}

/// Numbers that are done together; rows of small images are only two or so of them.
const LANES: usize = 16;

#[inline(always)]
fn straight<R: Copy, E: Element>(from: &[R], to: &mut [E], paint: impl Fn(R) -> E) {
    let (mut to, mut from) = (to.chunks_exact_mut(LANES), from.chunks_exact(LANES));
    for (to, from) in to.by_ref().zip(from.by_ref()) {
        for i in 0..LANES {
            to[i] = paint(from[i]);
        }
    }
    for (to, from) in to.into_remainder().iter_mut().zip(from.remainder()) {
        *to = paint(*from);
    }
}

#[inline(always)]
fn reversed<R: Copy, E: Element>(from: &[R], to: &mut [E], paint: impl Fn(R) -> E) {
    let (mut to, mut from) = (to.chunks_exact_mut(LANES), from.rchunks_exact(LANES));
    for (to, from) in to.by_ref().zip(from.by_ref()) {
        for i in 0..LANES {
            to[i] = paint(from[LANES - 1 - i]);
        }
    }
    for (to, from) in to.into_remainder().iter_mut().zip(from.remainder().iter().rev()) {
        *to = paint(*from);
    }
}
