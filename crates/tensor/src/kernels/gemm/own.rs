//! A small product from kniff's own tiles: what each side is brought into first, and how the result is cut for the threads.
//!
//! A tile is a few rows of the left side times two registers of neighbouring columns of the right side. The right side is read where it
//! lies if its rows do, and its last columns are packed; otherwise it is packed, or the left side is in its place and what comes
//! out is turned, whichever is less to pack.

use super::{Block, MatMut, MatRef, Target, Then, cut};
use crate::buffer::Buffer;
use crate::kernels::panels::{self, Left, PANEL, READ, Right, multiply_at, pack, room};
use crate::kernels::transpose;
use crate::simd::{Isa, Kernel, dispatch};
use crate::{Element, parallel, simd};
use std::marker::PhantomData;

/// Rows of memory so far apart fall on the same lines of the first cache, which has fewer places for them than a tile has rows.
const ALIASING: usize = 2048;
/// Rows of the right side that may alias where it is read as it lies.
const FEW: usize = 64;
/// Rows of a block that is turned on its way to the result.
const TURNED: usize = 64;

/// Multiply-adds below which the libraries pack too much for what they gain by it.
const SMALL: usize = 1 << 26;

/// Whether a product of such sizes is made here.
pub(super) fn fits(m: usize, n: usize, k: usize) -> bool {
    !simd::is_baseline() && m.saturating_mul(n).saturating_mul(k) < SMALL
}

/// `c = a b + beta c`, and then `f` for every finished block; a, b and c are not empty.
pub(super) fn multiply<E: Element>(a: MatRef<'_, E>, b: MatRef<'_, E>, beta: E, mut c: MatMut<'_, E>, f: Then<'_, E>) {
    if beta != E::ZERO && beta != E::ONE {
        c.rows_mut(|row| row.iter_mut().for_each(|x| *x *= beta));
    }
    let add = beta != E::ZERO;
    let (m, n, k) = (a.rows, b.cols, a.cols);
    let by_rows = b.col_stride == 1 || n == 1;
    if !by_rows && m <= n && a.col_stride == 1 && m > 1 {
        return turned(a, b, add, c, f);
    }
    let mut room_a = None;
    let left = left(&a, &mut room_a);
    let wide = n / READ * READ;
    let aliases = (b.row_stride * size_of::<E>()).is_multiple_of(ALIASING) && k > FEW;
    let mut panels = None;
    let (first, rest);
    if by_rows && wide > 0 && !(aliases && m > FEW) && k > 1 {
        // The last columns could not be read to the end of a register.
        first = Right { data: b.data, row: b.row_stride, panel: PANEL };
        rest = (wide < n).then(|| packed(b.block((0, k), (wide, n - wide)), &mut panels));
    } else {
        first = packed(b, &mut panels);
        rest = None;
    }
    let whole = if rest.is_some() { wide } else { n };
    let (block_m, block_n) = cut(m, whole, k, 2 * PANEL);
    let block_n = if block_n < whole { block_n.next_multiple_of(PANEL) } else { whole };
    let (down, across) = (m.div_ceil(block_m), whole.div_ceil(block_n));
    let target = Target { at: c.data.as_mut_ptr(), row_stride: c.row_stride };
    panels::check((m, whole, k), &left, &first);
    if let Some(rest) = &rest {
        panels::check((m, n - whole, k), &left, rest);
    }
    pieces(down * across, |i| {
        let (r, s) = (i / across * block_m, i % across * block_n);
        let (rows, mut cols) = (block_m.min(m - r), block_n.min(whole - s));
        // SAFETY: `MatMut::new` checked that all of c is inside its slice and that rows do not overlap; the block (r, s) with
        // `rows` and `cols` is inside c, and no two values of `i` share an element; a and b were checked whole.
        unsafe {
            let block = target.offset(r, s);
            multiply_at((rows, cols, k), left.below(r), first.right_of(s), block.at, block.row_stride, add);
            if let Some(rest) = rest.filter(|_| s + cols == whole) {
                let last = target.offset(r, whole);
                multiply_at((rows, n - whole, k), left.below(r), rest, last.at, last.row_stride, add);
                cols = n - s;
            }
            f(Block { start: block, rows, cols, first_col: s, life: PhantomData });
        }
    });
}

fn pieces(count: usize, piece: impl Fn(usize) + Sync) {
    if count > 1 && rayon::current_num_threads() > 1 {
        parallel::tasks(count, piece);
    } else {
        (0..count).for_each(piece);
    }
}

/// The matrix as it lies, if its rows or columns do and do not alias; a copy of it otherwise.
fn left<'a, E: Element>(a: &MatRef<'a, E>, copy: &'a mut Option<Buffer<E>>) -> Left<'a, E> {
    let (m, k) = (a.rows, a.cols);
    let aliases = (a.row_stride * size_of::<E>()).is_multiple_of(ALIASING) && m > 2 && k > 1;
    if (a.col_stride == 1 || k == 1) && !aliases {
        return Left { data: a.data, row: a.row_stride, by_columns: false };
    }
    if a.row_stride == 1 || m == 1 {
        return Left { data: a.data, row: a.col_stride, by_columns: true };
    }
    let row = k.next_multiple_of(READ) + READ;
    let row = if (row * size_of::<E>()).is_multiple_of(ALIASING) { row + READ } else { row };
    let room = copy.insert(Buffer::scratch(m * row)).as_mut_slice();
    parallel::row_blocks(room, row, k, |first, rows| {
        for (i, to) in rows.chunks_exact_mut(row).enumerate() {
            match a.row(first + i) {
                Some(from) => to[..k].copy_from_slice(from),
                None => to.iter_mut().zip(a.row_iter(first + i)).for_each(|(to, x)| *to = x),
            }
        }
    });
    Left { data: room, row, by_columns: false }
}

fn packed<'a, E: Element>(b: MatRef<'_, E>, to: &'a mut Option<Buffer<E>>) -> Right<'a, E> {
    let room = to.insert(Buffer::scratch(room(b.rows, b.cols))).as_mut_slice();
    pack(b, room);
    Right { data: room, row: PANEL, panel: b.rows * PANEL }
}

/// The product of a right side whose columns lie one after the other: `c^T = b^T a^T`, of which blocks are turned.
fn turned<E: Element>(a: MatRef<'_, E>, b: MatRef<'_, E>, add: bool, c: MatMut<'_, E>, f: Then<'_, E>) {
    let (m, n, k) = (a.rows, b.cols, a.cols);
    let (mut panels, mut copy) = (None, None);
    let right = packed(a.t(), &mut panels);
    let b = b.t();
    let left = left(&b, &mut copy);
    panels::check((n, m, k), &left, &right);
    // Columns of the result for a task: at least as many as are turned at once.
    let wanted = (m * n * k / super::PIECE_WORK).clamp(1, super::MOST_PIECES);
    let columns = n.div_ceil(wanted).next_multiple_of(TURNED);
    let target = Target { at: c.data.as_mut_ptr(), row_stride: c.row_stride };
    pieces(n.div_ceil(columns), |i| {
        let (from, to) = (i * columns, ((i + 1) * columns).min(n));
        let mut sums = Buffer::scratch(TURNED * PANEL);
        let sums = sums.as_mut_slice();
        for row in (0..m).step_by(PANEL) {
            let rows = PANEL.min(m - row);
            for column in (from..to).step_by(TURNED) {
                let columns = TURNED.min(to - column);
                // SAFETY: the sides were checked whole; the room has TURNED rows of PANEL; the rows and columns of c are inside it
                // and belong to this task.
                unsafe {
                    let (left, right) = (left.below(column), right.right_of(row));
                    multiply_at((columns, rows, k), left, right, sums.as_mut_ptr(), PANEL, false);
                    let block = target.offset(row, column);
                    let block = Block { start: block, rows, cols: columns, first_col: column, life: PhantomData };
                    dispatch(Turn { sums, block, add });
                }
            }
        }
        // SAFETY: as above.
        let start = unsafe { target.offset(0, from) };
        f(Block { start, rows: m, cols: to - from, first_col: from, life: PhantomData });
    });
}

/// `block[i][j] = sums[j][i]`, or plus what is there.
struct Turn<'a, E> {
    sums: &'a [E],
    block: Block<'a, E>,
    add: bool,
}

impl<E: Element> Kernel for Turn<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        const SIDE: usize = transpose::BLOCK;
        let Self { sums, block, add } = self;
        let cols = block.cols;
        let mut eight = [E::ZERO; SIDE * TURNED];
        let mut i = 0;
        block.for_each_row(
            #[inline(always)]
            |row| {
                if i % SIDE == 0 {
                    for j in (0..cols.next_multiple_of(SIDE)).step_by(SIDE) {
                        transpose::block::<E, I>(&sums[j * PANEL + i..], PANEL, &mut eight[j..], TURNED);
                    }
                }
                let sums = &eight[i % SIDE * TURNED..][..cols];
                if add {
                    row.iter_mut().zip(sums).for_each(|(to, &sum)| *to += sum);
                } else {
                    row.iter_mut().zip(sums).for_each(|(to, &sum)| *to = sum);
                }
                i += 1;
            },
        );
    }
}
