//! The matrix product, behind one function: how it is cut for the threads and which engine computes the pieces.

mod engine;
mod narrow;
mod own;

use super::{gemv, panels};
use crate::buffer::Buffer;
use crate::{Element, parallel};
use engine::Engine;
pub(super) use engine::Product;
pub(super) use narrow::product_here;
pub(crate) use narrow::product_then;
use std::marker::PhantomData;

/// A matrix inside a slice: element (i, j) is `data[i * row_stride + j * col_stride]`.
#[derive(Clone, Copy, Debug)]
pub struct MatRef<'a, E> {
    data: &'a [E],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl<'a, E: Copy> MatRef<'a, E> {
    /// # Panics
    /// If the slice is too short for the matrix.
    #[track_caller]
    pub fn new(data: &'a [E], (rows, cols): (usize, usize), (row_stride, col_stride): (usize, usize)) -> Self {
        check_room(data.len(), (rows, cols), (row_stride, col_stride));
        Self { data, rows, cols, row_stride, col_stride }
    }

    /// Rows one after the other, without gaps.
    #[track_caller]
    pub fn row_major(data: &'a [E], rows: usize, cols: usize) -> Self {
        Self::new(data, (rows, cols), (cols, 1))
    }

    /// The transpose; copies nothing.
    pub fn t(self) -> Self {
        let MatRef { data, rows, cols, row_stride, col_stride } = self;
        Self { data, rows: cols, cols: rows, row_stride: col_stride, col_stride: row_stride }
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The number of columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Row `i` as a slice, if its elements lie one after the other.
    #[inline(always)]
    pub(super) fn row(&self, i: usize) -> Option<&'a [E]> {
        let from = i * self.row_stride;
        (self.col_stride == 1 || self.cols == 1).then(|| &self.data[from..from + self.cols])
    }

    /// Some rows from one on and how far they are apart, if the elements of each lie one after the other.
    pub(super) fn lines(&self, first: usize, rows: usize) -> Option<(&'a [E], usize)> {
        let there = self.col_stride == 1 && rows > 0 && self.row_stride >= self.cols;
        there.then(|| (&self.data[first * self.row_stride..], self.row_stride))
    }

    /// Element (i, j).
    #[inline(always)]
    pub(super) fn at(&self, i: usize, j: usize) -> E {
        self.data[i * self.row_stride + j * self.col_stride]
    }

    /// The elements of row `i`.
    pub(super) fn row_iter(&self, i: usize) -> impl Iterator<Item = E> + 'a {
        let (data, step, from) = (self.data, self.col_stride, i * self.row_stride);
        (0..self.cols).map(move |j| data[from + j * step])
    }

    /// `rows` from `r` on and `cols` from `c` on; all of them inside.
    fn block(&self, (r, rows): (usize, usize), (c, cols): (usize, usize)) -> Self {
        debug_assert!(r + rows <= self.rows && c + cols <= self.cols && rows > 0 && cols > 0);
        Self { data: &self.data[r * self.row_stride + c * self.col_stride..], rows, cols, ..*self }
    }
}

/// A row-major matrix to be written: element (i, j) is `data[i * row_stride + j]`.
#[derive(Debug)]
pub struct MatMut<'a, E> {
    data: &'a mut [E],
    rows: usize,
    cols: usize,
    row_stride: usize,
}

impl<'a, E> MatMut<'a, E> {
    /// # Panics
    /// If the slice is too short for the matrix, or rows overlap.
    #[track_caller]
    pub fn new(data: &'a mut [E], (rows, cols): (usize, usize), row_stride: usize) -> Self {
        check_room(data.len(), (rows, cols), (row_stride, 1));
        assert!(row_stride >= cols || rows <= 1, "gemm: rows of {cols} elements overlap at a stride of {row_stride}");
        Self { data, rows, cols, row_stride }
    }

    /// Rows one after the other, without gaps.
    #[track_caller]
    pub fn row_major(data: &'a mut [E], rows: usize, cols: usize) -> Self {
        Self::new(data, (rows, cols), cols)
    }

    /// Calls `f` for every row.
    fn rows_mut(&mut self, mut f: impl FnMut(&mut [E])) {
        for r in 0..self.rows {
            f(&mut self.data[r * self.row_stride..][..self.cols]);
        }
    }
}

#[track_caller]
fn check_room(len: usize, (rows, cols): (usize, usize), (row_stride, col_stride): (usize, usize)) {
    let last = |n: usize, stride: usize| n.saturating_sub(1).checked_mul(stride);
    let end = last(rows, row_stride).zip(last(cols, col_stride)).and_then(|(r, c)| r.checked_add(c));
    let fits = rows == 0 || cols == 0 || end.is_some_and(|end| end < len);
    assert!(fits, "gemm: {rows} x {cols} with strides {row_stride}, {col_stride} is outside a slice of {len} elements");
}

/// `c = a b + beta c`. Where `beta` is 0, what `c` held does not matter, NaN included.
///
/// The result does not depend on the number of threads.
///
/// # Panics
/// If the sizes do not fit.
#[track_caller]
pub fn gemm<E: Element>(a: MatRef<'_, E>, b: MatRef<'_, E>, beta: E, c: MatMut<'_, E>) {
    gemm_then(a, b, beta, c, |_| {});
}

/// [`gemm()`], and then `f` for every finished block of `c`, while it is in the cache. Blocks cover `c` once.
///
/// # Panics
/// If the sizes do not fit.
#[track_caller]
pub fn gemm_then<E: Element>(
    a: MatRef<'_, E>,
    b: MatRef<'_, E>,
    beta: E,
    c: MatMut<'_, E>,
    f: impl Fn(Block<'_, E>) + Sync,
) {
    E::gemm_then(a, b, beta, c, &f);
}

/// [`gemm_then`], where it is compiled.
#[track_caller]
pub(super) fn gemm_here<E: Element>(a: MatRef<'_, E>, b: MatRef<'_, E>, beta: E, mut c: MatMut<'_, E>, f: Then<'_, E>) {
    let (m, n, k) = (a.rows, b.cols, a.cols);
    let fits = k == b.rows && m == c.rows && n == c.cols;
    assert!(fits, "gemm: {m} x {k} times {} x {n} into {} x {}", b.rows, c.rows, c.cols);
    if m == 0 || n == 0 {
        return;
    }
    let in_order = n == 1 && (c.row_stride == 1 || m == 1);
    let done = if k == 0 {
        c.rows_mut(|row| row.iter_mut().for_each(|x| *x = if beta == E::ZERO { E::ZERO } else { *x * beta }));
        true
    } else {
        m == 1 && gemv::row_times(a, b, beta, &mut c.data[..n])
            || in_order && gemv::row_times(b.t(), a.t(), beta, &mut c.data[..m])
    };
    if done {
        return f(Block::whole(c));
    }
    if own::fits(m, n, k) {
        return own::multiply(a, b, beta, c, f);
    }
    if aliases(m, &b) {
        let mut room = Buffer::scratch(spread_stride::<E>(k) * n);
        let b = spread(b, room.as_mut_slice());
        return in_pieces(a, b, beta, c, f);
    }
    in_pieces(a, b, beta, c, f);
}

fn in_pieces<E: Element>(a: MatRef<'_, E>, b: MatRef<'_, E>, beta: E, c: MatMut<'_, E>, f: Then<'_, E>) {
    let (m, n, k) = (a.rows, b.cols, a.cols);
    let engine = Engine::here();
    let (block_m, block_n) = cut(m, n, k, engine.narrowest());
    let (down, across) = (m.div_ceil(block_m), n.div_ceil(block_n));
    let target = Target { at: c.data.as_mut_ptr(), row_stride: c.row_stride };
    let piece = |i: usize| {
        let (r, s) = (i / across * block_m, i % across * block_n);
        let (rows, cols) = (block_m.min(m - r), block_n.min(n - s));
        // SAFETY: `MatMut::new` checked that all of c is inside its slice and that rows do not overlap; the block
        // (r, s) with `rows` and `cols` is inside c, and no two values of `i` share an element.
        unsafe {
            let block = target.offset(r, s);
            engine.multiply(a.block((r, rows), (0, k)), b.block((0, k), (s, cols)), beta, block);
            f(Block { start: block, rows, cols, first_col: s, life: PhantomData });
        }
    };
    if down * across > 1 && rayon::current_num_threads() > 1 {
        parallel::tasks(down * across, piece);
    } else {
        (0..down * across).for_each(piece);
    }
}

/// `c = a b` for a right-hand side of n columns that lies ready, and then `f` for every finished block.
///
/// # Panics
/// If a slice is too short.
pub(super) fn panels_then<E: Element>(
    (m, n, k): (usize, usize, usize),
    a: panels::Left<'_, E>,
    b: panels::Right<'_, E>,
    c: MatMut<'_, E>,
    f: Then<'_, E>,
) {
    if m == 0 || n == 0 {
        return;
    }
    assert!(c.rows == m && c.cols == n, "gemm: {m} x {n} into {} x {}", c.rows, c.cols);
    panels::check((m, n, k), &a, &b);
    let (block_m, block_n) = cut(m, n, k, 2 * panels::PANEL);
    let block_n = if block_n < n { block_n.next_multiple_of(panels::PANEL) } else { n };
    let (down, across) = (m.div_ceil(block_m), n.div_ceil(block_n));
    let target = Target { at: c.data.as_mut_ptr(), row_stride: c.row_stride };
    let piece = |i: usize| {
        let (r, s) = (i / across * block_m, i % across * block_n);
        let (rows, cols) = (block_m.min(m - r), block_n.min(n - s));
        // SAFETY: `MatMut::new` checked that all of c is inside its slice and that rows do not overlap; the block (r, s) with
        // `rows` and `cols` is inside c, and no two values of `i` share an element; a and b were checked whole.
        unsafe {
            let block = target.offset(r, s);
            panels::multiply_at((rows, cols, k), a.below(r), b.right_of(s), block.at, block.row_stride, false);
            f(Block { start: block, rows, cols, first_col: s, life: PhantomData });
        }
    };
    if down * across > 1 && rayon::current_num_threads() > 1 {
        parallel::tasks(down * across, piece);
    } else {
        (0..down * across).for_each(piece);
    }
}

/// Multiply-adds in one piece, some 5 us of work: below this, sharing costs more than it saves.
const PIECE_WORK: usize = 1 << 19;
/// More pieces than this would repeat too much of the engine's packing.
const MOST_PIECES: usize = 32;
/// The engines are slower on fewer rows.
const LOWEST: usize = 128;

/// How long and how wide the pieces are that the output is cut into; a function of the sizes and the engine alone.
fn cut(m: usize, n: usize, k: usize, narrowest: usize) -> (usize, usize) {
    let pieces = (m * n * k / PIECE_WORK).clamp(1, MOST_PIECES);
    let across = pieces.min(n / narrowest).max(1);
    let down = (pieces / across).min(m / LOWEST).max(1);
    let even = |n: usize, parts: usize| if parts == 1 { n } else { n.div_ceil(parts).next_multiple_of(16) };
    (even(m, down), even(n, across))
}

/// Whether the engine would read `b` in strides that fall on few lines of the first cache, which halves its speed.
fn aliases<E>(m: usize, b: &MatRef<'_, E>) -> bool {
    m >= 16
        && b.cols >= 32
        && b.row_stride == 1
        && b.col_stride >= b.rows
        && (b.col_stride * size_of::<E>()).is_multiple_of(1024)
}

/// `b` with its columns a cache line further apart, in `room`.
fn spread<'a, E: Element>(b: MatRef<'_, E>, room: &'a mut [E]) -> MatRef<'a, E> {
    let stride = spread_stride::<E>(b.rows);
    parallel::row_blocks(&mut room[..stride * b.cols], stride, stride, |first, out| {
        for (j, to) in out.chunks_exact_mut(stride).enumerate() {
            let from = (first + j) * b.col_stride;
            to[..b.rows].copy_from_slice(&b.data[from..from + b.rows]);
        }
    });
    MatRef::new(room, (b.rows, b.cols), (1, stride))
}

fn spread_stride<E>(rows: usize) -> usize {
    rows.next_multiple_of(1024 / size_of::<E>()) + 64 / size_of::<E>()
}

/// Where a block of the output starts.
#[derive(Clone, Copy, Debug)]
struct Target<E> {
    at: *mut E,
    row_stride: usize,
}

// SAFETY: a pointer that is only written through in disjoint blocks, see `gemm_then`.
unsafe impl<E: Send> Send for Target<E> {}
// SAFETY: as above.
unsafe impl<E: Send> Sync for Target<E> {}

impl<E: Copy> Target<E> {
    /// # Safety
    /// Row `r` and column `s` are inside the matrix.
    #[inline(always)]
    unsafe fn offset(self, r: usize, s: usize) -> Self {
        // SAFETY: the caller's promise.
        Self { at: unsafe { self.at.add(r * self.row_stride + s) }, ..self }
    }
}

/// What is done with a finished block.
pub(super) type Then<'a, E> = &'a (dyn Fn(Block<'_, E>) + Sync);

/// A finished block of an output: rows of neighbouring columns that nothing else touches.
#[derive(Debug)]
pub struct Block<'a, E> {
    start: Target<E>,
    rows: usize,
    cols: usize,
    first_col: usize,
    life: PhantomData<&'a mut [E]>,
}

impl<'a, E: Copy> Block<'a, E> {
    fn whole(c: MatMut<'a, E>) -> Self {
        let start = Target { at: c.data.as_mut_ptr(), row_stride: c.row_stride };
        Self { start, rows: c.rows, cols: c.cols, first_col: 0, life: PhantomData }
    }

    /// The columns of the output that the block covers.
    pub fn columns(&self) -> std::ops::Range<usize> {
        self.first_col..self.first_col + self.cols
    }

    /// Calls `f` for the part of each row that is in the block.
    #[inline(always)]
    pub fn for_each_row(self, mut f: impl FnMut(&mut [E])) {
        for i in 0..self.rows {
            // SAFETY: whoever made the block had exclusive use of its rows for the lifetime 'a (`whole` from a
            // `MatMut`, `in_pieces` by cutting one into blocks that do not meet), and each row is borrowed once.
            f(unsafe { std::slice::from_raw_parts_mut(self.start.offset(i, 0).at, self.cols) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rng;

    fn reference(a: MatRef<'_, f64>, b: MatRef<'_, f64>, beta: f64, c: &mut [f64]) {
        for i in 0..a.rows {
            for j in 0..b.cols {
                let dot: f64 = a.row_iter(i).zip(b.t().row_iter(j)).map(|(x, y)| x * y).sum();
                let c = &mut c[i * b.cols + j];
                *c = dot + if beta == 0.0 { 0.0 } else { beta * *c };
            }
        }
    }

    fn random<E: Element>(n: usize, rng: &mut Rng) -> Vec<E> {
        let mut v = vec![E::ZERO; n];
        rng.fill_normal(&mut v, 0.0, 1.0);
        v
    }

    fn strides(transposed: bool, rows: usize, cols: usize) -> (usize, usize) {
        if transposed { (1, rows) } else { (cols, 1) }
    }

    fn check<E: Element>(m: usize, n: usize, k: usize, tolerance: f64) {
        let mut rng = Rng::new((m * 31 + n * 7 + k) as u64);
        let (a, b, c): (Vec<E>, Vec<E>, Vec<E>) =
            (random(m * k, &mut rng), random(k * n, &mut rng), random(m * n, &mut rng));
        let wide = |v: &[E]| v.iter().map(|x| x.to_f64()).collect::<Vec<_>>();
        let (a64, b64) = (wide(&a), wide(&b));
        for (ta, tb, beta) in [(false, false, 0.0), (true, false, 1.0), (false, true, 0.5), (true, true, 0.0)] {
            let (sa, sb) = (strides(ta, m, k), strides(tb, k, n));
            let mut got = c.clone();
            if beta == 0.0 {
                got.fill(E::NAN);
            }
            let mut expected = wide(&got);
            let a = MatRef::new(&a, (m, k), sa);
            let b = MatRef::new(&b, (k, n), sb);
            gemm(a, b, E::from_f64(beta), MatMut::row_major(&mut got, m, n));
            reference(MatRef::new(&a64, (m, k), sa), MatRef::new(&b64, (k, n), sb), beta, &mut expected);
            let mut portable = c.clone();
            if beta == 0.0 {
                portable.fill(E::NAN);
            }
            // SAFETY: `portable` holds m x n elements in rows of n, and is used by no one else.
            unsafe {
                let out = Target { at: portable.as_mut_ptr(), row_stride: n };
                Engine::Portable.multiply(a, b, E::from_f64(beta), out);
            }
            let (mut wide, mut own) = (c.clone(), c.clone());
            if beta == 0.0 {
                wide.fill(E::NAN);
                own.fill(E::NAN);
            }
            // SAFETY: as above; without AVX2 the portable engine runs twice.
            unsafe {
                let out = Target { at: wide.as_mut_ptr(), row_stride: n };
                Engine::here().multiply(a, b, E::from_f64(beta), out);
            }
            own::multiply(a, b, E::from_f64(beta), MatMut::row_major(&mut own, m, n), &|_| {});
            for (g, e) in got.iter().chain(&portable).chain(&wide).chain(&own).zip(expected.iter().cycle()) {
                let error = (g.to_f64() - e).abs() / (k as f64).sqrt().max(1.0);
                assert!(error <= tolerance, "{m}x{n}x{k} {ta} {tb} {beta}: {g} instead of {e}");
            }
        }
    }

    #[test]
    fn every_size_agrees_with_a_naive_product() {
        let sizes = [1, 2, 3, 7, 16, 33, 65];
        for m in sizes {
            for n in sizes {
                for k in [1, 2, 5, 31, 64, 100] {
                    check::<f64>(m, n, k, 1e-14);
                    check::<f32>(m, n, k, 4e-6);
                }
            }
        }
        check::<f32>(300, 200, 260, 4e-6);
        check::<f32>(70, 40, 256, 4e-6);
        check::<f64>(70, 40, 256, 1e-14);
        // Rows that alias in the first cache, and results in several pieces that are turned.
        for (m, n, k) in [(80, 512, 100), (20, 1024, 70), (30, 40, 512), (50, 530, 1024), (140, 400, 512)] {
            check::<f32>(m, n, k, 1e-5);
            check::<f64>(m, n, k, 4e-14);
        }
        check::<f32>(1, 700, 784, 4e-6);
        check::<f32>(700, 1, 784, 4e-6);
    }

    #[test]
    fn neither_side_need_have_neighbours() {
        let (m, n, k) = (23, 70, 41);
        let mut rng = Rng::new(9);
        let (a, b): (Vec<f64>, Vec<f64>) = (random(3 * m * 2 * k, &mut rng), random(2 * k * 3 * n, &mut rng));
        let (a, b) = (MatRef::new(&a, (m, k), (6 * k, 2)), MatRef::new(&b, (k, n), (6 * n, 3)));
        let (mut got, mut expected) = (vec![f64::NAN; m * n], vec![0.0; m * n]);
        gemm(a, b, 0.0, MatMut::row_major(&mut got, m, n));
        reference(a, b, 0.0, &mut expected);
        assert!(got.iter().zip(&expected).all(|(g, e)| (g - e).abs() < 1e-13));
    }

    #[test]
    fn threads_change_nothing() {
        let (m, n, k) = (300, 500, 200);
        let mut rng = Rng::new(1);
        let (a, b): (Vec<f32>, Vec<f32>) = (random(m * k, &mut rng), random(k * n, &mut rng));
        for m in [1, m] {
            let product = |threads| {
                parallel::with_threads(threads, || {
                    let mut c = vec![0.0; m * n];
                    let (a, b) = (MatRef::row_major(&a, m, k), MatRef::row_major(&b, k, n));
                    gemm(a, b, 0.0, MatMut::row_major(&mut c, m, n));
                    c
                })
            };
            assert_eq!(product(1), product(2));
            assert_eq!(product(1), product(3));
        }
    }

    #[test]
    fn the_hook_sees_every_element_once_and_gaps_stay() {
        let (m, n, k) = (200, 300, 150);
        let (a, b) = (vec![1.0f32; m * k], vec![1.0f32; k * n]);
        let mut c = vec![-1.0; m * (n + 5)];
        let out = MatMut::new(&mut c, (m, n), n + 5);
        gemm_then(MatRef::row_major(&a, m, k), MatRef::row_major(&b, k, n), 0.0, out, |block| {
            let columns = block.columns();
            block.for_each_row(|row| row.iter_mut().zip(columns.clone()).for_each(|(x, j)| *x += j as f32));
        });
        for (i, &x) in c.iter().enumerate() {
            let j = i % (n + 5);
            assert_eq!(x, if j < n { 150.0 + j as f32 } else { -1.0 });
        }
    }

    #[test]
    fn an_empty_inner_axis_gives_zeros() {
        let mut c = [f32::NAN; 6];
        gemm(MatRef::row_major(&[], 2, 0), MatRef::row_major(&[], 0, 3), 0.0, MatMut::row_major(&mut c, 2, 3));
        assert_eq!(c, [0.0; 6]);
    }

    #[test]
    #[should_panic(expected = "is outside a slice of 5 elements")]
    fn a_short_slice_is_refused() {
        MatRef::row_major(&[0.0; 5], 2, 3);
    }
}
