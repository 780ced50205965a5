//! The closing policy in a training: cut, go on for a few epochs, stop; with the best weights before each of them.

use crate::{Monitor, TrainError, View};
use kniff_optim::{Action, Closing, ClosingProgress, ClosingRecord, Mode, OptimError, PlateauTest};
use kniff_tensor::{Element, Tensor};
use serde::{Deserialize, Serialize};

/// How a training is brought to its end: once a plateau is proven, the rate is cut by ten, for a few epochs, one to three times, then
/// it stops.
///
/// The decision is a [`Closing`]'s, with its test against the noise of the epochs; the training loss's noise is known from its
/// batches too. Before each cut the model gets the best weights so far back, and so at the end. The optimiser's averages stay:
/// they are a few epochs ahead of the weights then, and forgetting them would be worse (AdaGrad would start over at its full
/// rate). Each decision is in the history with its evidence ([`EpochRecord::closing`](crate::EpochRecord::closing));
/// cuts and the end are told. It may go with a schedule that follows no metric, whose rate it multiplies.
///
/// Called again after the end, [`Trainer::fit`](crate::Trainer::fit) begins anew at the full rate; before it, it goes on.
///
/// ```
/// use kniff_trainer::{ClosingPolicy, Monitor};
/// let policy = ClosingPolicy::new().cuts(3).epochs_each(4).monitor(Monitor::valid("accuracy"));
/// let text = serde_json::to_string(&policy).unwrap();
/// assert_eq!(serde_json::from_str::<ClosingPolicy>(&text).unwrap(), policy);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClosingPolicy {
    closing: Closing,
    monitor: Option<Monitor>,
}

impl ClosingPolicy {
    /// Two cuts of five epochs each; watches the validation loss, or the training loss where there are no validation data.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many cuts (2; the lecture has 1 to 3).
    #[must_use]
    pub fn cuts(mut self, cuts: usize) -> Self {
        self.closing.cuts = cuts;
        self
    }

    /// What a cut multiplies the rate by (0.1).
    #[must_use]
    pub fn factor(mut self, factor: f64) -> Self {
        self.closing.factor = factor;
        self
    }

    /// How many epochs each cut rate has at least (5); more while the loss falls beyond chance.
    #[must_use]
    pub fn epochs_each(mut self, epochs: usize) -> Self {
        self.closing.epochs_each = epochs;
        self
    }

    /// How many epochs there are at least before the first cut.
    #[must_use]
    pub fn min_epochs(mut self, epochs: usize) -> Self {
        self.closing.min_epochs = epochs;
        self
    }

    /// What tells a plateau: which progress is worth waiting for, how sure it must be, in which windows.
    #[must_use]
    pub fn test(mut self, test: PlateauTest) -> Self {
        self.closing.test = test;
        self
    }

    /// What is watched.
    #[must_use]
    pub fn monitor(mut self, monitor: Monitor) -> Self {
        self.monitor = Some(monitor);
        self
    }

    /// Passes over epochs in which what is watched is not a number, instead of failing. They are no reason to cut.
    #[must_use]
    pub fn ignore_nan(mut self) -> Self {
        self.closing.ignore_nan = true;
        self
    }

    /// The decision's settings and what it has seen.
    pub fn closing(&self) -> &Closing {
        &self.closing
    }
}

/// A policy at work, with the best weights.
pub(crate) struct Closer<E: Element> {
    pub(crate) policy: ClosingPolicy,
    watched: Monitor,
    best: Option<Best<E>>,
}

/// Parameters and buffers by name.
type State<E> = [(String, Tensor<E>)];

/// The best value, its epoch and its weights.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound = "")]
struct Best<E: Element> {
    value: f64,
    epoch: usize,
    state: Vec<(String, Tensor<E>)>,
}

/// What a policy at work remembers, for a checkpoint.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound = "")]
pub(crate) struct ClosingMemory<E: Element> {
    progress: ClosingProgress,
    best: Option<Best<E>>,
}

impl<E: Element> ClosingMemory<E> {
    /// The best weights.
    pub(crate) fn best(&self) -> Option<&State<E>> {
        self.best.as_ref().map(|best| best.state.as_slice())
    }
}

impl<E: Element> Closer<E> {
    pub(crate) fn new(policy: ClosingPolicy) -> Self {
        Self { policy, watched: Monitor::default(), best: None }
    }

    /// What it remembers.
    pub(crate) fn memory(&self) -> ClosingMemory<E> {
        ClosingMemory { progress: self.policy.closing.progress.clone(), best: self.best.clone() }
    }

    /// Whether what was remembered fits the settings.
    pub(crate) fn check(&self, memory: &ClosingMemory<E>) -> Result<(), OptimError> {
        Closing { progress: memory.progress.clone(), ..self.policy.closing.clone() }.validate()
    }

    /// Goes on from what was remembered.
    pub(crate) fn load(&mut self, memory: &ClosingMemory<E>) {
        (self.policy.closing.progress, self.best) = (memory.progress.clone(), memory.best.clone());
    }

    /// The settings in a line.
    pub(crate) fn describe(&self) -> String {
        let settings = ClosingPolicy {
            closing: Closing {
                progress: ClosingProgress::default(),
                mode: Mode::default(),
                ..self.policy.closing.clone()
            },
            monitor: self.policy.monitor.clone(),
        };
        format!("{settings:?}")
    }

    /// The rate after the cuts.
    pub(crate) fn rate(&self, base: f64) -> f64 {
        self.policy.closing.learning_rate(base)
    }

    /// Makes sure that there is something to watch. What has ended begins anew, unless it is resumed.
    pub(crate) fn start(&mut self, view: &View<'_>, resumed: bool) -> Result<(), TrainError> {
        let usual = if view.validates() { Monitor::ValidLoss } else { Monitor::TrainLoss };
        self.watched = self.policy.monitor.clone().unwrap_or(usual);
        let higher = view.higher_is_better("the closing policy", &self.watched)?;
        let closing = &mut self.policy.closing;
        closing.mode = if higher { Mode::Max } else { Mode::Min };
        if closing.is_finished() && !resumed {
            (closing.progress, self.best) = (ClosingProgress::default(), None);
        }
        Ok(())
    }

    /// Looks at the epoch that has just ended and at its weights; decides.
    pub(crate) fn look(&mut self, view: &View<'_>, state: &[(String, Tensor<E>)]) -> Result<ClosingRecord, OptimError> {
        let value = view.value(&self.watched).unwrap_or(f64::NAN);
        let closing = &mut self.policy.closing;
        let better = |best: f64| if closing.mode == Mode::Max { value > best } else { value < best };
        if !value.is_nan() && self.best.as_ref().is_none_or(|best| better(best.value)) {
            self.best = Some(Best { value, epoch: view.epoch, state: state.to_vec() });
        }
        let known = (self.watched == Monitor::TrainLoss).then(|| view.history.last()?.train_loss_error).flatten();
        closing.observe(value, known)
    }

    /// The best weights and their epoch, unless they are those of `epoch`.
    pub(crate) fn best_before(&self, epoch: usize) -> Option<(&State<E>, usize)> {
        self.best.as_ref().filter(|best| best.epoch != epoch).map(|best| (best.state.as_slice(), best.epoch))
    }

    /// The line for people, of a cut or the end.
    pub(crate) fn line(&self, record: &ClosingRecord) -> Option<String> {
        let best = self.best.as_ref().map(|b| format!("; best {} {:.4} in epoch {}", self.watched, b.value, b.epoch));
        (record.action != Action::Wait).then(|| format!("{record}{}", best.unwrap_or_default()))
    }
}
