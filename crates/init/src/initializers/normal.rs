//! Normal draws with a fixed mean and deviation.

use crate::error::require;
use crate::initializer::check_length;
use crate::{InitError, Initializer};
use kniff_tensor::{Element, Rng};
use serde::{Deserialize, Serialize};

/// Independent draws from N(mean, std^2).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Normal {
    /// The mean.
    pub mean: f64,
    /// The standard deviation (not the variance).
    pub std: f64,
}

impl Normal {
    /// N(0, std^2).
    pub fn centered(std: f64) -> Self {
        Self { mean: 0.0, std }
    }
}

impl Initializer for Normal {
    fn try_fill<E: Element>(&self, shape: &[usize], out: &mut [E], rng: &mut Rng) -> Result<(), InitError> {
        check_length(shape, out)?;
        require(self.mean.is_finite(), "Normal", "mean", self.mean, "finite")?;
        require(self.std.is_finite() && self.std >= 0.0, "Normal", "std", self.std, "finite and not negative")?;
        rng.fill_normal(out, self.mean, self.std);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kniff_tensor::Tensor;

    #[test]
    fn moments_are_those_asked_for() {
        let x: Tensor<f64> = Normal { mean: 2.0, std: 0.5 }.init(&[100_000], &mut Rng::new(6));
        let x = x.to_vec();
        let n = x.len() as f64;
        let mean = x.iter().sum::<f64>() / n;
        let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
        assert!((mean - 2.0).abs() < 5.0 * 0.5 / n.sqrt());
        assert!((variance - 0.25).abs() < 5.0 * 0.25 * (2.0 / n).sqrt());
    }

    #[test]
    fn a_negative_deviation_is_refused() {
        assert!(Normal::centered(-1.0).try_init::<f32>(&[1], &mut Rng::new(0)).is_err());
        assert!(Normal::centered(f64::NAN).try_init::<f32>(&[1], &mut Rng::new(0)).is_err());
    }
}
