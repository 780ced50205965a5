//! A product whose factors may be rounded to bfloat16.

use super::{Block, MatMut, MatRef, Target, Then, gemm_here};
use crate::kernels::amx::product::{BLOCK, Packed, blocks, pays};
use crate::kernels::amx::{single, single_mut};
use crate::{Element, parallel};
use std::marker::PhantomData;

/// Rows and columns of the result of which a task makes the sums.
const TASK: usize = 4 * BLOCK;

/// [`super::gemm_then`], its factors rounded to bfloat16 if `narrow` says so and the sizes are worth it.
///
/// # Panics
/// If the sizes do not fit.
#[track_caller]
pub(crate) fn product_then<E: Element>(
    narrow: bool,
    a: MatRef<'_, E>,
    b: MatRef<'_, E>,
    beta: E,
    c: MatMut<'_, E>,
    f: impl Fn(Block<'_, E>) + Sync,
) {
    E::product_then(narrow, a, b, beta, c, &f);
}

/// [`product_then`], where it is compiled.
#[track_caller]
pub(in crate::kernels) fn product_here<E: Element>(
    narrow: bool,
    a: MatRef<'_, E>,
    b: MatRef<'_, E>,
    beta: E,
    c: MatMut<'_, E>,
    f: Then<'_, E>,
) {
    let (m, n, k) = (a.rows, b.cols, a.cols);
    let fits = k == b.rows && m == c.rows && n == c.cols;
    match (in_single(a), in_single(b)) {
        (Some(a), Some(b)) if narrow && fits && pays(m, n, k) => in_blocks(a, b, beta, c, f),
        _ => gemm_here(a, b, beta, c, f),
    }
}

fn in_single<E: Element>(m: MatRef<'_, E>) -> Option<MatRef<'_, f32>> {
    let MatRef { data, rows, cols, row_stride, col_stride } = m;
    Some(MatRef { data: single(data)?, rows, cols, row_stride, col_stride })
}

fn in_blocks<E: Element>(a: MatRef<'_, f32>, b: MatRef<'_, f32>, beta: E, c: MatMut<'_, E>, f: Then<'_, E>) {
    let (left, right) = (Packed::left(a), Packed::right(b));
    let (down, across) = (a.rows.div_ceil(TASK), b.cols.div_ceil(TASK));
    let target = Target { at: c.data.as_mut_ptr(), row_stride: c.row_stride };
    let (beta, add) = (beta.to_f64() as f32, beta != E::ZERO);
    let task = |i: usize| {
        let (r, s) = (i / across * TASK, i % across * TASK);
        let (rows, cols) = ((a.rows - r).min(TASK), (b.cols - s).min(TASK));
        blocks(&left, &right, r..r + rows, s..s + cols, |row, column, sums| {
            let (rows, cols) = ((a.rows - row).min(BLOCK), (b.cols - column).min(BLOCK));
            for (i, sums) in sums.chunks_exact(BLOCK).take(rows).enumerate() {
                // SAFETY: `MatMut::new` checked that all of c is inside its slice and that rows do not overlap; row `row + i` and the
                // columns from `column` on are inside it, and belong to this task alone.
                let c = unsafe { std::slice::from_raw_parts_mut(target.offset(row + i, column).at, cols) };
                let Some(c) = single_mut(c) else { unreachable!("the factors are f32") };
                c.iter_mut().zip(sums).for_each(|(c, &sum)| *c = if add { sum + beta * *c } else { sum });
            }
        });
        // SAFETY: as above; no other task touches these rows and columns.
        let start = unsafe { target.offset(r, s) };
        f(Block { start, rows, cols, first_col: s, life: PhantomData });
    };
    if down * across > 1 && rayon::current_num_threads() > 1 {
        parallel::tasks(down * across, task);
    } else {
        (0..down * across).for_each(task);
    }
}
