//! Rounding to bfloat16, and tiles packed from matrices.

use super::tiles::{SIDE, Shaped};
use crate::Element;
use crate::kernels::transpose;
use crate::simd::Isa;
use std::any::TypeId;

/// The number in bfloat16 that is nearest, ties to even, in the lower half; what is not a number stays none.
#[inline(always)]
pub(super) fn half(x: f32) -> u32 {
    let bits = x.to_bits();
    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
    if bits & 0x7fff_ffff > 0x7f80_0000 { bits >> 16 | 0x40 } else { rounded }
}

/// Two numbers, the first in the lower half.
#[inline(always)]
pub(super) fn pair(first: f32, second: f32) -> u32 {
    half(first) | half(second) << 16
}

/// `to[i] = (first[i], second[i])` as far as all three go.
#[inline(always)]
pub(super) fn interleave(_: &Shaped, first: &[f32], second: &[f32], to: &mut [u32]) {
    let n = to.len().min(first.len()).min(second.len());
    #[cfg(target_arch = "x86_64")]
    // SAFETY: tiles have their shape only where the processor has the features; all three slices have n numbers.
    unsafe {
        instructions::interleave(first.as_ptr(), second.as_ptr(), to.as_mut_ptr(), n);
    }
    #[cfg(not(target_arch = "x86_64"))]
    (0..n).for_each(|i| to[i] = pair(first[i], second[i]));
}

/// `to[i] = from[i]` as far as both go.
#[inline(always)]
pub(super) fn narrow(_: &Shaped, from: &[f32], to: &mut [u16]) {
    let n = to.len().min(from.len());
    #[cfg(target_arch = "x86_64")]
    // SAFETY: tiles have their shape only where the processor has the features; both slices have n numbers.
    unsafe {
        instructions::narrow(from.as_ptr(), to.as_mut_ptr(), n);
    }
    #[cfg(not(target_arch = "x86_64"))]
    (0..n).for_each(|i| to[i] = half(from[i]) as u16);
}

/// `to[i] = sums[i] + bias`.
#[inline(always)]
pub(super) fn put(_: &Shaped, sums: &[f32; SIDE], bias: f32, to: &mut [f32; SIDE]) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: tiles have their shape only where the processor has the features.
    unsafe {
        instructions::put(sums, bias, to);
    }
    #[cfg(not(target_arch = "x86_64"))]
    to.iter_mut().zip(sums).for_each(|(to, &sum)| *to = sum + bias);
}

/// Rounding by the processor's own instructions, which take numbers below 2^-126 for 0 as the products do.
#[cfg(target_arch = "x86_64")]
mod instructions {
    use std::arch::x86_64::{
        __m256i, __m512i, _mm256_mask_storeu_epi16, _mm512_add_ps, _mm512_cvtne2ps_pbh, _mm512_cvtneps_pbh,
        _mm512_loadu_ps, _mm512_loadu_si512, _mm512_mask_storeu_epi32, _mm512_maskz_loadu_ps, _mm512_permutexvar_epi16,
        _mm512_set1_ps, _mm512_storeu_ps,
    };

    /// # Safety
    /// The processor has the features.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn put(sums: &[f32; LANES], bias: f32, to: &mut [f32; LANES]) {
        // SAFETY: both have as many numbers as the registers.
        unsafe {
            let sums = _mm512_add_ps(_mm512_loadu_ps(sums.as_ptr()), _mm512_set1_ps(bias));
            _mm512_storeu_ps(to.as_mut_ptr(), sums);
        }
    }

    /// Numbers at once.
    const LANES: usize = 16;

    #[inline(always)]
    fn some(left: usize) -> u16 {
        if left >= LANES { u16::MAX } else { (1 << left) - 1 }
    }

    /// The first of the lower half, the first of the upper half, the second of the lower half, and so on.
    static IN_TURN: [u16; 2 * LANES] = {
        let mut order = [0; 2 * LANES];
        let mut i = 0;
        while i < LANES {
            order[2 * i] = i as u16;
            order[2 * i + 1] = (i + LANES) as u16;
            i += 1;
        }
        order
    };

    /// # Safety
    /// The processor has the features, and n numbers are at each place.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    pub(super) unsafe fn interleave(first: *const f32, second: *const f32, to: *mut u32, n: usize) {
        // SAFETY: the order has 64 bytes; what the masks let through is inside the caller's n numbers.
        unsafe {
            let order = _mm512_loadu_si512(IN_TURN.as_ptr().cast());
            let mut i = 0;
            while i < n {
                let mask = some(n - i);
                let (a, b) = (_mm512_maskz_loadu_ps(mask, first.add(i)), _mm512_maskz_loadu_ps(mask, second.add(i)));
                let both: __m512i = std::mem::transmute(_mm512_cvtne2ps_pbh(b, a));
                _mm512_mask_storeu_epi32(to.add(i).cast(), mask, _mm512_permutexvar_epi16(order, both));
                i += LANES;
            }
        }
    }

    /// # Safety
    /// The processor has the features, and n numbers are at each place.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    pub(super) unsafe fn narrow(from: *const f32, to: *mut u16, n: usize) {
        // SAFETY: what the masks let through is inside the caller's n numbers.
        unsafe {
            let mut i = 0;
            while i < n {
                let mask = some(n - i);
                let x: __m256i = std::mem::transmute(_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(mask, from.add(i))));
                _mm256_mask_storeu_epi16(to.add(i).cast(), mask, x);
                i += LANES;
            }
        }
    }
}

/// The halves of pairs, the lower one first.
pub(super) fn halves(pairs: &mut [u32]) -> &mut [u16] {
    const { assert!(cfg!(target_endian = "little") || !cfg!(target_arch = "x86_64")) };
    // SAFETY: a number of 32 bits is two of 16, in memory that is aligned for it; every pattern of bits is a number of both.
    unsafe { std::slice::from_raw_parts_mut(pairs.as_mut_ptr().cast(), 2 * pairs.len()) }
}

/// `to[p * to_row + i] = from[i * from_row + p]` for i and p below 16.
///
/// # Panics
/// If a slice is too short.
#[inline(always)]
pub(super) fn turn<I: Isa>(from: &[u32], from_row: usize, to: &mut [u32], to_row: usize) {
    let (from, to) = (as_floats(from), as_floats_mut(to));
    const HALF: usize = transpose::BLOCK;
    const { assert!(2 * HALF == SIDE) };
    for i in [0, HALF] {
        for p in [0, HALF] {
            let (from, to) = (&from[i * from_row + p..], &mut to[p * to_row + i..]);
            transpose::block::<f32, I>(from, from_row, to, to_row);
        }
    }
}

fn as_floats(bits: &[u32]) -> &[f32] {
    // SAFETY: both are 32 bits, aligned alike, and every pattern is a number of both; they are only moved.
    unsafe { std::slice::from_raw_parts(bits.as_ptr().cast(), bits.len()) }
}

fn as_floats_mut(bits: &mut [u32]) -> &mut [f32] {
    // SAFETY: both are 32 bits, aligned alike, and every pattern is a number of both; they are only moved.
    unsafe { std::slice::from_raw_parts_mut(bits.as_mut_ptr().cast(), bits.len()) }
}

/// The slice, if its numbers are f32.
pub(in crate::kernels) fn single<E: Element>(x: &[E]) -> Option<&[f32]> {
    let same = TypeId::of::<E>() == TypeId::of::<f32>();
    // SAFETY: the two types are one.
    same.then(|| unsafe { std::slice::from_raw_parts(x.as_ptr().cast(), x.len()) })
}

/// The slice, if its numbers are f32.
pub(in crate::kernels) fn single_mut<E: Element>(x: &mut [E]) -> Option<&mut [f32]> {
    let same = TypeId::of::<E>() == TypeId::of::<f32>();
    // SAFETY: the two types are one.
    same.then(|| unsafe { std::slice::from_raw_parts_mut(x.as_mut_ptr().cast(), x.len()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_is_that_of_a_library() {
        let mut rng = crate::Rng::new(3);
        for _ in 0..100_000 {
            let x = f32::from_bits((rng.uniform() * 4294967296.0) as u32);
            let (found, expected) = (half(x) as u16, half_crate(x));
            assert!(found == expected || x.is_nan() && f32::from_bits(u32::from(found) << 16).is_nan(), "{x:e}");
        }
        for x in [0.0, -0.0, f32::MAX, f32::MIN, f32::INFINITY, 1.0 + 1.0 / 256.0, 1.0 + 3.0 / 256.0, 1e-40] {
            assert_eq!(half(x) as u16, half_crate(x), "{x:e}");
        }
    }

    fn half_crate(x: f32) -> u16 {
        ::half::bf16::from_f32(x).to_bits()
    }
}
