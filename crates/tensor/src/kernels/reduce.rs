//! Many elements to one, in a fixed order: along rows and down columns.

use super::lanes::{BLOCK, GROUP, LANES, Pairwise, fold};
use crate::Element;
use crate::buffer::Buffer;
use crate::parallel::{self, PIECE, pays};
use crate::simd::{Baseline, Isa, Kernel, dispatch};

/// How a reduction sees an element and joins two results. Mark the functions `#[inline(always)]`.
pub trait Reduction<E>: Copy + Send + Sync {
    /// Whether what an element counts takes long to compute: then elements are not taken many at once.
    const HEAVY: bool = false;
    /// What nothing reduces to.
    fn start(self) -> E;
    /// An element that counts nothing; asked for only where the lift is heavy.
    fn nothing(self) -> E {
        self.start()
    }
    /// What one element counts.
    fn lift<I: Isa>(self, x: E) -> E;
    /// Two results as one.
    fn join<I: Isa>(self, a: E, b: E) -> E;
}

macro_rules! reductions {
    ($($(#[$doc:meta])* $name:ident $start:expr, |$x:ident| $lift:expr, |$a:ident, $b:ident| $join:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name;
        impl<E: Element> Reduction<E> for $name {
            #[inline(always)]
            fn start(self) -> E {
                $start
            }
            #[inline(always)]
            fn lift<I: Isa>(self, $x: E) -> E {
                $lift
            }
            #[inline(always)]
            fn join<I: Isa>(self, $a: E, $b: E) -> E {
                $join
            }
        }
    )*};
}

reductions! {
    /// The sum.
    Sum E::ZERO, |x| x, |a, b| a + b;
    /// The sum of squares.
    SumSquares E::ZERO, |x| x * x, |a, b| a + b;
    /// The product.
    Product E::ONE, |x| x, |a, b| a * b;
    /// 0 if every element is finite, NaN otherwise.
    Finite E::ZERO, |x| x * E::ZERO, |a, b| a + b;
    /// The largest; NaN if there is one.
    Max E::NEG_INFINITY, |x| x, |a, b| if a > b || a.is_nan() { a } else { b };
    /// The smallest; NaN if there is one.
    Min E::INFINITY, |x| x, |a, b| if a < b || a.is_nan() { a } else { b };
    /// The largest absolute value; NaN if there is one.
    MaxAbs E::ZERO, |x| x.abs(), |a, b| if a > b || a.is_nan() { a } else { b };
}

/// The sum of `e^(x - c)`.
#[derive(Clone, Copy, Debug)]
pub struct SumExp<E>(pub E);
impl<E: Element> Reduction<E> for SumExp<E> {
    const HEAVY: bool = true;
    #[inline(always)]
    fn start(self) -> E {
        E::ZERO
    }
    #[inline(always)]
    fn nothing(self) -> E {
        E::NEG_INFINITY
    }
    #[inline(always)]
    fn lift<I: Isa>(self, x: E) -> E {
        (x - self.0).v_exp::<I>()
    }
    #[inline(always)]
    fn join<I: Isa>(self, a: E, b: E) -> E {
        a + b
    }
}

/// The sum of `x - c`.
#[derive(Clone, Copy, Debug)]
pub(super) struct SumAbout<E>(pub(super) E);
impl<E: Element> Reduction<E> for SumAbout<E> {
    #[inline(always)]
    fn start(self) -> E {
        E::ZERO
    }
    #[inline(always)]
    fn lift<I: Isa>(self, x: E) -> E {
        x - self.0
    }
    #[inline(always)]
    fn join<I: Isa>(self, a: E, b: E) -> E {
        a + b
    }
}

/// The sum of `(x - c)^2`.
#[derive(Clone, Copy, Debug)]
pub(super) struct SumSquaresAbout<E>(pub(super) E);
impl<E: Element> Reduction<E> for SumSquaresAbout<E> {
    #[inline(always)]
    fn start(self) -> E {
        E::ZERO
    }
    #[inline(always)]
    fn lift<I: Isa>(self, x: E) -> E {
        let d = x - self.0;
        d * d
    }
    #[inline(always)]
    fn join<I: Isa>(self, a: E, b: E) -> E {
        a + b
    }
}

/// The same joins over results that were lifted before.
#[derive(Clone, Copy, Debug)]
pub struct Joined<R>(pub R);
impl<E: Element, R: Reduction<E>> Reduction<E> for Joined<R> {
    #[inline(always)]
    fn start(self) -> E {
        self.0.start()
    }
    #[inline(always)]
    fn lift<I: Isa>(self, x: E) -> E {
        x
    }
    #[inline(always)]
    fn join<I: Isa>(self, a: E, b: E) -> E {
        self.0.join::<I>(a, b)
    }
}

/// One row to one value; for use inside kernels.
#[inline(always)]
pub fn row<E: Element, I: Isa, R: Reduction<E>>(op: R, x: &[E]) -> E {
    if x.len() <= BLOCK {
        return block::<E, I, R>(op, x);
    }
    let mut total = Pairwise::new(op.start());
    for part in x.chunks(BLOCK) {
        total.push(block::<E, I, R>(op, part), |a, b| op.join::<I>(a, b));
    }
    total.finish(op.start(), |a, b| op.join::<I>(a, b))
}

#[inline(always)]
fn block<E: Element, I: Isa, R: Reduction<E>>(op: R, x: &[E]) -> E {
    let mut lanes = [op.start(); LANES];
    if R::HEAVY {
        let (runs, tail) = x.as_chunks::<LANES>();
        for run in runs {
            for l in 0..LANES {
                lanes[l] = op.join::<I>(lanes[l], op.lift::<I>(run[l]));
            }
        }
        if !tail.is_empty() {
            // Filled up, so that the last few are vector code as well.
            let mut run = [op.nothing(); LANES];
            run[..tail.len()].copy_from_slice(tail);
            for l in 0..LANES {
                lanes[l] = op.join::<I>(lanes[l], op.lift::<I>(run[l]));
            }
        }
        return fold(lanes, |a, b| op.join::<I>(a, b));
    }
    if x.len() < LANES / 2 {
        return x.iter().fold(op.start(), |a, &x| op.join::<I>(a, op.lift::<I>(x)));
    }
    let (groups, rest) = x.as_chunks::<{ GROUP * LANES }>();
    for group in groups {
        for (l, lane) in lanes.iter_mut().enumerate() {
            let two = |i: usize| {
                let (a, b) = (group[i * LANES + l], group[(i + 1) * LANES + l]);
                op.join::<I>(op.lift::<I>(a), op.lift::<I>(b))
            };
            let low = op.join::<I>(two(0), two(2));
            let high = op.join::<I>(two(4), two(6));
            *lane = op.join::<I>(*lane, op.join::<I>(low, high));
        }
    }
    let (runs, tail) = rest.as_chunks::<LANES>();
    for run in runs {
        for l in 0..LANES {
            lanes[l] = op.join::<I>(lanes[l], op.lift::<I>(run[l]));
        }
    }
    for (lane, &x) in lanes.iter_mut().zip(tail) {
        *lane = op.join::<I>(*lane, op.lift::<I>(x));
    }
    fold(lanes, |a, b| op.join::<I>(a, b))
}

struct Rows<'a, E, R> {
    op: R,
    x: &'a [E],
    n: usize,
    out: &'a mut [E],
}

impl<E: Element, R: Reduction<E>> Kernel for Rows<'_, E, R> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        for (o, x) in self.out.iter_mut().zip(self.x.chunks_exact(self.n)) {
            *o = row::<E, I, R>(self.op, x);
        }
    }
}

/// `out[r]` is the reduction of row `r` of `x`, whose rows have `n` elements.
pub fn rows<E: Element, R: Reduction<E>>(op: R, x: &[E], n: usize, out: &mut [E]) {
    if n == 0 {
        return out.fill(op.start());
    }
    debug_assert_eq!(x.len(), n * out.len());
    if n < 2 * PIECE {
        return parallel::row_blocks(out, 1, n, |first, out| {
            dispatch(Rows { op, x: &x[first * n..(first + out.len()) * n], n, out });
        });
    }
    for (o, x) in out.iter_mut().zip(x.chunks_exact(n)) {
        // A piece is 2^5 blocks, so that pieces joined in pairs are what one walk over all blocks gives.
        let mut parts = vec![op.start(); n.div_ceil(PIECE)];
        parallel::chunks_if(pays(n), &mut parts, 1, |i, out| {
            let x = &x[i * PIECE..n.min((i + 1) * PIECE)];
            dispatch(Rows { op, x, n: x.len(), out });
        });
        *o = in_pairs(op, &parts);
    }
}

/// Results of parts as one. Joins are plain arithmetic, the same on every instruction set.
fn in_pairs<E: Element, R: Reduction<E>>(op: R, parts: &[E]) -> E {
    let join = |a, b| op.join::<Baseline>(a, b);
    let mut total = Pairwise::new(op.start());
    parts.iter().for_each(|&part| total.push(part, join));
    total.finish(op.start(), join)
}

/// Columns that are reduced at once; a row of partial results fits the first cache.
const COLUMNS: usize = 1024;
/// Rows of fewer elements than this are joined into longer ones, to fill the lanes.
const NARROW: usize = 32;

/// Rows in one block; blocks are reduced apart and then joined in pairs.
fn block_rows(cols: usize) -> usize {
    (2 * PIECE / cols.min(COLUMNS)).clamp(64, 1024)
}

/// `out[o][c]` is the reduction of `x[o][0..rows][c]`, for every `o`.
pub fn columns<E: Element, R: Reduction<E>>(op: R, x: &[E], (rows, cols): (usize, usize), out: &mut [E]) {
    if cols == 1 {
        return self::rows(op, x, rows, out);
    }
    if rows == 0 || out.is_empty() {
        return out.fill(op.start());
    }
    debug_assert_eq!(x.len(), out.len() * rows);
    let together = (PIECE / (rows * cols)).max(1);
    parallel::chunks_if(out.len() > cols && pays(x.len()), out, together * cols, |i, some| {
        for (o, out) in some.chunks_mut(cols).enumerate() {
            matrix_columns(op, &x[(i * together + o) * rows * cols..][..rows * cols], cols, out);
        }
    });
}

fn matrix_columns<E: Element, R: Reduction<E>>(op: R, x: &[E], cols: usize, out: &mut [E]) {
    let (rows, height) = (x.len() / cols, block_rows(cols));
    let blocks = rows.div_ceil(height);
    if blocks == 1 {
        return row_block(op, x, cols, out);
    }
    let mut buffer = Buffer::scratch(blocks * cols);
    let parts = buffer.as_mut_slice();
    parallel::chunks_if(pays(x.len()), parts, cols, |i, part| {
        row_block(op, &x[i * height * cols..rows.min((i + 1) * height) * cols], cols, part);
    });
    let mut step = 1;
    while step < blocks {
        for pair in parts.chunks_mut(2 * step * cols) {
            if pair.len() > step * cols {
                let (a, b) = pair.split_at_mut(step * cols);
                for (a, &b) in a[..cols].iter_mut().zip(&b[..cols]) {
                    *a = op.join::<Baseline>(*a, b);
                }
            }
        }
        step *= 2;
    }
    out.copy_from_slice(&parts[..cols]);
}

/// The columns of one block of rows; wide rows are cut, for the threads and for the cache.
fn row_block<E: Element, R: Reduction<E>>(op: R, x: &[E], cols: usize, out: &mut [E]) {
    parallel::chunks_if(pays(x.len()), out, COLUMNS, |i, out| {
        dispatch(Columns { op, x, cols, first: i * COLUMNS, out });
    });
}

struct Columns<'a, E, R> {
    op: R,
    x: &'a [E],
    cols: usize,
    first: usize,
    out: &'a mut [E],
}

impl<E: Element, R: Reduction<E>> Kernel for Columns<'_, E, R> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let Columns { op, x, cols, first, out } = self;
        if cols < NARROW && x.len() >= 4 * NARROW {
            return narrow::<E, I, R>(op, x, cols, out);
        }
        out.fill(op.start());
        let n = out.len();
        let mut groups = x.chunks_exact(4 * cols);
        for group in &mut groups {
            let row = |i: usize| &group[i * cols + first..][..n];
            let (r0, r1, r2, r3) = (row(0), row(1), row(2), row(3));
            for j in 0..n {
                let low = op.join::<I>(op.lift::<I>(r0[j]), op.lift::<I>(r1[j]));
                let high = op.join::<I>(op.lift::<I>(r2[j]), op.lift::<I>(r3[j]));
                out[j] = op.join::<I>(out[j], op.join::<I>(low, high));
            }
        }
        for row in groups.remainder().chunks_exact(cols) {
            for (o, &x) in out.iter_mut().zip(&row[first..first + n]) {
                *o = op.join::<I>(*o, op.lift::<I>(x));
            }
        }
    }
}

/// As many rows as fit 64 lanes are walked as one.
#[inline(always)]
fn narrow<E: Element, I: Isa, R: Reduction<E>>(op: R, x: &[E], cols: usize, out: &mut [E]) {
    let mut lanes = [op.start(); 2 * NARROW];
    let wide = 2 * NARROW / cols * cols;
    let lanes = &mut lanes[..wide];
    for long in x.chunks(wide) {
        for (lane, &x) in lanes.iter_mut().zip(long) {
            *lane = op.join::<I>(*lane, op.lift::<I>(x));
        }
    }
    out.fill(op.start());
    for row in lanes.chunks_exact(cols) {
        for (o, &x) in out.iter_mut().zip(row) {
            *o = op.join::<I>(*o, x);
        }
    }
}

struct Moments<'a, E> {
    x: &'a [E],
    n: usize,
    out: &'a mut [E],
}

impl<E: Element> Kernel for Moments<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let count = E::from_usize(self.n);
        for (pair, x) in self.out.chunks_exact_mut(2).zip(self.x.chunks_exact(self.n)) {
            let mean = row::<E, I, _>(Sum, x) / count;
            // The mean is rounded; what is left of the deviations corrects both moments.
            let left = row::<E, I, _>(SumAbout(mean), x);
            let squares = row::<E, I, _>(SumSquaresAbout(mean), x);
            pair[0] = mean + left / count;
            pair[1] = squares - left * left / count;
        }
    }
}

/// For every row of `n` elements a pair in `out`: the mean, and the sum of the squared deviations from it.
///
/// Two passes over each row, so that a mean that is large beside the deviations does no harm.
pub fn row_moments<E: Element>(x: &[E], n: usize, out: &mut [E]) {
    E::row_moments(x, n, out);
}

/// [`row_moments`], where it is compiled.
pub(super) fn row_moments_here<E: Element>(x: &[E], n: usize, out: &mut [E]) {
    if n == 0 {
        return out.fill(E::NAN);
    }
    parallel::row_blocks(out, 2, n, |first, out| {
        let count = out.len() / 2;
        dispatch(Moments { x: &x[first * n..(first + count) * n], n, out });
    });
}

struct ArgRows<'a, E, R> {
    op: R,
    x: &'a [E],
    n: usize,
    out: &'a mut [usize],
}

impl<E: Element, R: Reduction<E>> Kernel for ArgRows<'_, E, R> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        for (o, x) in self.out.iter_mut().zip(self.x.chunks_exact(self.n)) {
            let best = row::<E, I, R>(self.op, x);
            let is_it = |x: E| x == best || x.is_nan();
            // Whole runs are looked at without branches; only the one that has it is searched.
            let run = x.chunks(2 * LANES).position(|run| run.iter().fold(false, |any, &x| any | is_it(x)));
            let from = run.unwrap_or(0) * 2 * LANES;
            *o = from + x[from..].iter().position(|&x| is_it(x)).unwrap_or(0);
        }
    }
}

/// Where in each row of `n` elements the value lies that the reduction (`Max` or `Min`) picks: the first of them, and
/// the first NaN if there is one.
pub fn arg_rows<E: Element, R: Reduction<E>>(op: R, x: &[E], n: usize, out: &mut [usize]) {
    parallel::row_blocks(out, 1, n, |first, out| {
        dispatch(ArgRows { op, x: &x[first * n..(first + out.len()) * n], n, out });
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rng;

    fn randn(n: usize) -> Vec<f32> {
        let mut v = vec![0.0; n];
        Rng::new(n as u64).fill_normal(&mut v, 1.0, 1.0);
        v
    }

    fn exact(x: impl Iterator<Item = f32>) -> f64 {
        x.map(f64::from).sum()
    }

    #[test]
    fn rows_of_every_length_agree_with_a_sum_in_f64() {
        for n in [0, 1, 5, 15, 16, 31, 32, 33, 100, 1024, 1025, 5000, 70_000, 200_001] {
            let x = randn(3 * n);
            let mut out = [f32::NAN; 3];
            rows(Sum, &x, n, &mut out);
            for (r, &o) in out.iter().enumerate() {
                let expected = exact(x[r * n..(r + 1) * n].iter().copied());
                assert!((f64::from(o) - expected).abs() <= 1e-6 * n as f64, "{n}: {o} instead of {expected}");
            }
        }
    }

    #[test]
    fn columns_of_every_shape_agree_with_a_sum_in_f64() {
        for (outer, n, cols) in
            [(1, 1, 1), (2, 7, 10), (1, 5000, 10), (3, 130, 31), (2, 65, 33), (1, 300, 1500), (5, 0, 4)]
        {
            let x = randn(outer * n * cols);
            let mut out = vec![f32::NAN; outer * cols];
            columns(Sum, &x, (n, cols), &mut out);
            for (i, &o) in out.iter().enumerate() {
                let (b, c) = (i / cols, i % cols);
                let expected = exact((0..n).map(|r| x[(b * n + r) * cols + c]));
                assert!((f64::from(o) - expected).abs() <= 1e-6 * n as f64, "{n} x {cols}: {o} not {expected}");
            }
        }
    }

    #[test]
    fn threads_and_pieces_change_nothing() {
        let x = randn(300_000);
        let all = |threads| {
            parallel::with_threads(threads, || {
                let (mut row_sums, mut column_sums) = (vec![0.0; 1], vec![0.0; 30]);
                rows(Sum, &x, 300_000, &mut row_sums);
                columns(Sum, &x, (10_000, 30), &mut column_sums);
                [row_sums, column_sums].concat()
            })
        };
        assert_eq!(all(1), all(3));
        // One walk over all blocks joins them in the same pairs as pieces do.
        let mut whole = [0.0];
        dispatch(Rows { op: Sum, x: &x, n: x.len(), out: &mut whole });
        assert_eq!(whole[0], all(2)[0]);
    }

    #[test]
    fn moments_stand_a_large_mean() {
        let x: Vec<f32> = (0..10_000).map(|i| 1e6 + (i % 7) as f32).collect();
        let mut out = [0.0; 2];
        row_moments(&x, x.len(), &mut out);
        let n = x.len() as f64;
        let mean = exact(x.iter().copied()) / n;
        let squares: f64 = x.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum();
        assert!((f64::from(out[0]) / mean - 1.0).abs() < 1e-7);
        assert!((f64::from(out[1]) / squares - 1.0).abs() < 1e-5, "{} instead of {squares}", out[1]);
    }

    #[test]
    fn nan_wins_wherever_it_is() {
        for n in [3, 20, 100] {
            for at in [0, n / 2, n - 1] {
                let mut x = randn(n);
                x[at] = f32::NAN;
                let mut out = [0.0; 2];
                rows(Max, &x, n, &mut out[..1]);
                rows(Min, &x, n, &mut out[1..]);
                assert!(out[0].is_nan() && out[1].is_nan());
                let mut place = [0];
                arg_rows(Max, &x, n, &mut place);
                assert_eq!(place, [at]);
            }
        }
    }
}
