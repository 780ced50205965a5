//! Normal draws that are kept within bounds.

use crate::error::require;
use crate::gaussian::{below, density, quantile};
use crate::initializer::check_length;
use crate::{InitError, Initializer};
use kniff_tensor::{Element, Rng};
use serde::{Deserialize, Serialize};

/// Draws from N(mean, std^2) given that they fall within `lower..=upper`.
///
/// As PyTorch's `trunc_normal_`: the bounds are absolute numbers and not multiples of `std`, and `std` is the parent's:
/// cutting makes the variance smaller ([`TruncatedNormal::variance`] says by how much). JAX's and Keras' truncated
/// schemes widen the parent instead so that the variance after cutting is the wanted one; so does
/// [`Distribution::TruncatedNormal`](crate::Distribution::TruncatedNormal) here.
///
/// ```
/// use kniff_init::TruncatedNormal;
/// let cut = TruncatedNormal { mean: 0.0, std: 1.0, lower: -2.0, upper: 2.0 };
/// assert!((cut.variance().sqrt() - 0.87962566).abs() < 1e-8);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TruncatedNormal {
    /// The parent's mean.
    pub mean: f64,
    /// The parent's standard deviation.
    pub std: f64,
    /// The smallest value that may come.
    pub lower: f64,
    /// The largest value that may come.
    pub upper: f64,
}

impl TruncatedNormal {
    /// Cut at `deviations` parent deviations to both sides of 0.
    pub(crate) fn cut_at(deviations: f64, std: f64) -> Self {
        Self { mean: 0.0, std, lower: -deviations * std, upper: deviations * std }
    }

    /// The mean after cutting.
    pub fn mean_after_cut(&self) -> f64 {
        let (a, b) = self.standard_bounds();
        self.mean + self.std * (density(a) - density(b)) / mass(a, b)
    }

    /// The variance after cutting; below the parent's `std^2`.
    pub fn variance(&self) -> f64 {
        let (a, b) = self.standard_bounds();
        let z = mass(a, b);
        let shift = (density(a) - density(b)) / z;
        self.std * self.std * (1.0 + (at_density(a) - at_density(b)) / z - shift * shift)
    }

    /// The value below which a draw falls with probability `p`.
    pub fn quantile(&self, p: f64) -> f64 {
        let (a, b) = self.standard_bounds();
        // In the upper tail Phi is 1 to all digits; the mirrored lower tail keeps them.
        let x = if a > 0.0 {
            -quantile(below(-b) + (1.0 - p) * (below(-a) - below(-b)))
        } else {
            quantile(below(a) + p * (below(b) - below(a)))
        };
        (self.mean + self.std * x).clamp(self.lower, self.upper)
    }

    fn standard_bounds(&self) -> (f64, f64) {
        ((self.lower - self.mean) / self.std, (self.upper - self.mean) / self.std)
    }
}

impl Initializer for TruncatedNormal {
    fn try_fill<E: Element>(&self, shape: &[usize], out: &mut [E], rng: &mut Rng) -> Result<(), InitError> {
        const NAME: &str = "TruncatedNormal";
        check_length(shape, out)?;
        require(self.mean.is_finite(), NAME, "mean", self.mean, "finite")?;
        require(self.std.is_finite() && self.std >= 0.0, NAME, "std", self.std, "finite and not negative")?;
        require(!self.lower.is_nan(), NAME, "lower", self.lower, "a number")?;
        require(self.upper >= self.lower, NAME, "upper", self.upper, "a number not below lower")?;
        if self.std == 0.0 {
            out.fill(E::from_f64(self.mean.clamp(self.lower, self.upper)));
            return Ok(());
        }
        let (a, b) = self.standard_bounds();
        if mass(a, b) > 0.3 {
            // Most draws fall inside: draw until one does.
            for x in out {
                *x = loop {
                    let draw = self.mean + self.std * rng.normal();
                    if draw >= self.lower && draw <= self.upper {
                        break E::from_f64(draw);
                    }
                };
            }
        } else {
            for x in out {
                *x = E::from_f64(self.quantile(rng.uniform()));
            }
        }
        Ok(())
    }
}

/// The probability of `a..b`, without cancellation in the upper tail.
fn mass(a: f64, b: f64) -> f64 {
    if a > 0.0 { below(-a) - below(-b) } else { below(b) - below(a) }
}

/// x phi(x), which is 0 at infinity.
fn at_density(x: f64) -> f64 {
    if x.is_infinite() { 0.0 } else { x * density(x) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kniff_tensor::Tensor;

    fn check(cut: TruncatedNormal) {
        let x: Tensor<f64> = cut.init(&[100_000], &mut Rng::new(3));
        let x = x.to_vec();
        assert!(x.iter().all(|&x| x >= cut.lower && x <= cut.upper));
        let n = x.len() as f64;
        let mean = x.iter().sum::<f64>() / n;
        let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
        assert!((mean - cut.mean_after_cut()).abs() < 5.0 * (cut.variance() / n).sqrt(), "mean {mean}");
        // The kurtosis of a cut normal lies below the normal's, that of a far tail above it.
        assert!((variance - cut.variance()).abs() < 15.0 * cut.variance() * (2.0 / n).sqrt(), "variance {variance}");
    }

    #[test]
    fn draws_have_the_moments_and_respect_the_bounds() {
        check(TruncatedNormal { mean: 0.0, std: 1.0, lower: -2.0, upper: 2.0 });
        check(TruncatedNormal { mean: -1.0, std: 2.0, lower: -1.5, upper: 9.0 });
        // Far in either tail, where drawing until one fits would not end.
        check(TruncatedNormal { mean: 0.0, std: 1.0, lower: 8.0, upper: f64::INFINITY });
        check(TruncatedNormal { mean: 0.0, std: 1.0, lower: -9.0, upper: -8.0 });
    }
}
