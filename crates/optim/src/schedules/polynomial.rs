//! A power of the remaining share of steps.

use crate::error::{require, require_positive};
use crate::{OptimError, Schedule};
use serde::{Deserialize, Serialize};

/// `lr = base * (1 - min(t, steps) / steps)^power`; PyTorch's `PolynomialLR`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Polynomial {
    /// The step at which 0 is reached, at least 1.
    pub steps: u64,
    /// The power (PyTorch: 1, a straight line).
    pub power: f64,
}

impl Schedule for Polynomial {
    fn name(&self) -> &'static str {
        "Polynomial"
    }

    fn learning_rate(&self, base: f64, step: u64) -> f64 {
        base * (1.0 - step.min(self.steps) as f64 / self.steps.max(1) as f64).powf(self.power)
    }

    fn validate(&self) -> Result<(), OptimError> {
        require(self.steps > 0, "Polynomial", "steps", 0.0, "at least 1")?;
        require_positive("Polynomial", "power", self.power)
    }
}
