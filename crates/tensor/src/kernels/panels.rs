//! Matrix products from a right-hand side that lies ready: as rows of neighbouring columns, most often in panels of 32.
//!
//! A general product first brings its operands into such an order. Where one of them is used many times (the points of
//! a convolution's weight, a network's weights at test time), it is brought there once.

mod tiles;

pub(super) use tiles::Tiled;

use super::gemm::MatRef;
use super::transpose::{BLOCK, block};
use crate::simd::{Isa, Kernel, dispatch};
use crate::{Element, parallel};

/// Columns of a panel.
pub(super) const PANEL: usize = 32;
/// Rows of the right-hand side may be read up to the next multiple of this many columns.
pub(super) const READ: usize = 16;
/// Length of a sum that is kept in registers; a longer one is made of several.
const DEEP: usize = 512;

/// Elements that the panels of a k x n matrix take.
pub(super) fn room(k: usize, n: usize) -> usize {
    n.div_ceil(PANEL) * PANEL * k
}

/// Lays a k x n matrix out in panels: `[n / 32][k][32]`, with zeros after its last column.
///
/// # Panics
/// If the room is not [`room`].
pub(super) fn pack<E: Element>(b: MatRef<'_, E>, panels: &mut [E]) {
    let (k, n) = (b.rows(), b.cols());
    assert!(panels.len() == room(k, n), "panels: room for {} elements of {k} x {n}", panels.len());
    if k == 0 {
        return;
    }
    let pays = parallel::pays(panels.len());
    parallel::chunks_if(pays, panels, k * PANEL, |p, panel| {
        let first = p * PANEL;
        let some = PANEL.min(n - first);
        if let Some(row) = b.row(0).map(<[E]>::len) {
            debug_assert_eq!(row, n);
            for (i, to) in panel.chunks_exact_mut(PANEL).enumerate() {
                let from = b.row(i).unwrap_or(&[]);
                to[..some].copy_from_slice(&from[first..first + some]);
                to[some..].fill(E::ZERO);
            }
            return;
        }
        if some < PANEL {
            panel.fill(E::ZERO);
        }
        dispatch(Columns { b, first, some, panel });
    });
}

/// Some columns of a matrix whose rows do not lie one after the other, into their panel.
struct Columns<'a, E> {
    b: MatRef<'a, E>,
    first: usize,
    some: usize,
    panel: &'a mut [E],
}

impl<E: Element> Kernel for Columns<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let Self { b, first, some, panel } = self;
        let columns = b.t();
        let (k, mut turned, mut deep) = (b.rows(), 0, 0);
        if let Some((lines, row)) = columns.lines(first, some) {
            (turned, deep) = (some / BLOCK * BLOCK, k / BLOCK * BLOCK);
            for j in (0..turned).step_by(BLOCK) {
                for p in (0..deep).step_by(BLOCK) {
                    block::<E, I>(&lines[j * row + p..], row, &mut panel[p * PANEL + j..], PANEL);
                }
            }
        }
        for j in 0..some {
            let done = if j < turned { deep } else { 0 };
            match columns.row(first + j) {
                Some(column) => column.iter().enumerate().skip(done).for_each(|(i, &x)| panel[i * PANEL + j] = x),
                None => columns.row_iter(first + j).enumerate().for_each(|(i, x)| panel[i * PANEL + j] = x),
            }
        }
    }
}

/// The left-hand side: element (i, p) is `data[i * row + p]`, or `data[p * row + i]` if it lies by columns.
#[derive(Clone, Copy)]
pub(super) struct Left<'a, E> {
    pub(super) data: &'a [E],
    pub(super) row: usize,
    pub(super) by_columns: bool,
}

/// The right-hand side: element (p, j) is `data[j / 32 * panel + p * row + j % 32]`.
///
/// Panels have `row` 32; a matrix whose rows lie one after the other has `panel` 32 and its own `row`.
#[derive(Clone, Copy)]
pub(super) struct Right<'a, E> {
    pub(super) data: &'a [E],
    pub(super) row: usize,
    pub(super) panel: usize,
}

impl<E> Left<'_, E> {
    /// The rows from one on.
    pub(super) fn below(self, row: usize) -> Self {
        Self { data: &self.data[row * if self.by_columns { 1 } else { self.row }..], ..self }
    }
}

impl<E> Right<'_, E> {
    /// The columns from one on that begins a panel.
    pub(super) fn right_of(self, column: usize) -> Self {
        debug_assert!(column.is_multiple_of(PANEL));
        Self { data: &self.data[column / PANEL * self.panel..], ..self }
    }
}

/// The result: element (i, j) is `data[i * row + j]`.
pub(super) struct Out<'a, E> {
    pub(super) data: &'a mut [E],
    pub(super) row: usize,
}

/// `c = a b` for a of m x k and b of k x n, or `c += a b`; on the caller's thread.
///
/// Every element is summed in the order of k, whatever m and n are.
///
/// # Panics
/// If a slice is too short.
pub(super) fn multiply<E: Element>(
    (m, n, k): (usize, usize, usize),
    a: Left<'_, E>,
    b: Right<'_, E>,
    c: Out<'_, E>,
    add: bool,
) {
    if m == 0 || n == 0 {
        return;
    }
    let fits = (m - 1) * c.row + n <= c.data.len() && (m == 1 || n <= c.row);
    assert!(fits, "panels: a result of {m} x {n} is outside its slice");
    check((m, n, k), &a, &b);
    // SAFETY: checked just now.
    unsafe { multiply_at((m, n, k), a, b, c.data.as_mut_ptr(), c.row, add) };
}

/// `c = sum over i of a[i] b[i]`, where a[i] are the columns of a from `i k` on, k of them, and b[i] starts at `starts[i]` of b; on the
/// caller's thread.
///
/// As [`multiply`] of each part, but the sums stay in registers from part to part.
///
/// # Panics
/// If a slice is too short.
pub(super) fn multiply_parts<E: Element>(
    (m, n, k): (usize, usize, usize),
    a: Left<'_, E>,
    (b, starts): (Right<'_, E>, &[usize]),
    c: Out<'_, E>,
) {
    if m == 0 || n == 0 {
        return;
    }
    let part = |first: usize| Left { data: &a.data[first * k * if a.by_columns { a.row } else { 1 }..], ..a };
    let together = (DEEP / k.max(1)).max(1);
    if k == 0 || starts.len() < 2 || together < 2 {
        if starts.is_empty() {
            return multiply((m, n, 0), a, b, c, false);
        }
        for (i, &start) in starts.iter().enumerate() {
            let b = Right { data: &b.data[start..], ..b };
            multiply((m, n, k), part(i), b, Out { data: &mut *c.data, row: c.row }, i > 0);
        }
        return;
    }
    let fits = (m - 1) * c.row + n <= c.data.len() && (m == 1 || n <= c.row);
    assert!(fits, "panels: a result of {m} x {n} is outside its slice");
    for (i, &start) in starts.iter().enumerate() {
        check((m, n, k), &part(i), &Right { data: &b.data[start..], ..b });
    }
    for (i, starts) in starts.chunks(together).enumerate() {
        // SAFETY: all parts were checked just now.
        unsafe { tiles::tiles((m, n, k), part(i * together), (b, starts), c.data.as_mut_ptr(), c.row, i > 0) };
    }
}

/// # Panics
/// If a slice is too short for a product that is not empty.
pub(super) fn check<E>((m, n, k): (usize, usize, usize), a: &Left<'_, E>, b: &Right<'_, E>) {
    if k == 0 {
        return;
    }
    let (rows, long) = if a.by_columns { (k, m) } else { (m, k) };
    assert!((rows - 1) * a.row + long <= a.data.len(), "panels: a left side of {m} x {k} is outside its slice");
    let last = (n - 1) / PANEL;
    let end = last * b.panel + (k - 1) * b.row + (n - last * PANEL).next_multiple_of(READ);
    assert!(end <= b.data.len(), "panels: a right side of {k} x {n} is outside its slice");
}

/// [`multiply`] without its checks.
///
/// # Safety
/// The operands pass [`check`], and `c` points at m rows of n elements, `row` apart, that nothing else uses meanwhile.
pub(super) unsafe fn multiply_at<E: Element>(
    (m, n, k): (usize, usize, usize),
    a: Left<'_, E>,
    b: Right<'_, E>,
    c: *mut E,
    row: usize,
    add: bool,
) {
    if k == 0 && !add {
        for i in 0..m {
            // SAFETY: the caller's promise.
            unsafe { std::slice::from_raw_parts_mut(c.add(i * row), n) }.fill(E::ZERO);
        }
    }
    for first in (0..k).step_by(DEEP) {
        let deep = DEEP.min(k - first);
        let skip = first * if a.by_columns { a.row } else { 1 };
        let a = Left { data: &a.data[skip..], ..a };
        let b = Right { data: &b.data[first * b.row..], ..b };
        // SAFETY: the caller's promise; the parts of the sums are inside the whole.
        unsafe { tiles::tiles((m, n, deep), a, (b, &[0]), c, row, add || first > 0) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rng;

    fn random<E: Element>(n: usize, rng: &mut Rng) -> Vec<E> {
        let mut v = vec![E::ZERO; n];
        rng.fill_normal(&mut v, 0.0, 1.0);
        v
    }

    fn check<E: Element>((m, n, k): (usize, usize, usize), tolerance: f64) {
        let mut rng = Rng::new((m * 31 + n * 7 + k) as u64);
        let (a, b): (Vec<E>, Vec<E>) = (random(m * k, &mut rng), random(k * n, &mut rng));
        let expected: Vec<f64> = (0..m * n)
            .map(|at| (0..k).map(|p| a[at / n * k + p].to_f64() * b[p * n + at % n].to_f64()).sum())
            .collect();
        let by_columns: Vec<E> = (0..k * m).map(|at| a[at % m * k + at / m]).collect();
        let transposed: Vec<E> = (0..k * n).map(|at| b[at % k * n + at / k]).collect();
        let mut panels = vec![E::NAN; room(k, n)];
        let mut other = panels.clone();
        pack(MatRef::row_major(&b, k, n), &mut panels);
        pack(MatRef::row_major(&transposed, n, k).t(), &mut other);
        assert!(panels == other);
        let wide = n.next_multiple_of(READ);
        let mut raw = vec![E::NAN; k * wide];
        raw.chunks_exact_mut(wide).zip(b.chunks_exact(n)).for_each(|(to, b)| to[..n].copy_from_slice(b));
        let rights =
            [Right { data: &panels, row: PANEL, panel: k * PANEL }, Right { data: &raw, row: wide, panel: PANEL }];
        let lefts =
            [Left { data: &a, row: k, by_columns: false }, Left { data: &by_columns, row: m, by_columns: true }];
        let mut first: Option<Vec<E>> = None;
        for (right, left) in rights.into_iter().flat_map(|r| lefts.map(|l| (r, l))) {
            let mut c = vec![E::NAN; m * (n + 3)];
            multiply((m, n, k), left, right, Out { data: &mut c, row: n + 3 }, false);
            for (i, &c) in c.iter().enumerate() {
                let (i, j) = (i / (n + 3), i % (n + 3));
                assert!(j < n || c.is_nan(), "{m} x {n} x {k}: a gap was written");
                let error = if j < n { (c.to_f64() - expected[i * n + j]).abs() / (k as f64).sqrt() } else { 0.0 };
                assert!(error < tolerance, "{m} x {n} x {k} at {i}, {j}: {c} instead of {}", expected[i * n + j]);
            }
            let found: Vec<E> = c.chunks_exact(n + 3).flat_map(|row| &row[..n]).copied().collect();
            multiply((m, n, k), left, right, Out { data: &mut c, row: n + 3 }, true);
            for (twice, &once) in c.chunks_exact(n + 3).flat_map(|row| &row[..n]).zip(&found) {
                let error = (twice.to_f64() - 2.0 * once.to_f64()).abs() / (k as f64).sqrt();
                assert!(error < tolerance, "{m} x {n} x {k}: {twice} is not twice {once}");
            }
            // However the operands lie, the sums are the same.
            assert!(*first.get_or_insert_with(|| found.clone()) == found);
        }
    }

    #[test]
    fn every_size_and_order_agrees_with_the_sum_itself() {
        for m in [1, 2, 3, 5, 13, 14, 15, 29, 30] {
            for n in [1, 8, 15, 16, 17, 31, 32, 33, 48, 65] {
                for k in [1, 2, 7, 40] {
                    check::<f32>((m, n, k), 4e-6);
                    check::<f64>((m, n, k), 1e-14);
                }
            }
        }
        check::<f32>((37, 70, 1100), 4e-6);
        check::<f64>((37, 70, 1100), 1e-14);
    }

    #[test]
    fn parts_are_summed_as_one_after_the_other() {
        let mut rng = Rng::new(3);
        for (m, n, k, parts) in
            [(1, 1, 1, 1), (5, 20, 3, 4), (14, 32, 16, 9), (29, 31, 200, 7), (3, 17, 700, 2), (2, 3, 4, 0)]
        {
            let row = k * parts + 5;
            let (a, b): (Vec<f64>, Vec<f64>) = (random(m * row, &mut rng), random(3 * parts + 40 * (k + 1), &mut rng));
            // Far apart or overlapping, in any order.
            let starts: Vec<usize> = (0..parts).map(|i| 3 * ((i * 5) % parts.max(1))).collect();
            let expected: Vec<f64> = (0..m * n)
                .map(|at| {
                    let of_part = |(i, start): (usize, &usize)| {
                        (0..k).map(|p| a[at / n * row + i * k + p] * b[start + p * 40 + at % n]).sum::<f64>()
                    };
                    starts.iter().enumerate().map(of_part).sum()
                })
                .collect();
            let by_columns: Vec<f64> = (0..row * m).map(|at| a[at % m * row + at / m]).collect();
            let lefts =
                [Left { data: &a, row, by_columns: false }, Left { data: &by_columns, row: m, by_columns: true }];
            for left in lefts {
                let mut c = vec![f64::NAN; m * n];
                let right = Right { data: &b, row: 40, panel: PANEL };
                multiply_parts((m, n, k), left, (right, &starts), Out { data: &mut c, row: n });
                assert!(c.iter().zip(&expected).all(|(c, e)| (c - e).abs() < 1e-11), "{m} x {n} x {k}, {parts} parts");
            }
        }
    }

    #[test]
    #[should_panic(expected = "a right side of 2 x 2 is outside its slice")]
    fn a_part_behind_the_end_is_refused() {
        let (a, b) = ([1.0f32; 8], [1.0f32; 64]);
        let (a, b) = (Left { data: &a, row: 4, by_columns: false }, Right { data: &b, row: 32, panel: 64 });
        multiply_parts((2, 2, 2), a, (b, &[0, 30]), Out { data: &mut [0.0; 4], row: 2 });
    }

    #[test]
    fn an_empty_sum_is_zero() {
        let mut c = [f32::NAN; 4];
        let (a, b) = (Left { data: &[], row: 0, by_columns: false }, Right { data: &[], row: 32, panel: 0 });
        multiply((2, 2, 0), a, b, Out { data: &mut c, row: 2 }, false);
        assert_eq!(c, [0.0; 4]);
    }

    #[test]
    #[should_panic(expected = "a right side of 2 x 2 is outside its slice")]
    fn a_short_right_side_is_refused() {
        let (a, b) = ([1.0f32; 4], [1.0f32; 40]);
        let (a, b) = (Left { data: &a, row: 2, by_columns: false }, Right { data: &b, row: 32, panel: 64 });
        multiply((2, 2, 2), a, b, Out { data: &mut [0.0; 4], row: 2 }, false);
    }
}
