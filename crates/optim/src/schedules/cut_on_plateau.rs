//! Cuts when the metric stops getting better: the lecture's closing policy.

use crate::error::{MOST_STEPS, require, require_not_negative};
use crate::{OptimError, Reaction, Schedule, ScheduleState};
use serde::{Deserialize, Serialize};

/// Whether a smaller or a larger metric is better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// A loss.
    #[default]
    Min,
    /// An accuracy.
    Max,
}

/// By how much the best metric must be beaten to count.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Threshold {
    /// `best * (1 - t)`, or `best * (1 + t)` where larger is better. Made for metrics above 0.
    Relative(f64),
    /// `best - t` or `best + t`.
    Absolute(f64),
}

/// Multiplies the rate by `factor` when the metric has not improved for more than `patience` observations.
///
/// The lecture: once converged, divide by ten, go on for a few epochs, do this one to three times, then stop. And: not
/// too soon, for progress is slow afterwards. So `max_cuts` ends it: the next plateau after the last cut is
/// [`Reaction::Exhausted`], on which a trainer stops. PyTorch's `ReduceLROnPlateau` with its defaults otherwise, and
/// the same rates. Differs from PyTorch: a NaN metric, which is never better than any other, counts there as "no
/// improvement" and cuts the rate of a run that has diverged; here it is an error, or passed over with `ignore_nan`.
///
/// ```
/// use kniff_optim::{CutOnPlateau, Reaction, Schedule};
/// let mut schedule = CutOnPlateau { patience: 1, ..CutOnPlateau::default() };
/// for (metric, reaction) in [(1.0, Reaction::Improved), (1.0, Reaction::Waiting), (1.0, Reaction::Cut)] {
///     assert_eq!(schedule.observe(0, metric)?, reaction);
/// }
/// assert_eq!(schedule.learning_rate(0.5, 3), 0.05);
/// # Ok::<(), kniff_optim::OptimError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CutOnPlateau {
    /// Which metrics are better (smaller ones).
    pub mode: Mode,
    /// What a cut multiplies by (0.1).
    pub factor: f64,
    /// How many observations without improvement are still waited through (10).
    pub patience: u64,
    /// What counts as an improvement (relative, 1e-4).
    pub threshold: Threshold,
    /// Observations after a cut that do not count (0).
    pub cooldown: u64,
    /// No rate below this (0).
    pub min_lr: f64,
    /// A cut that would change the rate by no more than this is left out (1e-8).
    pub min_change: f64,
    /// How many cuts there are at most (3, the lecture's; PyTorch has no limit: `u64::MAX`).
    pub max_cuts: u64,
    /// Whether a NaN metric is passed over; otherwise it is an error (no).
    pub ignore_nan: bool,
    /// What was seen so far.
    #[serde(default)]
    pub progress: Progress,
}

/// What a [`CutOnPlateau`] has seen so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    best: Option<f64>,
    bad: u64,
    cooling: u64,
    cuts: u64,
}

impl Default for CutOnPlateau {
    fn default() -> Self {
        Self {
            mode: Mode::Min,
            factor: 0.1,
            patience: 10,
            threshold: Threshold::Relative(1e-4),
            cooldown: 0,
            min_lr: 0.0,
            min_change: 1e-8,
            max_cuts: 3,
            ignore_nan: false,
            progress: Progress::default(),
        }
    }
}

const NAME: &str = "CutOnPlateau";
/// More cuts than leave anything of a rate; each is counted out at every step.
const MOST_CUTS: u64 = 1 << 20;

impl CutOnPlateau {
    /// How many cuts were made.
    pub fn cuts(&self) -> u64 {
        self.progress.cuts
    }

    /// The best metric so far.
    pub fn best(&self) -> Option<f64> {
        self.progress.best
    }

    fn is_better(&self, metric: f64, best: f64) -> bool {
        match (self.mode, self.threshold) {
            (Mode::Min, Threshold::Relative(t)) => metric < best * (1.0 - t),
            (Mode::Min, Threshold::Absolute(t)) => metric < best - t,
            (Mode::Max, Threshold::Relative(t)) => metric > best * (1.0 + t),
            (Mode::Max, Threshold::Absolute(t)) => metric > best + t,
        }
    }
}

impl Schedule for CutOnPlateau {
    fn name(&self) -> &'static str {
        NAME
    }

    fn learning_rate(&self, base: f64, _: u64) -> f64 {
        let mut rate = base;
        for _ in 0..self.progress.cuts {
            let lower = (rate * self.factor).max(self.min_lr);
            if rate - lower <= self.min_change {
                break; // And so would every later cut be left out.
            }
            rate = lower;
        }
        rate
    }

    fn validate(&self) -> Result<(), OptimError> {
        require(self.factor > 0.0 && self.factor < 1.0, NAME, "factor", self.factor, "above 0 and below 1")?;
        let (Threshold::Relative(threshold) | Threshold::Absolute(threshold)) = self.threshold;
        require_not_negative(NAME, "threshold", threshold)?;
        require_not_negative(NAME, "min_lr", self.min_lr)?;
        require_not_negative(NAME, "min_change", self.min_change)?;
        let cuts = self.progress.cuts;
        require(cuts <= MOST_CUTS, NAME, "the number of cuts made", cuts as f64, "at most 2^20")
    }

    fn observe(&mut self, _step: u64, metric: f64) -> Result<Reaction, OptimError> {
        if metric.is_nan() {
            return if self.ignore_nan { Ok(Reaction::Waiting) } else { Err(OptimError::NanMetric { schedule: NAME }) };
        }
        let better = self.progress.best.is_none_or(|best| self.is_better(metric, best));
        let seen = &mut self.progress;
        if better {
            seen.best = Some(metric);
            seen.bad = 0;
        } else {
            // What was seen may come from a file.
            seen.bad = seen.bad.saturating_add(1);
        }
        if seen.cooling > 0 {
            seen.cooling -= 1;
            seen.bad = 0;
        }
        if seen.bad > self.patience {
            seen.bad = 0;
            if seen.cuts >= self.max_cuts {
                return Ok(Reaction::Exhausted);
            }
            seen.cuts += 1;
            seen.cooling = self.cooldown;
            return Ok(Reaction::Cut);
        }
        Ok(if better { Reaction::Improved } else { Reaction::Waiting })
    }

    fn follows_metric(&self) -> bool {
        true
    }

    fn state(&self) -> ScheduleState {
        let seen = &self.progress;
        let mut state: ScheduleState = [("bad", seen.bad), ("cooling", seen.cooling), ("cuts", seen.cuts)]
            .into_iter()
            .map(|(name, count)| (name.to_owned(), count as f64))
            .collect();
        state.extend(seen.best.map(|best| ("best".to_owned(), best)));
        state
    }

    fn load_state(&mut self, state: &ScheduleState) -> Result<(), OptimError> {
        let count = |entry: &str| match state.get(entry) {
            Some(&n) if (0.0..=MOST_STEPS as f64).contains(&n) && n.fract() == 0.0 => Ok(n as u64),
            _ => Err(OptimError::ScheduleState { schedule: NAME, entry: entry.to_owned() }),
        };
        let best = state.get("best").copied();
        if count("cuts")? > MOST_CUTS {
            return Err(OptimError::ScheduleState { schedule: NAME, entry: "cuts".to_owned() });
        }
        self.progress = Progress { best, bad: count("bad")?, cooling: count("cooling")?, cuts: count("cuts")? };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_the_last_cut_it_says_stop() {
        let mut schedule = CutOnPlateau { patience: 0, max_cuts: 2, ..CutOnPlateau::default() };
        let reactions: Vec<Reaction> = (0..4).map(|_| schedule.observe(0, 1.0).unwrap()).collect();
        assert_eq!(reactions, [Reaction::Improved, Reaction::Cut, Reaction::Cut, Reaction::Exhausted]);
        assert!((schedule.learning_rate(1.0, 4) - 0.01).abs() < 1e-15);
    }

    #[test]
    fn nan_never_counts_as_no_improvement() {
        let mut schedule = CutOnPlateau { patience: 0, ..CutOnPlateau::default() };
        schedule.observe(0, 1.0).unwrap();
        assert_eq!(schedule.observe(0, f64::NAN), Err(OptimError::NanMetric { schedule: NAME }));
        schedule.ignore_nan = true;
        assert_eq!(schedule.observe(0, f64::NAN), Ok(Reaction::Waiting));
        assert_eq!(schedule.cuts(), 0);
    }

    #[test]
    fn it_survives_a_checkpoint_both_ways() {
        let mut schedule = CutOnPlateau { patience: 2, cooldown: 1, ..CutOnPlateau::default() };
        for metric in [3.0, 2.0, 2.5, 2.5] {
            schedule.observe(0, metric).unwrap();
        }
        let text = serde_json::to_string(&schedule).unwrap();
        assert_eq!(serde_json::from_str::<CutOnPlateau>(&text).unwrap(), schedule);
        let mut other = CutOnPlateau { patience: 2, cooldown: 1, ..CutOnPlateau::default() };
        other.load_state(&schedule.state()).unwrap();
        assert_eq!(other.observe(0, 2.5), Ok(Reaction::Cut));
    }
}
