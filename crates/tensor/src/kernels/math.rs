//! Elementary functions that the compiler can vectorise.
//!
//! Every function is branch-free arithmetic on one number, so that a loop over a slice inside
//! [`crate::simd::dispatch`] becomes vector code. Special values come out as in the standard library. The largest
//! errors that the tests allow, in units of the last place (ulp), are stated with each function; where multiply-adds
//! are not fused they are one ulp larger.

mod double;
mod single;

use crate::simd::Isa;

/// Elementary functions for use inside kernels, per element type.
pub trait Math: Sized {
    /// e^x; 1 ulp (f32), 1 ulp (f64); results too small for normal numbers are rounded like all others.
    fn v_exp<I: Isa>(self) -> Self;
    /// ln x; 1 ulp (f32), 1 ulp (f64).
    fn v_ln<I: Isa>(self) -> Self;
    /// ln(1 + x), exact near 0; 2 ulp (f32), 2 ulp (f64).
    fn v_ln_1p<I: Isa>(self) -> Self;
    /// tanh x, exact near 0; 3 ulp (f32), 3 ulp (f64).
    fn v_tanh<I: Isa>(self) -> Self;
    /// 1 / (1 + e^-x), exact in both tails; 3 ulp (f32), 3 ulp (f64).
    fn v_sigmoid<I: Isa>(self) -> Self;
    /// e^x - 1, exact near 0; 2 ulp (f32), 2 ulp (f64).
    fn v_exp_m1<I: Isa>(self) -> Self;
    /// ln(1 + e^x), exact in both tails; 3 ulp (f32), 3 ulp (f64).
    fn v_softplus<I: Isa>(self) -> Self;
    /// The error function; 1.1 ulp (f32); in f64 it is libm's, which no compiler vectorises.
    fn v_erf<I: Isa>(self) -> Self;
}

/// A polynomial by Horner's rule, highest coefficient first.
macro_rules! horner {
    ($isa:ident, $x:expr, $first:expr $(, $next:expr)*) => {{
        let x = $x;
        let y = $first;
        $(let y = $isa::mul_add(y, x, $next);)*
        y
    }};
}
use horner;

#[cfg(test)]
mod tests {
    use crate::Tensor;

    /// The distance of a result from the exact value, in units of the last place of the result's type.
    fn ulps_f32(got: f32, exact: f64) -> f64 {
        let rounded = exact as f32;
        if got == rounded || (got.is_nan() && exact.is_nan()) {
            return 0.0;
        }
        let gap = f64::from(f32::from_bits(rounded.abs().to_bits().min(0x7f7f_ffff) + 1)) - f64::from(rounded.abs());
        let gap = if rounded.is_infinite() || !gap.is_finite() { f64::from(f32::MAX) * 2f64.powi(-24) } else { gap };
        (f64::from(got) - exact).abs() / gap
    }

    fn ulps_f64(got: f64, expected: f64) -> f64 {
        if got == expected || (got.is_nan() && expected.is_nan()) {
            return 0.0;
        }
        let gap = f64::from_bits(expected.abs().to_bits() + 1) - expected.abs();
        (got - expected).abs() / gap
    }

    /// A dense sweep from `from` to `to`, and magnitudes down to the smallest with both signs.
    fn grid(from: f64, to: f64) -> Vec<f64> {
        let n = 400_000;
        let even = (0..=n).map(|i| from + (to - from) * f64::from(i) / f64::from(n));
        let small = (0..40_000).flat_map(|i| {
            let x = (to.abs().max(from.abs())) * 0.9975f64.powi(i);
            [x, -x]
        });
        even.chain(small.filter(|x| (from..=to).contains(x))).collect()
    }

    type Function<E> = fn(&Tensor<E>) -> Tensor<E>;

    fn check(
        name: &str,
        single: Function<f32>,
        double: Function<f64>,
        exact: fn(f64) -> f64,
        range: (f64, f64),
        most: (f64, f64),
    ) {
        let unfused = if crate::simd::isa_name() == "baseline" { 1.5 } else { 0.0 };
        let x = grid(range.0, range.1);
        let n = x.len();
        let x32: Vec<f32> = x.iter().map(|&x| x as f32).collect();
        let got = single(&Tensor::from_slice(&x32, [n])).to_vec();
        let mut worst = (0.0, 0.0);
        for (&x, &y) in x32.iter().zip(&got) {
            let off = ulps_f32(y, exact(f64::from(x)));
            worst = if off > worst.0 || off.is_nan() { (off, f64::from(x)) } else { worst };
        }
        println!("{name} f32: {:.3} ulp at {}", worst.0, worst.1);
        assert!(worst.0 <= most.0 + unfused, "{name} f32 is {} ulp off at {}", worst.0, worst.1);
        let got = double(&Tensor::from_slice(&x, [n])).to_vec();
        let mut worst = (0.0, 0.0);
        for (&x, &y) in x.iter().zip(&got) {
            let off = ulps_f64(y, exact(x));
            worst = if off > worst.0 || off.is_nan() { (off, x) } else { worst };
        }
        println!("{name} f64: {:.3} ulp at {}", worst.0, worst.1);
        assert!(worst.0 <= most.1 + unfused, "{name} f64 is {} ulp off at {}", worst.0, worst.1);
        // What arithmetic turns special numbers into.
        let special = [0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 1.0, -1.0, 1e30, -1e30, 1e-40, 1e-310];
        let got = double(&Tensor::from_slice(&special, [special.len()])).to_vec();
        for (&x, &y) in special.iter().zip(&got) {
            assert!(ulps_f64(y, exact(x)) <= most.1 + unfused, "{name}({x}) is {y} in f64");
        }
        let special = special.map(|x| x as f32);
        let got = single(&Tensor::from_slice(&special, [special.len()])).to_vec();
        for (&x, &y) in special.iter().zip(&got) {
            assert!(ulps_f32(y, exact(f64::from(x))) <= most.0 + unfused, "{name}({x}) is {y} in f32");
        }
    }

    // The reference in f64 is itself up to one ulp off where it is composed.
    #[test]
    fn exp_is_within_its_bound() {
        check("exp", Tensor::exp, Tensor::exp, f64::exp, (-110.0, 92.0), (1.0, 1.0));
        check("exp", Tensor::exp, Tensor::exp, f64::exp, (-760.0, 720.0), (1.0, 1.0));
        check("exp_m1", Tensor::exp_m1, Tensor::exp_m1, f64::exp_m1, (-110.0, 92.0), (2.0, 2.0));
        check("exp_m1", Tensor::exp_m1, Tensor::exp_m1, f64::exp_m1, (-2.0, 2.0), (2.0, 2.0));
    }

    #[test]
    fn ln_is_within_its_bound() {
        check("ln", Tensor::ln, Tensor::ln, f64::ln, (1e-3, 3.0), (1.0, 1.0));
        check("ln", Tensor::ln, Tensor::ln, f64::ln, (-1.0, 1e38), (1.0, 1.0));
        check("ln_1p", Tensor::ln_1p, Tensor::ln_1p, f64::ln_1p, (-1.0, 3.0), (2.0, 2.0));
        check("ln_1p", Tensor::ln_1p, Tensor::ln_1p, f64::ln_1p, (0.0, 1e38), (2.0, 2.0));
    }

    #[test]
    fn the_sigmoids_are_within_their_bounds() {
        let sigmoid = |x: f64| if x >= 0.0 { 1.0 / (1.0 + (-x).exp()) } else { x.exp() / (1.0 + x.exp()) };
        let softplus = |x: f64| if x.is_nan() { x } else { x.max(0.0) + (-x.abs()).exp().ln_1p() };
        for range in [(-110.0, 110.0), (-3.0, 3.0)] {
            check("tanh", Tensor::tanh, Tensor::tanh, f64::tanh, range, (3.0, 3.0));
            check("sigmoid", Tensor::sigmoid, Tensor::sigmoid, sigmoid, range, (3.0, 3.0));
            check("softplus", Tensor::softplus, Tensor::softplus, softplus, range, (3.0, 3.0));
        }
    }

    #[test]
    fn erf_is_within_its_bound() {
        check("erf", Tensor::erf, Tensor::erf, libm::erf, (-12.0, 12.0), (1.1, 0.0));
        check("erf", Tensor::erf, Tensor::erf, libm::erf, (-1.0, 1.0), (1.1, 0.0));
    }
}
