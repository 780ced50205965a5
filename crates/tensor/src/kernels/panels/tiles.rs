//! Tiles of a product that are summed in registers: written for AVX-512 and AVX2, left to the compiler elsewhere.

use super::{Left, PANEL, Right};
use crate::Element;
use crate::simd::{self, Level};

/// The sum of the products of the parts of a, of k columns each, and of as many matrices b, which begin at `starts`.
///
/// # Safety
/// What [`super::multiply_parts`] checks: a and each b hold m x k and k x n elements, rows of b up to the next multiple of 16 columns, and
/// `c` points at m rows of n elements, `row` apart, that nothing else uses meanwhile.
pub(super) unsafe fn tiles<E: Element>(
    (m, n, k): (usize, usize, usize),
    a: Left<'_, E>,
    (b, starts): (Right<'_, E>, &[usize]),
    c: *mut E,
    row: usize,
    add: bool,
) {
    let tile = E::tile();
    let parts = m.div_ceil(tile.rows);
    let mut room = [E::ZERO; MOST_ROWS * MOST_COLUMNS];
    let mut j = 0;
    while j < n {
        // Chunks begin at multiples of their width, of which a panel holds a whole number.
        let cols = tile.cols.min(n - j);
        let right = b.data[j / PANEL * b.panel + j % PANEL..].as_ptr();
        let mut i = 0;
        for part in 0..parts {
            // Heights that differ by one at most: a last tile of few rows would take nearly as long as a whole one.
            let rows = m / parts + usize::from(part < m % parts);
            let left = a.data[i * if a.by_columns { 1 } else { a.row }..].as_ptr();
            let whole = cols.is_multiple_of(tile.lanes);
            // SAFETY: row i and column j are inside c.
            let to = unsafe { c.add(i * row + j) };
            let (out, step) = if whole { (to, row) } else { (room.as_mut_ptr(), MOST_COLUMNS) };
            let (left_row, right_row) = (a.row, b.row);
            let sides = Sides { left, left_row, right, starts, right_row, out, step, k, add: add && whole };
            // SAFETY: the caller's promise for a and b; `out` has room for `rows` rows of `cols` columns up to the next multiple of
            // `tile.lanes`: either they are all inside c, or it is `room`.
            unsafe { (tile.run)(sides, rows, cols, a.by_columns) };
            if !whole {
                for (r, from) in room.chunks_exact(MOST_COLUMNS).take(rows).enumerate() {
                    // SAFETY: rows i.. and columns j.. of c, `cols` of them, are inside it.
                    let to = unsafe { std::slice::from_raw_parts_mut(to.add(r * row), cols) };
                    for (to, &x) in to.iter_mut().zip(from) {
                        *to = if add { *to + x } else { x };
                    }
                }
            }
            i += rows;
        }
        j += cols;
    }
}

const MOST_ROWS: usize = 14;
const MOST_COLUMNS: usize = PANEL;

/// A way to sum one tile.
#[doc(hidden)]
pub struct Tile<E> {
    /// The most rows and columns of one.
    rows: usize,
    cols: usize,
    /// Columns are written in multiples of so many.
    lanes: usize,
    run: unsafe fn(Sides<'_, E>, usize, usize, bool),
}

/// Where the operands of one tile start.
pub(super) struct Sides<'a, E> {
    left: *const E,
    left_row: usize,
    right: *const E,
    starts: &'a [usize],
    right_row: usize,
    out: *mut E,
    step: usize,
    k: usize,
    add: bool,
}

/// A number whose products are summed in tiles.
pub trait Tiled: Sized + 'static {
    #[doc(hidden)]
    fn tile() -> &'static Tile<Self>;
}

macro_rules! tiled {
    ($t:ident, $wide:ident, $narrow:ident) => {
        impl Tiled for $t {
            fn tile() -> &'static Tile<Self> {
                match simd::level() {
                    #[cfg(target_arch = "x86_64")]
                    Level::Avx512 => &$wide::TILE,
                    #[cfg(target_arch = "x86_64")]
                    Level::Avx2 => &$narrow::TILE,
                    Level::Baseline => &plain::Plain::<$t>::TILE,
                }
            }
        }
    };
}
tiled!(f32, f32_avx512, f32_avx2);
tiled!(f64, f64_avx512, f64_avx2);

/// One module for a type and an instruction set; `$rows` are all heights of a tile.
#[cfg(target_arch = "x86_64")]
macro_rules! tile {
    (
        $name:ident, $t:ident, $lanes:literal, $feature:literal, $most:literal [$($rows:literal)*],
        $zero:ident $set:ident $load:ident $store:ident $fma:ident $add:ident
    ) => {
        mod $name {
            use super::{Sides, Tile};
            use std::arch::x86_64::{$zero, $set, $load, $store, $fma, $add};

            pub(super) static TILE: Tile<$t> = Tile { rows: $most, cols: 2 * $lanes, lanes: $lanes, run };

            /// # Safety
            /// The processor has the features; the rest is said at [`super::tiles`].
            unsafe fn run(sides: Sides<'_, $t>, rows: usize, cols: usize, by_columns: bool) {
                // SAFETY: the caller's promise.
                unsafe {
                    match (cols > $lanes, by_columns) {
                        (true, false) => of_height::<2, false>(sides, rows),
                        (true, true) => of_height::<2, true>(sides, rows),
                        (false, false) => of_height::<1, false>(sides, rows),
                        (false, true) => of_height::<1, true>(sides, rows),
                    }
                }
            }

            /// # Safety
            /// As for [`run`].
            unsafe fn of_height<const V: usize, const BY_COLUMNS: bool>(sides: Sides<'_, $t>, rows: usize) {
                // SAFETY: the caller's promise.
                unsafe {
                    match rows {
                        $($rows => sum::<$rows, V, BY_COLUMNS>(sides),)*
                        _ => unreachable!("tiles have at most {} rows", $most),
                    }
                }
            }

            /// # Safety
            /// As for [`run`].
            #[target_feature(enable = $feature)]
            unsafe fn sum<const M: usize, const V: usize, const BY_COLUMNS: bool>(s: Sides<'_, $t>) {
                let mut sums = [[$zero(); V]; M];
                let mut first = s.left;
                for &start in s.starts {
                    for p in 0..s.k {
                        let mut right = [$zero(); V];
                        for (v, right) in right.iter_mut().enumerate() {
                            // SAFETY: row p of this b holds V vectors from here on.
                            *right = unsafe { $load(s.right.add(start + p * s.right_row + v * $lanes)) };
                        }
                        for (i, sums) in sums.iter_mut().enumerate() {
                            let at = if BY_COLUMNS { p * s.left_row + i } else { i * s.left_row + p };
                            // SAFETY: row i and column p of this part of a.
                            let left = $set(unsafe { *first.add(at) });
                            for (sum, &right) in sums.iter_mut().zip(&right) {
                                *sum = $fma(left, right, *sum);
                            }
                        }
                    }
                    first = first.wrapping_add(s.k * if BY_COLUMNS { s.left_row } else { 1 });
                }
                for (i, sums) in sums.iter().enumerate() {
                    for (v, &sum) in sums.iter().enumerate() {
                        // SAFETY: row i of the tile holds V vectors.
                        unsafe {
                            let to = s.out.add(i * s.step + v * $lanes);
                            $store(to, if s.add { $add($load(to), sum) } else { sum });
                        }
                    }
                }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
tile!(
    f32_avx512, f32, 16, "avx512f", 14 [1 2 3 4 5 6 7 8 9 10 11 12 13 14],
    _mm512_setzero_ps _mm512_set1_ps _mm512_loadu_ps _mm512_storeu_ps _mm512_fmadd_ps _mm512_add_ps
);
#[cfg(target_arch = "x86_64")]
tile!(
    f64_avx512, f64, 8, "avx512f", 14 [1 2 3 4 5 6 7 8 9 10 11 12 13 14],
    _mm512_setzero_pd _mm512_set1_pd _mm512_loadu_pd _mm512_storeu_pd _mm512_fmadd_pd _mm512_add_pd
);
#[cfg(target_arch = "x86_64")]
tile!(
    f32_avx2, f32, 8, "avx2,fma", 6 [1 2 3 4 5 6],
    _mm256_setzero_ps _mm256_set1_ps _mm256_loadu_ps _mm256_storeu_ps _mm256_fmadd_ps _mm256_add_ps
);
#[cfg(target_arch = "x86_64")]
tile!(
    f64_avx2, f64, 4, "avx2,fma", 6 [1 2 3 4 5 6],
    _mm256_setzero_pd _mm256_set1_pd _mm256_loadu_pd _mm256_storeu_pd _mm256_fmadd_pd _mm256_add_pd
);

mod plain {
    use super::{Sides, Tile};
    use crate::Element;
    use crate::simd::{Baseline, Isa};
    use std::marker::PhantomData;

    const ROWS: usize = 4;
    const COLS: usize = 8;

    /// Of fixed size, so that the compiler keeps it in registers.
    pub(super) struct Plain<E>(PhantomData<E>);

    impl<E: Element> Plain<E> {
        pub(super) const TILE: Tile<E> = Tile { rows: ROWS, cols: COLS, lanes: COLS, run: Self::run };

        /// # Safety
        /// Said at [`super::tiles`].
        unsafe fn run(s: Sides<'_, E>, rows: usize, _: usize, by_columns: bool) {
            let mut sums = [[E::ZERO; COLS]; ROWS];
            let mut first = s.left;
            for &start in s.starts {
                for p in 0..s.k {
                    // SAFETY: row p of this b holds as many elements from here on.
                    let right = unsafe { std::slice::from_raw_parts(s.right.add(start + p * s.right_row), COLS) };
                    for (i, sums) in sums.iter_mut().enumerate().take(rows) {
                        let at = if by_columns { p * s.left_row + i } else { i * s.left_row + p };
                        // SAFETY: row i and column p of this part of a.
                        let left = unsafe { *first.add(at) };
                        for (sum, &right) in sums.iter_mut().zip(right) {
                            *sum = Baseline::mul_add(left, right, *sum);
                        }
                    }
                }
                first = first.wrapping_add(s.k * if by_columns { s.left_row } else { 1 });
            }
            for (i, sums) in sums.iter().enumerate().take(rows) {
                // SAFETY: row i of the tile holds as many elements.
                let to = unsafe { std::slice::from_raw_parts_mut(s.out.add(i * s.step), COLS) };
                for (to, &sum) in to.iter_mut().zip(sums) {
                    *to = if s.add { *to + sum } else { sum };
                }
            }
        }
    }
}
