//! Blocks of 8 x 8 numbers turned in registers: compilers turn them one number at a time.

use crate::Element;
use crate::simd::Isa;

/// Rows and columns of a block.
pub(super) const BLOCK: usize = 8;

/// `to[p * to_row + i] = from[i * from_row + p]` for i and p below 8.
///
/// # Panics
/// If a slice is too short.
#[inline(always)]
pub(super) fn block<E: Element, I: Isa>(from: &[E], from_row: usize, to: &mut [E], to_row: usize) {
    let last = BLOCK - 1;
    assert!(last * from_row + BLOCK <= from.len() && last * to_row + BLOCK <= to.len(), "transpose: a short slice");
    #[cfg(target_arch = "x86_64")]
    if I::AVX && size_of::<E>() == size_of::<f32>() {
        // SAFETY: both sides hold the block, as checked above; the only element type of four bytes is f32; kernels with `AVX` run
        // where the processor has it.
        return unsafe { avx::block(from.as_ptr().cast(), from_row, to.as_mut_ptr().cast(), to_row) };
    }
    for i in 0..BLOCK {
        for p in 0..BLOCK {
            to[p * to_row + i] = from[i * from_row + p];
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod avx {
    use super::BLOCK;
    use std::arch::x86_64::{
        __m256, _mm256_loadu_ps, _mm256_permute2f128_ps, _mm256_setzero_ps, _mm256_shuffle_ps, _mm256_storeu_ps,
        _mm256_unpackhi_ps, _mm256_unpacklo_ps,
    };

    /// # Safety
    /// Eight rows of eight numbers are at both places, as far apart as said, and those at `to` are no one else's.
    #[inline]
    #[target_feature(enable = "avx")]
    pub(super) unsafe fn block(from: *const f32, from_row: usize, to: *mut f32, to_row: usize) {
        let mut rows = [_mm256_setzero_ps(); BLOCK];
        for (i, row) in rows.iter_mut().enumerate() {
            // SAFETY: the caller's promise.
            *row = unsafe { _mm256_loadu_ps(from.add(i * from_row)) };
        }
        for (i, column) in turned(rows).into_iter().enumerate() {
            // SAFETY: the caller's promise.
            unsafe { _mm256_storeu_ps(to.add(i * to_row), column) };
        }
    }

    /// Pairs of rows, then pairs of pairs, then halves.
    #[inline]
    #[target_feature(enable = "avx")]
    fn turned([a, b, c, d, e, f, g, h]: [__m256; BLOCK]) -> [__m256; BLOCK] {
        let (ab0, ab1) = (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
        let (cd0, cd1) = (_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
        let (ef0, ef1) = (_mm256_unpacklo_ps(e, f), _mm256_unpackhi_ps(e, f));
        let (gh0, gh1) = (_mm256_unpacklo_ps(g, h), _mm256_unpackhi_ps(g, h));
        // The low and the high pairs of each half.
        const LOW: i32 = 0b01_00_01_00;
        const HIGH: i32 = 0b11_10_11_10;
        let top = [
            _mm256_shuffle_ps::<LOW>(ab0, cd0),
            _mm256_shuffle_ps::<HIGH>(ab0, cd0),
            _mm256_shuffle_ps::<LOW>(ab1, cd1),
            _mm256_shuffle_ps::<HIGH>(ab1, cd1),
        ];
        let bottom = [
            _mm256_shuffle_ps::<LOW>(ef0, gh0),
            _mm256_shuffle_ps::<HIGH>(ef0, gh0),
            _mm256_shuffle_ps::<LOW>(ef1, gh1),
            _mm256_shuffle_ps::<HIGH>(ef1, gh1),
        ];
        const FIRST: i32 = 0x20;
        const SECOND: i32 = 0x31;
        [
            _mm256_permute2f128_ps::<FIRST>(top[0], bottom[0]),
            _mm256_permute2f128_ps::<FIRST>(top[1], bottom[1]),
            _mm256_permute2f128_ps::<FIRST>(top[2], bottom[2]),
            _mm256_permute2f128_ps::<FIRST>(top[3], bottom[3]),
            _mm256_permute2f128_ps::<SECOND>(top[0], bottom[0]),
            _mm256_permute2f128_ps::<SECOND>(top[1], bottom[1]),
            _mm256_permute2f128_ps::<SECOND>(top[2], bottom[2]),
            _mm256_permute2f128_ps::<SECOND>(top[3], bottom[3]),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Kernel, dispatch};

    struct Turn<'a, E>(&'a [E], usize, &'a mut [E], usize);
    impl<E: Element> Kernel for Turn<'_, E> {
        type Output = ();
        #[inline(always)]
        fn run<I: Isa>(self) {
            block::<E, I>(self.0, self.1, self.2, self.3);
        }
    }

    fn check<E: Element>() {
        let from: Vec<E> = (0..8 * 11).map(E::from_usize).collect();
        let mut to = vec![-E::ONE; 8 * 9];
        dispatch(Turn(&from, 11, &mut to, 9));
        for (at, &x) in to.iter().enumerate() {
            let (p, i) = (at / 9, at % 9);
            assert_eq!(x, if i < 8 { from[i * 11 + p] } else { -E::ONE });
        }
    }

    #[test]
    fn rows_become_columns_and_gaps_stay() {
        check::<f32>();
        check::<f64>();
    }

    #[test]
    #[should_panic(expected = "transpose: a short slice")]
    fn a_short_slice_is_refused() {
        dispatch(Turn(&[1.0f32; 63], 8, &mut [0.0; 64], 8));
    }
}
