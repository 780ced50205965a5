//! The same factor at every step.

use crate::error::require_not_negative;
use crate::{OptimError, Schedule};
use serde::{Deserialize, Serialize};

/// `lr = base * gamma^t`; PyTorch's `ExponentialLR`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Exponential {
    /// What every step multiplies by.
    pub gamma: f64,
}

impl Schedule for Exponential {
    fn name(&self) -> &'static str {
        "Exponential"
    }

    fn learning_rate(&self, base: f64, step: u64) -> f64 {
        base * self.gamma.powf(step as f64)
    }

    fn validate(&self) -> Result<(), OptimError> {
        require_not_negative("Exponential", "gamma", self.gamma)
    }
}
