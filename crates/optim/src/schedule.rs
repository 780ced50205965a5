//! The contract of learning-rate schedules.

use crate::OptimError;
use std::collections::BTreeMap;

/// Which learning rate is in force at which step.
///
/// A schedule counts in whatever unit its user does, batches or epochs; the first is 0, and `learning_rate(base, t)` is
/// in force during step t. Most are pure functions of t, so that nothing is to be saved and any step can be asked for.
/// Those that follow a metric are shown it after each step by [`Schedule::observe`] and keep what they concluded in
/// [`Schedule::state`].
///
/// The trait is object-safe: `Box<dyn Schedule>` is a schedule too.
pub trait Schedule: Send + Sync {
    /// The schedule's name, for messages.
    fn name(&self) -> &'static str;

    /// The learning rate in force during step `step`, for the base rate that the optimiser was given.
    fn learning_rate(&self, base: f64, step: u64) -> f64;

    /// The momentum that goes with it, for schedules that prescribe one: to be handed to [`crate::Optimizer::set_momentum`],
    /// as the trainer does.
    fn momentum(&self, step: u64) -> Option<f64> {
        let _ = step;
        None
    }

    /// Whether the settings make sense.
    ///
    /// # Errors
    /// [`OptimError::Setting`] with the first that does not.
    fn validate(&self) -> Result<(), OptimError>;

    /// Takes note of the metric that was measured after step `step`, in the schedule's own unit; not every step needs one.
    ///
    /// # Errors
    /// [`OptimError::NanMetric`], from schedules that follow the metric.
    fn observe(&mut self, step: u64, metric: f64) -> Result<Reaction, OptimError> {
        let _ = (step, metric);
        Ok(Reaction::None)
    }

    /// Whether [`Schedule::observe`] matters.
    fn follows_metric(&self) -> bool {
        false
    }

    /// What the schedule has concluded so far; empty for pure functions of the step.
    fn state(&self) -> ScheduleState {
        ScheduleState::new()
    }

    /// Takes up a state that was saved.
    ///
    /// # Errors
    /// [`OptimError::ScheduleState`] if an entry is missing or makes no sense.
    fn load_state(&mut self, state: &ScheduleState) -> Result<(), OptimError> {
        let _ = state;
        Ok(())
    }
}

/// What a schedule concluded from a metric.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reaction {
    /// The schedule does not follow metrics.
    #[default]
    None,
    /// The metric is the best so far.
    Improved,
    /// Not better, but it is too soon to act.
    Waiting,
    /// The learning rate was cut; it is in force from the next step on.
    Cut,
    /// All cuts are used up and the metric is on a plateau again: training may stop.
    Exhausted,
}

/// A schedule's state by name, for a checkpoint.
pub type ScheduleState = BTreeMap<String, f64>;

impl<S: Schedule + ?Sized> Schedule for Box<S> {
    fn name(&self) -> &'static str {
        (**self).name()
    }
    fn learning_rate(&self, base: f64, step: u64) -> f64 {
        (**self).learning_rate(base, step)
    }
    fn momentum(&self, step: u64) -> Option<f64> {
        (**self).momentum(step)
    }
    fn validate(&self) -> Result<(), OptimError> {
        (**self).validate()
    }
    fn observe(&mut self, step: u64, metric: f64) -> Result<Reaction, OptimError> {
        (**self).observe(step, metric)
    }
    fn follows_metric(&self) -> bool {
        (**self).follows_metric()
    }
    fn state(&self) -> ScheduleState {
        (**self).state()
    }
    fn load_state(&mut self, state: &ScheduleState) -> Result<(), OptimError> {
        (**self).load_state(state)
    }
}
