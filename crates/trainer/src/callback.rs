//! The contract of a callback: what sees a training while it goes on, and may end it.

use crate::{History, Memory, Monitor, TrainError};
use kniff_nn::Module;
use kniff_tensor::Element;

/// Sees a training at its turning points.
///
/// All of it is optional; what is not written does nothing and costs nothing. A callback that panics has failed: the training ends
/// with [`TrainError::Callback`] and the panic's message, and the last checkpoint stays.
///
/// ```
/// use kniff_nn::Module;
/// use kniff_trainer::{Callback, Control, TrainError, View};
///
/// /// Ends the training when the loss is small enough.
/// struct Enough(f64);
///
/// impl Callback for Enough {
///     fn name(&self) -> &str {
///         "Enough"
///     }
///     fn epoch_end(&mut self, view: &View<'_>, _: &dyn Module) -> Result<Control, TrainError> {
///         let reached = view.history.last().is_some_and(|epoch| epoch.train_loss < self.0);
///         Ok(if reached { Control::stop("the loss is small enough") } else { Control::Continue })
///     }
/// }
/// ```
pub trait Callback<E: Element = f32>: Send {
    /// The name, for messages.
    fn name(&self) -> &str {
        "a callback"
    }

    /// Before the first epoch: the place to refuse settings that do not fit.
    ///
    /// # Errors
    /// Whatever keeps the training from beginning.
    fn fit_start(&mut self, view: &View<'_>, model: &dyn Module<E>) -> Result<(), TrainError> {
        let _ = (view, model);
        Ok(())
    }

    /// What it remembers of the training so far, for a checkpoint; a callback without a memory leaves this as it is.
    fn memory(&self) -> Memory<E> {
        Memory::default()
    }

    /// In the place of [`Callback::fit_start`] when a training is resumed: takes back what [`Callback::memory`] gave, so that all goes on
    /// as if it had not been interrupted.
    ///
    /// # Errors
    /// Whatever keeps the training from going on.
    fn resume(&mut self, memory: &Memory<E>, view: &View<'_>, model: &dyn Module<E>) -> Result<(), TrainError> {
        let _ = memory;
        self.fit_start(view, model)
    }

    /// Before an epoch.
    ///
    /// # Errors
    /// Whatever ends the training.
    fn epoch_start(&mut self, view: &View<'_>, model: &dyn Module<E>) -> Result<(), TrainError> {
        let _ = (view, model);
        Ok(())
    }

    /// After a step. It runs for every batch: keep it short.
    ///
    /// # Errors
    /// Whatever ends the training.
    fn batch_end(&mut self, view: &View<'_>, model: &dyn Module<E>) -> Result<Control, TrainError> {
        let _ = (view, model);
        Ok(Control::Continue)
    }

    /// After an epoch and its validation; the history's last epoch is this one.
    ///
    /// # Errors
    /// Whatever ends the training.
    fn epoch_end(&mut self, view: &View<'_>, model: &dyn Module<E>) -> Result<Control, TrainError> {
        let _ = (view, model);
        Ok(Control::Continue)
    }

    /// Whether [`Callback::fit_end`] is about to put weights into the model that are those of no one epoch. Such a callback comes last,
    /// after all that bring back an epoch.
    fn replaces(&self) -> bool {
        false
    }

    /// When the training is over, whether it went to its end or failed. May put other weights into the model; then gives the
    /// epoch that they are from.
    ///
    /// # Errors
    /// Whatever keeps the training from ending well.
    fn fit_end(&mut self, view: &View<'_>, model: &mut dyn Module<E>) -> Result<Option<usize>, TrainError> {
        let _ = (view, model);
        Ok(None)
    }
}

/// Whether a training goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Control {
    /// It does.
    #[default]
    Continue,
    /// It ends here, for this reason.
    Stop(String),
}

impl Control {
    /// To stop, for a reason.
    pub fn stop(reason: &str) -> Self {
        Self::Stop(reason.to_owned())
    }
}

/// Where a training is.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The epoch that is under way or has just ended, counted from 1; before the first one, 0.
    pub epoch: usize,
    /// The last epoch, if nothing stops the training before.
    pub epochs: usize,
    /// How many steps have been made.
    pub step: usize,
    /// The loss of the last step; NaN before the first.
    pub loss: f64,
    /// The learning rate of the last step, or of the first if there was none yet.
    pub learning_rate: f64,
    /// The epochs that have ended.
    pub history: &'a History,
    pub(crate) validates: bool,
    /// The metrics and whether more is better.
    pub(crate) metrics: &'a [(String, bool)],
}

impl View<'_> {
    /// What is monitored, in the epoch that ended last.
    pub fn value(&self, monitor: &Monitor) -> Option<f64> {
        self.history.last()?.get(monitor)
    }

    /// Whether there are validation data.
    pub fn validates(&self) -> bool {
        self.validates
    }

    /// Whether more is better of what is monitored; `who` asks, for the message.
    ///
    /// # Errors
    /// If there is nothing of the kind in this training: no validation data, or no metric of that name.
    pub fn higher_is_better(&self, who: &str, monitor: &Monitor) -> Result<bool, TrainError> {
        let missing = |reason: String| TrainError::Monitor { who: who.to_owned(), monitor: monitor.clone(), reason };
        if monitor.needs_validation() && !self.validates {
            return Err(missing("there are no validation data; hand some to fit, or watch the training loss".into()));
        }
        let (Monitor::Train(name) | Monitor::Valid(name)) = monitor else { return Ok(false) };
        match self.metrics.iter().find(|(known, _)| known == name) {
            Some((_, higher_is_better)) => Ok(*higher_is_better),
            None => {
                let known: Vec<&str> = self.metrics.iter().map(|(name, _)| name.as_str()).collect();
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                Err(missing(format!("the trainer has no metric of that name; it has: {known}")))
            }
        }
    }
}
