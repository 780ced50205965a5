//! Decay with the root of time.

use crate::error::require;
use crate::{OptimError, Schedule};
use serde::{Deserialize, Serialize};

/// `lr = base * min(s / warmup, sqrt(warmup / s))` with `s = t + 1`: a straight rise to the base rate, reached at step
/// `warmup - 1`, then decay like `1/sqrt(t)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InverseSqrt {
    /// The number of warm-up steps, at least 1.
    pub warmup: u64,
}

impl Schedule for InverseSqrt {
    fn name(&self) -> &'static str {
        "InverseSqrt"
    }

    fn learning_rate(&self, base: f64, step: u64) -> f64 {
        let (s, warmup) = ((step + 1) as f64, self.warmup.max(1) as f64);
        base * (s / warmup).min((warmup / s).sqrt())
    }

    fn validate(&self) -> Result<(), OptimError> {
        require(self.warmup > 0, "InverseSqrt", "warmup", 0.0, "at least 1")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_points() {
        let s = InverseSqrt { warmup: 4 };
        assert_eq!([0, 3, 15].map(|t| s.learning_rate(1.0, t)), [0.25, 1.0, 0.5]);
    }
}
