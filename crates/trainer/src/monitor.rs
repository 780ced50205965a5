//! Which number of an epoch is watched: by early stopping, by a schedule, by what keeps the best weights.

use crate::callback::View;
use crate::{Memory, TrainError};
use kniff_tensor::Element;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A number that every epoch of a training has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Monitor {
    /// The loss on the training batches.
    TrainLoss,
    /// The loss on the validation data.
    #[default]
    ValidLoss,
    /// A metric, by its name, on the training batches.
    Train(String),
    /// A metric, by its name, on the validation data.
    Valid(String),
}

impl Monitor {
    /// A metric on the training batches.
    pub fn train(metric: &str) -> Self {
        Self::Train(metric.to_owned())
    }

    /// A metric on the validation data.
    pub fn valid(metric: &str) -> Self {
        Self::Valid(metric.to_owned())
    }

    /// Whether it takes validation data.
    pub fn needs_validation(&self) -> bool {
        matches!(self, Self::ValidLoss | Self::Valid(_))
    }
}

impl fmt::Display for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TrainLoss => f.write_str("the training loss"),
            Self::ValidLoss => f.write_str("the validation loss"),
            Self::Train(name) => write!(f, "the training {name}"),
            Self::Valid(name) => write!(f, "the validation {name}"),
        }
    }
}

/// The best value of a monitor so far.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    pub(crate) monitor: Monitor,
    /// By how much the best value must be beaten to count.
    pub(crate) min_delta: f64,
    /// The best value and its epoch.
    pub(crate) best: Option<(f64, usize)>,
    higher_is_better: bool,
}

impl Watch {
    pub(crate) fn new(monitor: Monitor) -> Self {
        Self { monitor, min_delta: 0.0, best: None, higher_is_better: false }
    }

    /// The best value so far and its epoch, remembered.
    pub(crate) fn memory<E: Element>(&self) -> Memory<E> {
        Memory::default().with("best", &self.best)
    }

    /// Goes on from what was remembered; after [`Watch::start`].
    pub(crate) fn load<E: Element>(&mut self, memory: &Memory<E>) -> Result<(), TrainError> {
        self.best = memory.get("best")?;
        Ok(())
    }

    /// Makes sure that there is something to watch, and forgets what was seen.
    pub(crate) fn start(&mut self, who: &str, view: &View<'_>) -> Result<(), TrainError> {
        self.higher_is_better = view.higher_is_better(who, &self.monitor)?;
        self.best = None;
        Ok(())
    }

    /// Looks at the epoch that has just ended: whether it is the best one.
    pub(crate) fn look(&mut self, view: &View<'_>) -> bool {
        let Some(value) = view.value(&self.monitor).filter(|v| !v.is_nan()) else { return false };
        let better = self.best.is_none_or(|(best, _)| {
            if self.higher_is_better { value > best + self.min_delta } else { value < best - self.min_delta }
        });
        if better {
            self.best = Some((value, view.epoch));
        }
        better
    }
}
