//! From images with a plane per channel to places with their channels side by side, and back.

use crate::Element;
use crate::kernels::finish::{Finish, rectified};
use crate::kernels::transpose::{BLOCK, block};
use crate::simd::Isa;

/// Some rows of an image with a frame of zeros: place after place, the channels of each side by side.
pub(super) struct Places<'a, E> {
    pub(super) data: &'a mut [E],
    /// Places in a row.
    pub(super) across: usize,
    /// Elements of one place; more than channels where these do not fill the lanes.
    pub(super) depth: usize,
}

impl<E: Element> Places<'_, E> {
    /// Fills `rows` rows from an image [channels, h, w], whose first place is (`top`, `left`) of these; what is outside is 0.
    #[inline(always)]
    pub(super) fn fill<I: Isa>(
        &mut self,
        image: &[E],
        [h, w]: [usize; 2],
        channels: usize,
        rows: usize,
        [top, left]: [isize; 2],
    ) {
        let (across, depth) = (self.across, self.depth);
        let plane = h * w;
        for r in 0..rows {
            let row = &mut self.data[r * across * depth..][..across * depth];
            let y = r as isize - top;
            if y < 0 || y >= h as isize {
                row.fill(E::ZERO);
                continue;
            }
            // Columns of the image that are inside.
            let (skip, start) = ((-left).max(0) as usize, left.max(0) as usize);
            let inside = w.saturating_sub(skip).min(across.saturating_sub(start));
            row[..start.min(across) * depth].fill(E::ZERO);
            row[(start + inside).min(across) * depth..].fill(E::ZERO);
            if inside > 0 {
                let to = &mut row[start * depth..(start + inside) * depth];
                turn::<E, I>(&image[y as usize * w + skip..], plane, channels, to, depth, inside);
            }
        }
    }

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
            // The last blocks overlap those before where they would not be whole.
            for c in (0..channels).step_by(BLOCK) {
                let c = c.min(channels - BLOCK);
                let mut bias = [E::ZERO; BLOCK];
                if let Some(all) = finish.bias {
                    bias.copy_from_slice(&all[c..c + BLOCK]);
                }
                for x in (0..w).step_by(BLOCK) {
                    let x = x.min(w - BLOCK);
                    let mut lines = [E::ZERO; BLOCK * BLOCK];
                    block::<E, I>(&row[x * self.depth + c..], self.depth, &mut lines, BLOCK);
                    for i in 0..BLOCK {
                        let here = (c + i) * h * w + at + x;
                        let mut line = [E::ZERO; BLOCK];
                        for p in 0..BLOCK {
                            line[p] = lines[i * BLOCK + p] + bias[i];
                        }
                        if let Some(add) = finish.add {
                            let add = &add[here..][..BLOCK];
                            for p in 0..BLOCK {
                                line[p] += add[p];
                            }
                        }
                        if finish.relu {
                            for y in &mut line {
                                *y = rectified(*y);
                            }
                        }
                        image[here..][..BLOCK].copy_from_slice(&line);
                    }
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
