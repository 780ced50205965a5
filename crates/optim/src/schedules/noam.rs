//! The transformer's schedule.

use crate::error::require;
use crate::{OptimError, Schedule};
use serde::{Deserialize, Serialize};

/// `lr = base * d_model^-0.5 * min(s^-0.5, s * warmup^-1.5)` with `s = t + 1`; the paper's base is 1.
///
/// Vaswani et al.: Attention is all you need, 2017. For the same curve in units of its peak see
/// [`InverseSqrt`](crate::InverseSqrt).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Noam {
    /// The model's width, at least 1.
    pub d_model: u64,
    /// The number of warm-up steps, at least 1 (4000).
    pub warmup: u64,
}

impl Schedule for Noam {
    fn name(&self) -> &'static str {
        "Noam"
    }

    fn learning_rate(&self, base: f64, step: u64) -> f64 {
        let (s, warmup) = ((step + 1) as f64, self.warmup.max(1) as f64);
        base / (self.d_model.max(1) as f64).sqrt() * s.sqrt().recip().min(s * warmup.powf(-1.5))
    }

    fn validate(&self) -> Result<(), OptimError> {
        require(self.d_model > 0, "Noam", "d_model", 0.0, "at least 1")?;
        require(self.warmup > 0, "Noam", "warmup", 0.0, "at least 1")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_peaks_after_the_warmup() {
        let noam = Noam { d_model: 512, warmup: 4000 };
        let peak = noam.learning_rate(1.0, 3999);
        assert!((peak - 1.0 / (512.0_f64 * 4000.0).sqrt()).abs() < 1e-12);
        assert!(noam.learning_rate(1.0, 3998) < peak && noam.learning_rate(1.0, 4000) < peak);
    }
}
