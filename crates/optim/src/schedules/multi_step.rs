//! Cuts at given steps.

use crate::error::require_not_negative;
use crate::{OptimError, Schedule};
use serde::{Deserialize, Serialize};

/// `lr = base * gamma^(number of milestones at or before t)`; PyTorch's `MultiStepLR`.
///
/// The lecture's closing policy with known moments: divide by ten, one to three times, late.
///
/// ```
/// use kniff_optim::{MultiStep, Schedule};
/// let cuts = MultiStep { milestones: vec![30, 40], gamma: 0.1 };
/// assert_eq!(cuts.learning_rate(1.0, 29), 1.0);
/// assert_eq!(cuts.learning_rate(1.0, 30), 0.1);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MultiStep {
    /// The first steps with a lower rate, in any order; one that stands twice cuts twice.
    pub milestones: Vec<u64>,
    /// What a cut multiplies by (0.1).
    pub gamma: f64,
}

impl Schedule for MultiStep {
    fn name(&self) -> &'static str {
        "MultiStep"
    }

    fn learning_rate(&self, base: f64, step: u64) -> f64 {
        base * self.gamma.powi(self.milestones.iter().filter(|&&m| m <= step).count() as i32)
    }

    fn validate(&self) -> Result<(), OptimError> {
        require_not_negative("MultiStep", "gamma", self.gamma)
    }
}
