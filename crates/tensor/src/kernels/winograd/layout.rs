//! From images with a plane per channel to places with their channels side by side, and back.

use crate::Element;
use crate::kernels::finish::{Finish, rectified};
use crate::kernels::transpose::{BLOCK, block};
use crate::simd::Isa;

/// A row of places, the channels of each side by side, from row `y` of an image [channels, h, w], whose first place is `left` of these; what
/// is outside is 0.
#[inline(always)]
pub(super) fn fill_row<E: Element, I: Isa>(
    image: &[E],
    [h, w]: [usize; 2],
    channels: usize,
    [y, left]: [isize; 2],
    row: &mut [E],
    depth: usize,
) {
    if y < 0 || y >= h as isize {
        return row.fill(E::ZERO);
    }
    let across = row.len() / depth;
    // Columns of the image that are inside.
    let (skip, start) = ((-left).max(0) as usize, left.max(0) as usize);
    let inside = w.saturating_sub(skip).min(across.saturating_sub(start));
    row[..start.min(across) * depth].fill(E::ZERO);
    row[(start + inside).min(across) * depth..].fill(E::ZERO);
    if inside > 0 {
        let to = &mut row[start * depth..(start + inside) * depth];
        turn::<E, I>(&image[y as usize * w + skip..], h * w, channels, to, depth, inside);
    }
}

/// Some rows of an image: place after place, the channels of each side by side.
pub(super) struct Places<'a, E> {
    pub(super) data: &'a [E],
    /// Places in a row.
    pub(super) across: usize,
    /// Elements of one place; more than channels where these do not fill the lanes.
    pub(super) depth: usize,
}

impl<E: Element> Places<'_, E> {
    /// Puts `rows` rows and `w` columns into an image [channels, h, w] from its row `top` on, finished.
    #[inline(always)]
    pub(super) fn empty<I: Isa>(
        &self,
        image: &mut [E],
        [h, w]: [usize; 2],
        channels: usize,
        rows: usize,
        top: usize,
        finish: Finish<'_, E>,
    ) {
        for r in 0..rows {
            let row = &self.data[r * self.across * self.depth..][..w * self.depth];
            let at = (top + r) * w;
            if channels < BLOCK || w < BLOCK {
                for (c, x) in (0..channels).flat_map(|c| (0..w).map(move |x| (c, x))) {
                    let here = c * h * w + at + x;
                    let mut y = row[x * self.depth + c] + finish.bias.map_or(E::ZERO, |bias| bias[c]);
                    if let Some(add) = finish.add {
                        y += add[here];
                    }
                    image[here] = if finish.relu { rectified(y) } else { y };
                }
                continue;
            }
            let size = [h, w];
            if w.is_multiple_of(2 * BLOCK) {
                // Whole lines of the cache at once: a second half would often come after the line has gone.
                self.put::<I, { 2 * BLOCK }>(row, image, size, channels, at, finish);
            } else {
                self.put::<I, BLOCK>(row, image, size, channels, at, finish);
            }
        }
    }

    /// One row, so many columns at a time; the last blocks overlap those before where they would not be whole.
    #[inline(always)]
    fn put<I: Isa, const N: usize>(
        &self,
        row: &[E],
        image: &mut [E],
        [h, w]: [usize; 2],
        channels: usize,
        at: usize,
        finish: Finish<'_, E>,
    ) {
        for c in (0..channels).step_by(BLOCK) {
            let c = c.min(channels - BLOCK);
            let mut bias = [E::ZERO; BLOCK];
            if let Some(all) = finish.bias {
                bias.copy_from_slice(&all[c..c + BLOCK]);
            }
            for x in (0..w).step_by(N) {
                let x = x.min(w - N);
                let mut lines = [[E::ZERO; N]; BLOCK];
                for part in (0..N).step_by(BLOCK) {
                    block::<E, I>(
                        &row[(x + part) * self.depth + c..],
                        self.depth,
                        &mut lines.as_flattened_mut()[part..],
                        N,
                    );
                }
                for (i, line) in lines.iter_mut().enumerate() {
                    let here = (c + i) * h * w + at + x;
                    for y in line.iter_mut() {
                        *y += bias[i];
                    }
                    if let Some(add) = finish.add {
                        for (y, &x) in line.iter_mut().zip(&add[here..][..N]) {
                            *y += x;
                        }
                    }
                    if finish.relu {
                        for y in line.iter_mut() {
                            *y = rectified(*y);
                        }
                    }
                    image[here..][..N].copy_from_slice(line);
                }
            }
        }
    }
}

/// `to[x][c] = from[c][x]`; the last blocks overlap those before where they would not be whole.
#[inline(always)]
pub(super) fn turn<E: Element, I: Isa>(
    from: &[E],
    plane: usize,
    channels: usize,
    to: &mut [E],
    depth: usize,
    places: usize,
) {
    if channels < BLOCK || places < BLOCK {
        for c in 0..channels {
            for x in 0..places {
                to[x * depth + c] = from[c * plane + x];
            }
        }
        return;
    }
    for c in (0..channels).step_by(BLOCK) {
        let c = c.min(channels - BLOCK);
        for x in (0..places).step_by(BLOCK) {
            let x = x.min(places - BLOCK);
            block::<E, I>(&from[c * plane + x..], plane, &mut to[x * depth + c..], depth);
        }
    }
}
