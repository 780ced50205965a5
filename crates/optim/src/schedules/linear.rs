//! A straight line between two multiples of the base rate: warm-up, or decay.

use crate::error::{require, require_not_negative};
use crate::{OptimError, Schedule};
use serde::{Deserialize, Serialize};

/// `lr = base * (start + (end - start) * min(t, steps) / steps)`; PyTorch's `LinearLR`.
///
/// [`Linear::warmup`] is the usual start: large first steps on moments that rest on a handful of gradients do lasting
/// harm (Goyal et al.: Accurate, large minibatch SGD, 2017).
///
/// ```
/// use kniff_optim::{Linear, Schedule};
/// assert_eq!(Linear::warmup(4).learning_rate(1.0, 0), 0.25);
/// assert_eq!(Linear::warmup(4).learning_rate(1.0, 3), 1.0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Linear {
    /// The factor at step 0.
    pub start: f64,
    /// The factor from step `steps` on.
    pub end: f64,
    /// The length of the line, at least 1.
    pub steps: u64,
}

impl Linear {
    /// From factor `start` at step 0 to factor `end` at step `steps` and later.
    pub fn new(start: f64, end: f64, steps: u64) -> Self {
        Self { start, end, steps }
    }

    /// `base / steps` at step 0, one share more with each, the whole base rate from step `steps - 1` on.
    pub fn warmup(steps: u64) -> Self {
        let steps = steps.max(1);
        Self { start: 1.0 / steps as f64, end: 1.0, steps: (steps - 1).max(1) }
    }
}

impl Schedule for Linear {
    fn name(&self) -> &'static str {
        "Linear"
    }

    fn learning_rate(&self, base: f64, step: u64) -> f64 {
        let done = step.min(self.steps) as f64 / self.steps.max(1) as f64;
        base * (self.start + (self.end - self.start) * done)
    }

    fn validate(&self) -> Result<(), OptimError> {
        require_not_negative("Linear", "start", self.start)?;
        require_not_negative("Linear", "end", self.end)?;
        require(self.steps > 0, "Linear", "steps", 0.0, "at least 1")
    }
}
