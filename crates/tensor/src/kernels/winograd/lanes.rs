//! Numbers of neighbouring channels that are transformed together, in a register where the processor has wide ones.
//!
//! Left to itself the compiler cuts arrays into registers of several widths and puts them together again.

use crate::Element;
use crate::simd::Isa;
use std::marker::PhantomData;

/// One number of each of some neighbouring channels.
pub(super) trait Lanes<E>: Copy {
    /// How many channels.
    const WIDTH: usize;
    const ZERO: Self;
    /// # Panics
    /// If the slice is too short.
    fn load(from: &[E]) -> Self;
    /// # Panics
    /// If the slice is too short.
    fn store(self, to: &mut [E]);
    fn plus(self, other: Self) -> Self;
    fn minus(self, other: Self) -> Self;
    fn times(self, factor: f64) -> Self;
    /// `self + factor other`.
    fn plus_times(self, factor: f64, other: Self) -> Self;
}

/// Work on lanes.
pub(super) trait OnLanes<E> {
    /// Mark every implementation `#[inline(always)]`.
    fn on<I: Isa, V: Lanes<E>>(self);
}

/// Does the work on the widest lanes that the instruction set has.
#[inline(always)]
pub(super) fn on_widest<E: Element, I: Isa>(work: impl OnLanes<E>) {
    #[cfg(target_arch = "x86_64")]
    if size_of::<E>() == size_of::<f32>() && I::AVX && I::FMA {
        return if I::AVX512 { work.on::<I, x86::Wide>() } else { work.on::<I, x86::Half>() };
    }
    work.on::<I, Plain<E, I>>();
}

/// Where the compiler is left to itself.
#[derive(Clone, Copy)]
struct Plain<E, I>([E; PLAIN], PhantomData<I>);
const PLAIN: usize = 8;

impl<E: Element, I: Isa> Lanes<E> for Plain<E, I> {
    const WIDTH: usize = PLAIN;
    const ZERO: Self = Self([E::ZERO; PLAIN], PhantomData);

    #[inline(always)]
    fn load(from: &[E]) -> Self {
        let mut lanes = Self::ZERO;
        lanes.0.copy_from_slice(&from[..PLAIN]);
        lanes
    }

    #[inline(always)]
    fn store(self, to: &mut [E]) {
        to[..PLAIN].copy_from_slice(&self.0);
    }

    #[inline(always)]
    fn plus(mut self, other: Self) -> Self {
        for l in 0..PLAIN {
            self.0[l] += other.0[l];
        }
        self
    }

    #[inline(always)]
    fn minus(mut self, other: Self) -> Self {
        for l in 0..PLAIN {
            self.0[l] -= other.0[l];
        }
        self
    }

    #[inline(always)]
    fn times(mut self, factor: f64) -> Self {
        let factor = E::from_f64(factor);
        for l in 0..PLAIN {
            self.0[l] *= factor;
        }
        self
    }

    #[inline(always)]
    fn plus_times(mut self, factor: f64, other: Self) -> Self {
        let factor = E::from_f64(factor);
        for l in 0..PLAIN {
            self.0[l] = I::mul_add(factor, other.0[l], self.0[l]);
        }
        self
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Lanes;
    use std::arch::x86_64::{
        __m256, __m512, _mm256_add_ps, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_mul_ps, _mm256_set1_ps,
        _mm256_storeu_ps, _mm256_sub_ps, _mm512_add_ps, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_mul_ps,
        _mm512_set1_ps, _mm512_storeu_ps, _mm512_sub_ps,
    };

    /// A register of f32: used by [`super::on_widest`] alone, where the numbers are f32 and the processor has it.
    macro_rules! register {
        ($name:ident, $register:ident, $width:literal, $load:ident $store:ident $add:ident $sub:ident $mul:ident $fma:ident $set:ident) => {
            #[derive(Clone, Copy)]
            pub(super) struct $name($register);

            impl<E> Lanes<E> for $name {
                const WIDTH: usize = $width;
                // SAFETY: a register is as large as its numbers, of which any bits are one.
                const ZERO: Self = Self(unsafe { std::mem::transmute::<[f32; $width], $register>([0.0; $width]) });

                #[inline(always)]
                fn load(from: &[E]) -> Self {
                    let from = &from[..$width];
                    // SAFETY: as many numbers of four bytes are there; the processor has the register.
                    Self(unsafe { $load(from.as_ptr().cast()) })
                }

                #[inline(always)]
                fn store(self, to: &mut [E]) {
                    let to = &mut to[..$width];
                    // SAFETY: as for `load`.
                    unsafe { $store(to.as_mut_ptr().cast(), self.0) };
                }

                #[inline(always)]
                fn plus(self, other: Self) -> Self {
                    // SAFETY: the processor has the register.
                    Self(unsafe { $add(self.0, other.0) })
                }

                #[inline(always)]
                fn minus(self, other: Self) -> Self {
                    // SAFETY: the processor has the register.
                    Self(unsafe { $sub(self.0, other.0) })
                }

                #[inline(always)]
                fn times(self, factor: f64) -> Self {
                    // SAFETY: the processor has the register.
                    Self(unsafe { $mul($set(factor as f32), self.0) })
                }

                #[inline(always)]
                fn plus_times(self, factor: f64, other: Self) -> Self {
                    // SAFETY: the processor has the register, and fused sums.
                    Self(unsafe { $fma($set(factor as f32), other.0, self.0) })
                }
            }
        };
    }

    register!(
        Wide, __m512, 16,
        _mm512_loadu_ps _mm512_storeu_ps _mm512_add_ps _mm512_sub_ps _mm512_mul_ps _mm512_fmadd_ps _mm512_set1_ps
    );
    register!(
        Half, __m256, 8,
        _mm256_loadu_ps _mm256_storeu_ps _mm256_add_ps _mm256_sub_ps _mm256_mul_ps _mm256_fmadd_ps _mm256_set1_ps
    );
}
