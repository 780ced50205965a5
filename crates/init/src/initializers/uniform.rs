//! Uniform draws from a fixed interval.

use crate::error::require;
use crate::initializer::check_length;
use crate::{InitError, Initializer};
use kniff_tensor::{Element, Rng};
use serde::{Deserialize, Serialize};

/// Independent draws from U[low, high): mean `(low + high) / 2`, variance `(high - low)^2 / 12`.
///
/// (The lecture's slide calls `(b - a)^2 / 12` the standard deviation; it is the variance.)
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Uniform {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Uniform {
    /// U[-bound, bound).
    pub fn symmetric(bound: f64) -> Self {
        Self { low: -bound, high: bound }
    }

    /// The distribution's mean.
    pub fn mean(&self) -> f64 {
        self.low + 0.5 * (self.high - self.low)
    }

    /// The distribution's variance.
    pub fn variance(&self) -> f64 {
        (self.high - self.low) * (self.high - self.low) / 12.0
    }
}

impl Initializer for Uniform {
    fn try_fill<E: Element>(&self, shape: &[usize], out: &mut [E], rng: &mut Rng) -> Result<(), InitError> {
        check_length(shape, out)?;
        require(self.low.is_finite(), "Uniform", "low", self.low, "finite")?;
        require(
            self.high.is_finite() && self.high >= self.low,
            "Uniform",
            "high",
            self.high,
            "finite and not below low",
        )?;
        let width = self.high - self.low;
        let (low, high) = (E::from_f64(self.low), E::from_f64(self.high));
        for x in out {
            let draw = E::from_f64(self.low + width * rng.uniform());
            // Rounding to f32 can reach the open end.
            *x = if draw < high { draw } else { low };
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kniff_tensor::Tensor;

    #[test]
    fn draws_stay_inside_and_scatter_as_they_should() {
        let scheme = Uniform { low: -1.0, high: 3.0 };
        let x: Tensor = scheme.init(&[200, 500], &mut Rng::new(2));
        let x = x.to_vec();
        assert!(x.iter().all(|x| (-1.0..3.0).contains(x)));
        let n = x.len() as f64;
        let mean = x.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
        let variance = x.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / (n - 1.0);
        assert!((mean - scheme.mean()).abs() < 5.0 * (scheme.variance() / n).sqrt());
        assert!((variance - scheme.variance()).abs() < 5.0 * scheme.variance() * (0.8 / n).sqrt());
    }

    #[test]
    fn an_empty_interval_is_the_point_and_a_reversed_one_is_refused() {
        let x: Tensor = Uniform::symmetric(0.0).init(&[4], &mut Rng::new(2));
        assert_eq!(x.to_vec(), [0.0; 4]);
        let reversed = Uniform { low: 1.0, high: 0.0 }.try_init::<f32>(&[1], &mut Rng::new(0));
        assert_eq!(reversed.unwrap_err().to_string(), "Uniform: high is 0, but must be finite and not below low");
    }
}
