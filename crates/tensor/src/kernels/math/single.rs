//! The functions in f32: range reduction and polynomials after Cephes (S. Moshier), erf after N. Juffa.

use super::{Math, horner};
use crate::simd::Isa;

/// Adding this leaves the nearest integer in the lowest bits.
const MAGIC: f32 = 12_582_912.0;
const LN2_HIGH: f32 = 0.693_359_375;
const LN2_LOW: f32 = -2.121_944_4e-4;

/// x = n ln 2 + r with |r| <= ln 2 / 2.
#[inline(always)]
fn reduce<I: Isa>(x: f32) -> (i32, f32) {
    let t = I::mul_add(x, std::f32::consts::LOG2_E, MAGIC);
    let n = t - MAGIC;
    let r = I::mul_add(n, -LN2_HIGH, x);
    ((t.to_bits() as i32).wrapping_sub(MAGIC.to_bits() as i32), I::mul_add(n, -LN2_LOW, r))
}

/// (e^r - 1 - r) / r^2.
#[inline(always)]
fn exp_tail<I: Isa>(r: f32) -> f32 {
    horner!(I, r, 1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5)
}

/// 2^n for a normal result.
#[inline(always)]
fn power_of_two(n: i32) -> f32 {
    f32::from_bits((n.wrapping_add(127) as u32) << 23)
}

/// NaN passes through both.
#[inline(always)]
fn clamp(x: f32, low: f32, high: f32) -> f32 {
    let x = if x > high { high } else { x };
    if x < low { low } else { x }
}

/// e^x - 1 for x within about +-80.
#[inline(always)]
fn exp_m1_inside<I: Isa>(x: f32) -> f32 {
    let (n, r) = reduce::<I>(x);
    let p = I::mul_add(exp_tail::<I>(r) * r, r, r);
    let s = power_of_two(n);
    I::mul_add(s, p, s - 1.0)
}

/// ln(u) + c for a normal u > 0; `c` is what rounding to u lost, divided by u.
#[inline(always)]
fn ln_of<I: Isa>(u: f32, c: f32) -> f32 {
    ln_scaled::<I>(u, 127, c)
}

/// ln(u 2^(127 - bias)) + c for a normal u.
#[inline(always)]
fn ln_scaled<I: Isa>(u: f32, bias: i32, c: f32) -> f32 {
    const ROOT_HALF: u32 = 0x3f35_04f3;
    let bits = u.to_bits().wrapping_add(0x3f80_0000 - ROOT_HALF);
    let e = (bits >> 23) as i32 - bias;
    let f = f32::from_bits((bits & 0x007f_ffff) + ROOT_HALF) - 1.0;
    let tail = horner!(
        I,
        f,
        7.037_683_6e-2,
        -1.151_461e-1,
        1.167_699_9e-1,
        -1.242_014e-1,
        1.424_932_3e-1,
        -1.666_805_8e-1,
        2.000_071_5e-1,
        -2.499_999_4e-1,
        3.333_333_1e-1
    );
    let e = e as f32;
    let square = f * f;
    let low = I::mul_add(tail * f, square, I::mul_add(e, LN2_LOW, c));
    let low = I::mul_add(square, -0.5, low);
    I::mul_add(e, LN2_HIGH, f + low)
}

impl Math for f32 {
    #[inline(always)]
    fn v_exp<I: Isa>(self) -> f32 {
        let (n, r) = reduce::<I>(clamp(self, -104.0, 89.0));
        let p = I::mul_add(exp_tail::<I>(r) * r, r, r) + 1.0;
        // In two steps, so that neither factor leaves the normal numbers while the result may.
        let half = n >> 1;
        p * power_of_two(half) * power_of_two(n.wrapping_sub(half))
    }

    #[inline(always)]
    fn v_ln<I: Isa>(self) -> f32 {
        let small = self < f32::MIN_POSITIVE;
        let u = if small { self * 8_388_608.0 } else { self };
        let y = ln_scaled::<I>(u, if small { 127 + 23 } else { 127 }, 0.0);
        let y = if self > 0.0 { y } else { f32::NAN };
        let y = if self == 0.0 { f32::NEG_INFINITY } else { y };
        if self == f32::INFINITY { self } else { y }
    }

    #[inline(always)]
    fn v_ln_1p<I: Isa>(self) -> f32 {
        let u = 1.0 + self;
        // For a large x the 1 is what was lost, and nothing is lost with it.
        let lost = if self < 1e6 { self - (u - 1.0) } else { 0.0 };
        let y = ln_of::<I>(u, lost / u);
        let y = if u > 0.0 { y } else { f32::NAN };
        let y = if u == 0.0 { f32::NEG_INFINITY } else { y };
        if self == f32::INFINITY || self == 0.0 { self } else { y }
    }

    #[inline(always)]
    fn v_tanh<I: Isa>(self) -> f32 {
        let t = exp_m1_inside::<I>(clamp(-2.0 * self.abs(), -40.0, 0.0));
        (-t / (t + 2.0)).copysign(self)
    }

    #[inline(always)]
    fn v_sigmoid<I: Isa>(self) -> f32 {
        let e = (-self.abs()).v_exp::<I>();
        (if self < 0.0 { e } else { 1.0 }) / (1.0 + e)
    }

    #[inline(always)]
    fn v_exp_m1<I: Isa>(self) -> f32 {
        let (n, r) = reduce::<I>(clamp(self, -40.0, 89.0));
        let p = I::mul_add(exp_tail::<I>(r) * r, r, r);
        // Half of it is inside the range when all of it just is.
        let s = power_of_two(n.wrapping_sub(1));
        let y = 2.0 * I::mul_add(s, p, s - 0.5);
        if self == 0.0 { self } else { y }
    }

    #[inline(always)]
    fn v_softplus<I: Isa>(self) -> f32 {
        let e = (-self.abs()).v_exp::<I>();
        let u = 1.0 + e;
        let above = if self < 0.0 { 0.0 } else { self };
        // 2 - u stands for 1/u: where the correction counts, u is near 1.
        above + ln_of::<I>(u, (e - (u - 1.0)) * (2.0 - u))
    }

    #[inline(always)]
    fn v_erf<I: Isa>(self) -> f32 {
        let (t, s) = (self.abs(), self * self);
        let outer = I::mul_add(
            horner!(I, t, -1.728_534_7e-5, 3.831_971_3e-4),
            s,
            horner!(I, t, -3.883_964_4e-3, 2.425_462_2e-2),
        );
        let outer = horner!(I, t, outer, -1.067_778_8e-1, -6.348_466_9e-1, -1.287_175_1e-1);
        let outer = I::mul_add(outer, t, -t);
        // The polynomial turns round far outside; there erf is 1.
        let outer = if t > 4.0 { -40.0 } else { outer };
        let outer = (1.0 - outer.v_exp::<I>()).copysign(self);
        let inner = horner!(
            I,
            s,
            -5.967_617e-4,
            4.991_194_2e-3,
            -2.676_813_5e-2,
            1.128_199_3e-1,
            -3.761_253_4e-1,
            1.283_791_7e-1
        );
        let inner = I::mul_add(inner, self, self);
        if t > 0.927_734_4 { outer } else { inner }
    }
}
