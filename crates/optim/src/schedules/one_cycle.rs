//! Up to a high rate and down to almost nothing, with the momentum going the other way.

use super::cosine::wave;
use crate::error::{require, require_positive, require_rate};
use crate::{OptimError, Schedule};
use serde::{Deserialize, Serialize};

/// How a [`OneCycle`] gets from one rate to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Anneal {
    /// Along half a cosine wave.
    #[default]
    Cosine,
    /// In a straight line.
    Linear,
}

/// The one-cycle policy: from `base / div_factor` up to the base rate, then down to `base / div_factor /
/// final_div_factor`; the base rate is the largest.
///
/// The momentum goes the other way: down while the rate rises, up while it falls. It takes the place of that of the rule
/// (beta1 for Adam and its kin); a rule without one, such as SGD, has nothing to set, where PyTorch refuses it.
///
/// Smith, Topin: Super-convergence, 2018; PyTorch's `OneCycleLR`, with its defaults. With `three_phase` the rate first
/// comes back to where it started, as long as the rise took, and falls to the end from there.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct OneCycle {
    /// All steps, at least 2; the last rate stays afterwards.
    pub total_steps: u64,
    /// The share of steps that the rise takes (0.3).
    pub rise: f64,
    /// The form of rise and fall (cosine).
    pub anneal: Anneal,
    /// The base rate over the first (25).
    pub div_factor: f64,
    /// The first rate over the last (10,000).
    pub final_div_factor: f64,
    /// Whether the fall pauses at the first rate (no).
    pub three_phase: bool,
    /// The momentum at the highest rate (0.85).
    pub base_momentum: f64,
    /// The momentum at the lowest rates (0.95).
    pub max_momentum: f64,
}

impl OneCycle {
    /// PyTorch's defaults over this many steps.
    pub fn new(total_steps: u64) -> Self {
        Self {
            total_steps,
            rise: 0.3,
            anneal: Anneal::Cosine,
            div_factor: 25.0,
            final_div_factor: 1e4,
            three_phase: false,
            base_momentum: 0.85,
            max_momentum: 0.95,
        }
    }

    /// Where in which phase a step lies: the values of the phase's two ends, and how far it is between them.
    fn at(&self, step: u64, start: f64, top: f64, end: f64) -> f64 {
        let total = self.total_steps as f64;
        let rise = self.rise * total - 1.0;
        let last = total - 1.0;
        let two = [(rise, start, top), (last, top, end), (last, end, end)];
        let three = [(rise, start, top), (2.0 * rise, top, start), (last, start, end)];
        let (t, mut from) = ((step as f64).min(last), 0.0);
        for (k, (until, a, b)) in (if self.three_phase { three } else { two }).into_iter().enumerate() {
            if t <= until || k == 2 {
                let done = if until > from { (t - from) / (until - from) } else { 1.0 };
                return match self.anneal {
                    Anneal::Cosine => wave(a, b, done),
                    Anneal::Linear => a + (b - a) * done,
                };
            }
            from = until;
        }
        end
    }
}

impl Schedule for OneCycle {
    fn name(&self) -> &'static str {
        "OneCycle"
    }

    fn learning_rate(&self, base: f64, step: u64) -> f64 {
        let start = base / self.div_factor;
        self.at(step, start, base, start / self.final_div_factor)
    }

    fn momentum(&self, step: u64) -> Option<f64> {
        Some(self.at(step, self.max_momentum, self.base_momentum, self.max_momentum))
    }

    fn validate(&self) -> Result<(), OptimError> {
        const NAME: &str = "OneCycle";
        require(self.total_steps > 1, NAME, "total_steps", self.total_steps as f64, "at least 2")?;
        let most = if self.three_phase { 0.5 } else { 1.0 };
        require(
            self.rise > 0.0 && self.rise <= most,
            NAME,
            "rise",
            self.rise,
            "above 0, and at most 1 (three phases: 0.5)",
        )?;
        require_positive(NAME, "div_factor", self.div_factor)?;
        require_positive(NAME, "final_div_factor", self.final_div_factor)?;
        require_rate(NAME, "base_momentum", self.base_momentum)?;
        require_rate(NAME, "max_momentum", self.max_momentum)
    }
}
