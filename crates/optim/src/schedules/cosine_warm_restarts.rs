//! Half cosine waves, each longer than the last.

use super::cosine::wave;
use crate::error::{require, require_not_negative};
use crate::{OptimError, Schedule};
use serde::{Deserialize, Serialize};

/// Cosine decay from the base rate to `eta_min` over `t_0` steps, then again over `t_0 * t_mult`, and so on.
///
/// Loshchilov, Hutter: SGDR, 2017; PyTorch's `CosineAnnealingWarmRestarts`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CosineWarmRestarts {
    /// The length of the first wave, at least 1.
    pub t_0: u64,
    /// How many times as long each wave is as the one before, at least 1 (PyTorch: 1).
    pub t_mult: u64,
    /// The lowest rate (PyTorch: 0).
    pub eta_min: f64,
}

impl Schedule for CosineWarmRestarts {
    fn name(&self) -> &'static str {
        "CosineWarmRestarts"
    }

    fn learning_rate(&self, base: f64, step: u64) -> f64 {
        let (mut into, mut length) = (step, self.t_0.max(1));
        if self.t_mult <= 1 {
            into %= length;
        } else {
            while into >= length {
                into -= length;
                length = length.saturating_mul(self.t_mult);
            }
        }
        wave(base, self.eta_min, into as f64 / length as f64)
    }

    fn validate(&self) -> Result<(), OptimError> {
        require(self.t_0 > 0, "CosineWarmRestarts", "t_0", 0.0, "at least 1")?;
        require(self.t_mult > 0, "CosineWarmRestarts", "t_mult", 0.0, "at least 1")?;
        require_not_negative("CosineWarmRestarts", "eta_min", self.eta_min)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_waves_repeat() {
        let waves = CosineWarmRestarts { t_0: 4, t_mult: 1, eta_min: 0.0 };
        assert_eq!(waves.learning_rate(1.0, 1), waves.learning_rate(1.0, 4001));
    }
}
