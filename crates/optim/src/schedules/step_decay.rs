//! A cut every so many steps.

use crate::error::{require, require_not_negative};
use crate::{OptimError, Schedule};
use serde::{Deserialize, Serialize};

/// `lr = base * gamma^floor(t / step_size)`; PyTorch's `StepLR`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepDecay {
    /// Steps between cuts, at least 1.
    pub step_size: u64,
    /// What a cut multiplies by (PyTorch: 0.1).
    pub gamma: f64,
}

impl Schedule for StepDecay {
    fn name(&self) -> &'static str {
        "StepDecay"
    }

    fn learning_rate(&self, base: f64, step: u64) -> f64 {
        base * self.gamma.powf((step / self.step_size.max(1)) as f64)
    }

    fn validate(&self) -> Result<(), OptimError> {
        require(self.step_size > 0, "StepDecay", "step_size", 0.0, "at least 1")?;
        require_not_negative("StepDecay", "gamma", self.gamma)
    }
}
