//! The matrix product in tiles: both sides are packed, then blocks of the result are summed.

use super::half::{interleave, pair, turn};
use super::tiles::{DEEP, ROW, SIDE, Shaped, Sum, TILE, sum_of};
use crate::buffer::Buffer;
use crate::kernels::gemm::MatRef;
use crate::parallel;
use crate::simd::{Isa, Kernel, dispatch};

/// Pairs in a row of a tile.
const PAIRS: usize = ROW / size_of::<u32>();
/// Pairs of a packed tile.
const PACKED: usize = SIDE * PAIRS;
/// Multiply-adds from which on packing both sides pays.
const FEWEST: usize = 1 << 16;
/// Rows and columns of the result whose sums are kept at once.
pub(in crate::kernels) const BLOCK: usize = 2 * SIDE;

/// Whether a product of such sizes is for tiles.
pub(in crate::kernels) fn pays(m: usize, n: usize, k: usize) -> bool {
    m.min(n) > 1 && m.saturating_mul(n).saturating_mul(k) >= FEWEST
}

/// One side of a product, in tiles of 16 x 16 pairs: `[rows / 16][k / 32]` of the left side, `[columns / 32][k / 32]` twos of
/// neighbours of the right side.
pub(in crate::kernels) struct Packed {
    tiles: Buffer<u32>,
    steps: usize,
}

impl Packed {
    /// Rows of a tile are rows of the matrix, 32 numbers of each.
    pub(in crate::kernels) fn left(a: MatRef<'_, f32>) -> Self {
        Self::pack::<1>(a)
    }

    /// Rows of a tile are pairs of rows of the matrix, 16 numbers of each.
    pub(in crate::kernels) fn right(b: MatRef<'_, f32>) -> Self {
        Self::pack::<2>(b.t())
    }

    /// Tiles side by side: one for the left side, two, which are turned, for the right.
    fn pack<const BESIDE: usize>(rows: MatRef<'_, f32>) -> Self {
        let steps = rows.cols().div_ceil(DEEP);
        let mut tiles = Buffer::scratch(rows.rows().div_ceil(BESIDE * SIDE) * steps * BESIDE * PACKED);
        let pays = parallel::pays(tiles.len());
        parallel::chunks_if(pays, tiles.as_mut_slice(), steps * BESIDE * PACKED, |block, tiles| {
            dispatch(Pack::<BESIDE> { rows, first: block * BESIDE * SIDE, tiles });
        });
        Self { tiles, steps }
    }
}

struct Pack<'a, const BESIDE: usize> {
    rows: MatRef<'a, f32>,
    first: usize,
    tiles: &'a mut [u32],
}

impl<const BESIDE: usize> Kernel for Pack<'_, BESIDE> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(mut self) {
        let shaped = Shaped::new(DEEP);
        for step in 0..self.rows.cols().div_ceil(DEEP) {
            for beside in 0..BESIDE {
                self.tile::<I>(&shaped, step, beside);
            }
        }
    }
}

impl<const BESIDE: usize> Pack<'_, BESIDE> {
    #[inline(always)]
    fn tile<I: Isa>(&mut self, shaped: &Shaped, step: usize, beside: usize) {
        let (rows, columns) = (self.rows, self.rows.t());
        let (first, from) = (self.first + beside * SIDE, step * DEEP);
        let some = rows.rows().saturating_sub(first).min(SIDE);
        let deep = (rows.cols() - from).min(DEEP);
        let tile = &mut self.tiles[step * BESIDE * PACKED + beside * PAIRS..];
        if some == 0 {
            tile.chunks_mut(BESIDE * PAIRS).take(SIDE).for_each(|row| row[..PAIRS].fill(0));
            return;
        }
        let turned = BESIDE > 1;
        let by_columns = rows.row(0).is_none();
        let mut room = [0; PACKED];
        let (to, to_row) = if by_columns == turned { (&mut *tile, BESIDE * PAIRS) } else { (&mut room[..], PAIRS) };
        for (line, to) in to.chunks_mut(to_row).enumerate().take(SIDE) {
            let to = &mut to[..PAIRS];
            if some < SIDE || deep < DEEP {
                to.fill(0);
            }
            if by_columns {
                // Two columns of the matrix, 16 numbers of each.
                let k = from + 2 * line;
                let column = |k: usize| if k < rows.cols() { columns.row(k) } else { None };
                match (column(k), column(k + 1)) {
                    (Some(a), Some(b)) => interleave(shaped, &a[first..][..some], &b[first..][..some], to),
                    _ => {
                        let number = |i: usize, k: usize| if k < rows.cols() { rows.at(first + i, k) } else { 0.0 };
                        let to = to.iter_mut().take(some).enumerate();
                        to.for_each(|(i, to)| *to = pair(number(i, k), number(i, k + 1)));
                    }
                }
            } else if line < some
                && let Some(row) = rows.row(first + line)
            {
                let (pairs, last) = row[from..][..deep].as_chunks::<2>();
                to.iter_mut().zip(pairs).for_each(|(to, &[a, b])| *to = pair(a, b));
                if let [a] = last {
                    to[pairs.len()] = pair(*a, 0.0);
                }
            }
        }
        if by_columns != turned {
            turn::<I>(&room, PAIRS, tile, BESIDE * PAIRS);
        }
    }
}

/// `each(row, column, sums, in rows of 32)` for every block of 32 x 32 of the product that begins within the given rows and columns.
pub(in crate::kernels) fn blocks(
    a: &Packed,
    b: &Packed,
    rows: std::ops::Range<usize>,
    columns: std::ops::Range<usize>,
    mut each: impl FnMut(usize, usize, &[f32]),
) {
    let shaped = Shaped::new(DEEP);
    let steps: Vec<[isize; 2]> = (0..a.steps).map(|s| [(s * TILE) as isize, (s * 2 * TILE) as isize]).collect();
    let ends = steps.as_ptr_range();
    let mut room = Room([0.0; BLOCK * BLOCK]);
    let tiles = |n: usize| n.div_ceil(SIDE).min(2);
    for column in columns.clone().step_by(BLOCK) {
        for row in rows.clone().step_by(BLOCK) {
            let sums = room.0.as_mut_ptr();
            let sum = Sum {
                a: a.tiles.as_slice()[row / SIDE * a.steps * PACKED..].as_ptr().cast(),
                b: b.tiles.as_slice()[column / BLOCK * b.steps * 2 * PACKED..].as_ptr().cast(),
                a_row: ROW,
                b_row: 2 * ROW,
                a_next: a.steps * TILE,
                steps: ends.start,
                end: ends.end,
                c: sums,
                c_row: BLOCK * size_of::<f32>(),
                c_next: sums.wrapping_add(SIDE * BLOCK),
                add: 0,
                b_next: ROW as isize,
            };
            // SAFETY: the left side holds `steps` tiles for each 16 of its rows, of which there are two where two are asked for, the
            // right side as many twos for each 32 of its columns; the room is 32 x 32.
            unsafe { sum_of(&shaped, (tiles(rows.end - row), tiles(columns.end - column)), &sum) };
            each(row, column, &room.0);
        }
    }
}

#[repr(align(64))]
struct Room([f32; BLOCK * BLOCK]);
