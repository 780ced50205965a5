//! One schedule after another.

use crate::error::require;
use crate::{OptimError, Reaction, Schedule, ScheduleState};

/// The first schedule up to a step, the next from there on, and so on; each counts from 0 where it begins.
///
/// PyTorch's `SequentialLR`. A metric goes to the schedule that was in force in the step that it was measured after.
///
/// ```
/// use kniff_optim::{Cosine, Linear, Schedule, Sequence};
/// let schedule = Sequence::new(Linear::warmup(10)).then(10, Cosine::new(90));
/// assert_eq!(schedule.learning_rate(1.0, 9), 1.0);
/// assert_eq!(schedule.learning_rate(1.0, 55), 0.5);
/// ```
pub struct Sequence {
    parts: Vec<(u64, Box<dyn Schedule>)>,
}

impl Sequence {
    /// Begins with this schedule.
    pub fn new(first: impl Schedule + 'static) -> Self {
        Self { parts: vec![(0, Box::new(first))] }
    }

    /// Goes on with this schedule from step `at`, which must be above all earlier ones.
    #[must_use]
    pub fn then(mut self, at: u64, next: impl Schedule + 'static) -> Self {
        self.parts.push((at, Box::new(next)));
        self
    }

    fn part(&self, step: u64) -> usize {
        self.parts.iter().rposition(|&(from, _)| from <= step).unwrap_or(0)
    }
}

impl Schedule for Sequence {
    fn name(&self) -> &'static str {
        "Sequence"
    }

    fn learning_rate(&self, base: f64, step: u64) -> f64 {
        let (from, part) = &self.parts[self.part(step)];
        part.learning_rate(base, step - from)
    }

    fn momentum(&self, step: u64) -> Option<f64> {
        let (from, part) = &self.parts[self.part(step)];
        part.momentum(step - from)
    }

    fn validate(&self) -> Result<(), OptimError> {
        for pair in self.parts.windows(2) {
            require(
                pair[0].0 < pair[1].0,
                "Sequence",
                "at",
                pair[1].0 as f64,
                "above where the schedule before begins",
            )?;
        }
        self.parts.iter().try_for_each(|(_, part)| part.validate())
    }

    fn observe(&mut self, step: u64, metric: f64) -> Result<Reaction, OptimError> {
        let at = self.part(step);
        let (from, part) = &mut self.parts[at];
        part.observe(step - *from, metric)
    }

    fn follows_metric(&self) -> bool {
        self.parts.iter().any(|(_, part)| part.follows_metric())
    }

    fn state(&self) -> ScheduleState {
        let mut all = ScheduleState::new();
        for (k, (_, part)) in self.parts.iter().enumerate() {
            all.extend(part.state().into_iter().map(|(name, value)| (format!("{k}.{name}"), value)));
        }
        all
    }

    fn load_state(&mut self, state: &ScheduleState) -> Result<(), OptimError> {
        for (k, (_, part)) in self.parts.iter_mut().enumerate() {
            let prefix = format!("{k}.");
            let own = state.iter().filter_map(|(name, &v)| Some((name.strip_prefix(&prefix)?.to_owned(), v)));
            part.load_state(&own.collect())?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for Sequence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.parts.iter().map(|(from, part)| (from, part.name()))).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Constant, CutOnPlateau, Linear};

    fn sequence() -> Sequence {
        Sequence::new(Linear::warmup(2)).then(2, CutOnPlateau { patience: 0, ..CutOnPlateau::default() })
    }

    #[test]
    fn metrics_go_to_the_part_in_force_and_its_state_survives() {
        let mut schedule = sequence();
        assert!(schedule.follows_metric());
        let reactions: Vec<Reaction> = (0..4).map(|step| schedule.observe(step, 5.0).unwrap()).collect();
        assert_eq!(reactions, [Reaction::None, Reaction::None, Reaction::Improved, Reaction::Cut]);
        assert_eq!(schedule.learning_rate(1.0, 4), 0.1);
        let mut copy = sequence();
        copy.load_state(&schedule.state()).unwrap();
        assert_eq!(copy.state(), schedule.state());
        assert_eq!(copy.learning_rate(1.0, 4), 0.1);
        assert!(copy.load_state(&ScheduleState::new()).is_err());
    }

    #[test]
    fn a_metric_now_and_then_goes_to_the_part_of_its_step() {
        // Counted in batches, measured after every 100th.
        let mut schedule =
            Sequence::new(Linear::warmup(150)).then(150, CutOnPlateau { patience: 0, ..CutOnPlateau::default() });
        let reactions: Vec<Reaction> = [99, 199, 299].map(|step| schedule.observe(step, 5.0).unwrap()).to_vec();
        assert_eq!(reactions, [Reaction::None, Reaction::Improved, Reaction::Cut]);
    }

    #[test]
    fn parts_must_follow_each_other() {
        assert!(Sequence::new(Constant).then(5, Constant).then(5, Constant).validate().is_err());
    }
}
