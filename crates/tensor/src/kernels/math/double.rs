//! The functions in f64: Taylor's series for the exponential, the logarithm after fdlibm (Sun Microsystems).

use super::{Math, horner};
use crate::simd::Isa;

/// Adding this leaves the nearest integer in the lowest bits.
const MAGIC: f64 = 6_755_399_441_055_744.0;
/// The upper 33 bits of ln 2, so that its products with exponents are exact.
const LN2_HIGH: f64 = 6.931_471_803_691_238e-1;
const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;

/// x = n ln 2 + r with |r| <= ln 2 / 2; r is `high + low`.
#[inline(always)]
fn reduce<I: Isa>(x: f64) -> (i64, f64, f64) {
    let t = I::mul_add(x, std::f64::consts::LOG2_E, MAGIC);
    let n = t - MAGIC;
    let r = I::mul_add(n, -LN2_HIGH, x);
    let high = I::mul_add(n, -LN2_LOW, r);
    let low = I::mul_add(n, -LN2_LOW, r - high);
    ((t.to_bits() as i64).wrapping_sub(MAGIC.to_bits() as i64), high, low)
}

/// (e^r - 1 - r) / r^2.
#[inline(always)]
fn exp_tail<I: Isa>(r: f64) -> f64 {
    horner!(
        I,
        r,
        1.0 / 87_178_291_200.0,
        1.0 / 6_227_020_800.0,
        1.0 / 479_001_600.0,
        1.0 / 39_916_800.0,
        1.0 / 3_628_800.0,
        1.0 / 362_880.0,
        1.0 / 40_320.0,
        1.0 / 5_040.0,
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5
    )
}

/// 2^n for a normal result.
#[inline(always)]
fn power_of_two(n: i64) -> f64 {
    f64::from_bits((n.wrapping_add(1023) as u64) << 52)
}

/// NaN passes through both.
#[inline(always)]
fn clamp(x: f64, low: f64, high: f64) -> f64 {
    let x = if x > high { high } else { x };
    if x < low { low } else { x }
}

/// e^r - 1 after range reduction, r in two parts.
#[inline(always)]
fn exp_m1_reduced<I: Isa>(high: f64, low: f64) -> f64 {
    high + I::mul_add(exp_tail::<I>(high) * high, high, I::mul_add(low, high, low))
}

/// e^x - 1 for x within about +-700.
#[inline(always)]
fn exp_m1_inside<I: Isa>(x: f64) -> f64 {
    let (n, high, low) = reduce::<I>(x);
    let s = power_of_two(n);
    I::mul_add(s, exp_m1_reduced::<I>(high, low), s - 1.0)
}

/// ln(u) + c for u > 0; `c` is what rounding to u lost, divided by u.
#[inline(always)]
fn ln_of<I: Isa>(u: f64, c: f64) -> f64 {
    const ROOT_HALF: u64 = 0x3fe6_a09e_667f_3bcd;
    let small = u < f64::MIN_POSITIVE;
    let scaled = if small { u * 18_014_398_509_481_984.0 } else { u };
    let bits = scaled.to_bits().wrapping_add(0x3ff0_0000_0000_0000 - ROOT_HALF);
    // The exponent as a number, without a conversion that older vector instructions lack.
    let e = f64::from_bits(bits >> 52 | 0x4330_0000_0000_0000) - 4_503_599_627_370_496.0;
    let e = e - if small { 1023.0 + 54.0 } else { 1023.0 };
    let f = f64::from_bits((bits & 0x000f_ffff_ffff_ffff) + ROOT_HALF) - 1.0;
    let s = f / (2.0 + f);
    let z = s * s;
    let tail = z * horner!(
        I,
        z,
        1.479_819_860_511_658_591e-1,
        1.531_383_769_920_937_332e-1,
        1.818_357_216_161_805_012e-1,
        2.222_219_843_214_978_396e-1,
        2.857_142_874_366_239_149e-1,
        3.999_999_999_940_941_908e-1,
        6.666_666_666_666_735_13e-1
    );
    let half_square = 0.5 * f * f;
    let low = I::mul_add(s, half_square + tail, I::mul_add(e, LN2_LOW, c));
    I::mul_add(e, LN2_HIGH, f - (half_square - low))
}

impl Math for f64 {
    #[inline(always)]
    fn v_exp<I: Isa>(self) -> f64 {
        let (n, high, low) = reduce::<I>(clamp(self, -746.0, 710.0));
        let p = 1.0 + exp_m1_reduced::<I>(high, low);
        // In two steps, so that neither factor leaves the normal numbers while the result may.
        let half = ((n.wrapping_add(2048) as u64) >> 1) as i64 - 1024;
        p * power_of_two(half) * power_of_two(n.wrapping_sub(half))
    }

    #[inline(always)]
    fn v_ln<I: Isa>(self) -> f64 {
        let y = ln_of::<I>(self, 0.0);
        let y = if self > 0.0 { y } else { f64::NAN };
        let y = if self == 0.0 { f64::NEG_INFINITY } else { y };
        if self == f64::INFINITY { self } else { y }
    }

    #[inline(always)]
    fn v_ln_1p<I: Isa>(self) -> f64 {
        let u = 1.0 + self;
        // For a large x the 1 is what was lost, and nothing is lost with it.
        let lost = if self < 1e15 { self - (u - 1.0) } else { 0.0 };
        let y = ln_of::<I>(u, lost / u);
        let y = if u > 0.0 { y } else { f64::NAN };
        let y = if u == 0.0 { f64::NEG_INFINITY } else { y };
        if self == f64::INFINITY || self == 0.0 { self } else { y }
    }

    #[inline(always)]
    fn v_tanh<I: Isa>(self) -> f64 {
        let t = exp_m1_inside::<I>(clamp(-2.0 * self.abs(), -80.0, 0.0));
        (-t / (t + 2.0)).copysign(self)
    }

    #[inline(always)]
    fn v_sigmoid<I: Isa>(self) -> f64 {
        let e = (-self.abs()).v_exp::<I>();
        (if self < 0.0 { e } else { 1.0 }) / (1.0 + e)
    }

    #[inline(always)]
    fn v_exp_m1<I: Isa>(self) -> f64 {
        let (n, high, low) = reduce::<I>(clamp(self, -80.0, 710.0));
        // Half of it is inside the range when all of it just is.
        let s = power_of_two(n.wrapping_sub(1));
        let y = 2.0 * I::mul_add(s, exp_m1_reduced::<I>(high, low), s - 0.5);
        if self == 0.0 { self } else { y }
    }

    #[inline(always)]
    fn v_softplus<I: Isa>(self) -> f64 {
        let e = (-self.abs()).v_exp::<I>();
        let u = 1.0 + e;
        let above = if self < 0.0 { 0.0 } else { self };
        above + ln_of::<I>(u, (e - (u - 1.0)) / u)
    }

    #[inline(always)]
    fn v_erf<I: Isa>(self) -> f64 {
        libm::erf(self)
    }
}
