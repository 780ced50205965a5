//! Half a cosine wave from the base rate down.

use crate::error::{require, require_not_negative};
use crate::{OptimError, Schedule};
use serde::{Deserialize, Serialize};

/// `lr = eta_min + (base - eta_min) * (1 + cos(pi * t / t_max)) / 2` up to `t_max`, `eta_min` from there on.
///
/// Loshchilov, Hutter: SGDR, 2017, without restarts. Differs from PyTorch: past `t_max` its `CosineAnnealingLR` rises
/// again with period `2 t_max`; here it stays at the end, as in optax. For waves see
/// [`CosineWarmRestarts`](crate::CosineWarmRestarts).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cosine {
    /// The step at which the lowest rate is reached, at least 1.
    pub t_max: u64,
    /// The lowest rate (PyTorch: 0).
    pub eta_min: f64,
}

impl Cosine {
    /// Down to 0 at step `t_max`.
    pub fn new(t_max: u64) -> Self {
        Self { t_max, eta_min: 0.0 }
    }
}

impl Schedule for Cosine {
    fn name(&self) -> &'static str {
        "Cosine"
    }

    fn learning_rate(&self, base: f64, step: u64) -> f64 {
        wave(base, self.eta_min, step.min(self.t_max) as f64 / self.t_max.max(1) as f64)
    }

    fn validate(&self) -> Result<(), OptimError> {
        require(self.t_max > 0, "Cosine", "t_max", 0.0, "at least 1")?;
        require_not_negative("Cosine", "eta_min", self.eta_min)
    }
}

/// From `high` at 0 to `low` at 1.
pub(super) fn wave(high: f64, low: f64, done: f64) -> f64 {
    low + (high - low) * 0.5 * (1.0 + (std::f64::consts::PI * done).cos())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stays_at_the_end() {
        let cosine = Cosine { t_max: 10, eta_min: 0.25 };
        assert_eq!(cosine.learning_rate(1.0, 0), 1.0);
        assert_eq!(cosine.learning_rate(1.0, 10), 0.25);
        assert_eq!(cosine.learning_rate(1.0, 15), 0.25);
    }
}
