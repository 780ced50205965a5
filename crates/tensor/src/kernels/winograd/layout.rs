//! From images with a plane per channel to places with their channels side by side, and back.

use crate::Element;

/// Rows and columns of a block that is turned at once.
const BLOCK: usize = 8;

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
    pub(super) fn fill(
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
                turn(&image[y as usize * w + skip..], plane, channels, to, depth, inside);
            }
        }
    }

    /// Puts `rows` rows and `w` columns into an image [channels, h, w] from its row `top` on; to each channel its bias is added.
    #[inline(always)]
    pub(super) fn empty(
        &self,
        image: &mut [E],
        [h, w]: [usize; 2],
        channels: usize,
        rows: usize,
        top: usize,
        bias: Option<&[E]>,
    ) {
        for r in 0..rows {
            let row = &self.data[r * self.across * self.depth..][..w * self.depth];
            let at = (top + r) * w;
            let mut c = 0;
            while c < channels {
                let some = BLOCK.min(channels - c);
                let mut add = [E::ZERO; BLOCK];
                if let Some(bias) = bias {
                    add[..some].copy_from_slice(&bias[c..c + some]);
                }
                let mut x = 0;
                while x < w {
                    let places = BLOCK.min(w - x);
                    if some == BLOCK && places == BLOCK {
                        let mut block = [[E::ZERO; BLOCK]; BLOCK];
                        for p in 0..BLOCK {
                            let from = &row[(x + p) * self.depth + c..][..BLOCK];
                            block[p].copy_from_slice(from);
                        }
                        for i in 0..BLOCK {
                            let to = &mut image[(c + i) * h * w + at + x..][..BLOCK];
                            for p in 0..BLOCK {
                                to[p] = block[p][i] + add[i];
                            }
                        }
                    } else {
                        for i in 0..some {
                            for p in 0..places {
                                image[(c + i) * h * w + at + x + p] = row[(x + p) * self.depth + c + i] + add[i];
                            }
                        }
                    }
                    x += places;
                }
                c += some;
            }
        }
    }
}

/// `to[x][c] = from[c][x]`.
#[inline(always)]
pub(super) fn turn<E: Element>(from: &[E], plane: usize, channels: usize, to: &mut [E], depth: usize, places: usize) {
    let mut c = 0;
    while c < channels {
        let some = BLOCK.min(channels - c);
        let mut x = 0;
        while x < places {
            let run = BLOCK.min(places - x);
            if some == BLOCK && run == BLOCK {
                let mut block = [[E::ZERO; BLOCK]; BLOCK];
                for i in 0..BLOCK {
                    let line = &from[(c + i) * plane + x..][..BLOCK];
                    block[i].copy_from_slice(line);
                }
                for p in 0..BLOCK {
                    let to = &mut to[(x + p) * depth + c..][..BLOCK];
                    for i in 0..BLOCK {
                        to[i] = block[i][p];
                    }
                }
            } else {
                for i in 0..some {
                    for p in 0..run {
                        to[(x + p) * depth + c + i] = from[(c + i) * plane + x + p];
                    }
                }
            }
            x += run;
        }
        c += some;
    }
}
