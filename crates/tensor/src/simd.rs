//! Run-time choice of the instruction set, so that kernels stay safe code that the compiler vectorises.
//!
//! A kernel is a value that implements [`Kernel`]; its `run` is compiled once per instruction set and [`dispatch`]
//! picks the best that the processor has. `run` and everything it calls must be `#[inline(always)]`, or it is
//! compiled for the baseline only. Kernels must not let the instruction set's width change the order of a sum:
//! keep explicit lanes of a fixed number.

use crate::Element;
use std::sync::OnceLock;

/// What an instruction set can do, as constants that the compiler sees.
pub trait Isa: Copy + Send + Sync + 'static {
    /// Whether a fused multiply-add is one instruction (otherwise it is a slow library call).
    const FMA: bool;
    /// Whether there are the 256-bit instructions of AVX.
    const AVX: bool;
    /// Whether there are the 512-bit instructions of AVX-512 F, and FMA with them.
    const AVX512: bool;
    /// A name for messages.
    const NAME: &'static str;

    /// `a * b + c`: fused where that is one instruction, rounded twice elsewhere.
    #[inline(always)]
    fn mul_add<E: Element>(a: E, b: E, c: E) -> E {
        if Self::FMA { a.mul_add(b, c) } else { a * b + c }
    }
}

/// Whatever the compile target guarantees.
#[derive(Clone, Copy)]
pub struct Baseline;
/// AVX2 with FMA (x86-64-v3).
#[derive(Clone, Copy)]
pub struct Avx2;
/// AVX-512 F, BW, CD, DQ, VL (x86-64-v4).
#[derive(Clone, Copy)]
pub struct Avx512;

impl Isa for Baseline {
    const FMA: bool = cfg!(any(target_feature = "fma", target_arch = "aarch64"));
    const AVX: bool = cfg!(target_feature = "avx");
    const AVX512: bool = cfg!(target_feature = "avx512f");
    const NAME: &'static str = "baseline";
}
impl Isa for Avx2 {
    const FMA: bool = true;
    const AVX: bool = true;
    const AVX512: bool = false;
    const NAME: &'static str = "avx2";
}
impl Isa for Avx512 {
    const FMA: bool = true;
    const AVX: bool = true;
    const AVX512: bool = true;
    const NAME: &'static str = "avx512";
}

/// A piece of work that is compiled for every instruction set.
pub trait Kernel {
    /// What the work gives back.
    type Output;
    /// Does the work. Mark every implementation `#[inline(always)]`.
    fn run<I: Isa>(self) -> Self::Output;
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Level {
    Baseline,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

pub(crate) fn level() -> Level {
    static LEVEL: OnceLock<Level> = OnceLock::new();
    *LEVEL.get_or_init(|| {
        #[cfg(target_arch = "x86_64")]
        {
            let cap = std::env::var("KNIFF_ISA").unwrap_or_default();
            let v3 = is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("fma")
                && is_x86_feature_detected!("bmi1")
                && is_x86_feature_detected!("bmi2")
                && is_x86_feature_detected!("lzcnt")
                && is_x86_feature_detected!("popcnt")
                && cap != "baseline";
            let v4 = v3
                && is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512cd")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl")
                && cap != "avx2";
            if v4 {
                return Level::Avx512;
            }
            if v3 {
                return Level::Avx2;
            }
        }
        Level::Baseline
    })
}

/// Runs the kernel compiled for the best instruction set that this processor has.
///
/// The environment variable `KNIFF_ISA` (`baseline` or `avx2`) caps the choice, for testing.
#[inline]
pub fn dispatch<K: Kernel>(kernel: K) -> K::Output {
    match level() {
        Level::Baseline => kernel.run::<Baseline>(),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `level` returns Avx2 only where the processor has all features named on `run_avx2`.
        Level::Avx2 => unsafe { run_avx2(kernel) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `level` returns Avx512 only where the processor has all features named on `run_avx512`.
        Level::Avx512 => unsafe { run_avx512(kernel) },
    }
}

/// Whether [`dispatch`] has nothing here but what the compile target guarantees.
pub(crate) fn is_baseline() -> bool {
    level() == Level::Baseline
}

/// The name of the instruction set that [`dispatch`] picks here.
pub fn isa_name() -> &'static str {
    match level() {
        Level::Baseline => Baseline::NAME,
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => Avx2::NAME,
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => Avx512::NAME,
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,bmi1,bmi2,lzcnt,popcnt")]
fn run_avx2<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<Avx2>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,fma,bmi1,bmi2,lzcnt,popcnt")]
fn run_avx512<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<Avx512>()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Name;
    impl Kernel for Name {
        type Output = &'static str;
        #[inline(always)]
        fn run<I: Isa>(self) -> &'static str {
            I::NAME
        }
    }

    #[test]
    fn the_kernel_runs_on_the_named_set() {
        assert_eq!(dispatch(Name), isa_name());
    }
}
