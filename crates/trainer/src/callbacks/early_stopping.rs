//! Early stopping: a training ends when it no longer gets better.

use crate::callback::{Callback, Control, View};
use crate::monitor::Watch;
use crate::{Memory, Monitor, TrainError};
use kniff_nn::{Module, ModuleExt};
use kniff_tensor::{Element, Tensor};

/// Ends a training when what it watches has not improved for `patience` epochs, and puts the best epoch's weights back.
///
/// The default watches the validation loss with a patience of 10 epochs and restores the best weights, batch norm's statistics
/// among them. Differs from Keras, where restoring is off unless asked for and happens only if the training was stopped:
/// here the best weights come back however it ends, after a failure too.
///
/// ```
/// use kniff_trainer::{EarlyStopping, Monitor};
/// let stopping: EarlyStopping = EarlyStopping::new(Monitor::valid("accuracy")).patience(5).min_delta(1e-3);
/// ```
#[derive(Clone, Debug)]
pub struct EarlyStopping<E: Element = f32> {
    watch: Watch,
    patience: usize,
    warm_up: usize,
    restore_best: bool,
    waited: usize,
    best: Option<Vec<(String, Tensor<E>)>>,
}

impl<E: Element> Default for EarlyStopping<E> {
    fn default() -> Self {
        Self::new(Monitor::ValidLoss)
    }
}

impl<E: Element> EarlyStopping<E> {
    /// Watches this; whether more or less of it is better, the metric knows.
    pub fn new(monitor: Monitor) -> Self {
        Self { watch: Watch::new(monitor), patience: 10, warm_up: 0, restore_best: true, waited: 0, best: None }
    }

    /// How many epochs without improvement end the training; at least 1.
    #[must_use]
    pub fn patience(mut self, epochs: usize) -> Self {
        self.patience = epochs;
        self
    }

    /// By how much the best value must be beaten to count.
    #[must_use]
    pub fn min_delta(mut self, delta: f64) -> Self {
        self.watch.min_delta = delta;
        self
    }

    /// Does not stop in the first epochs; what is best among them counts all the same.
    #[must_use]
    pub fn warm_up(mut self, epochs: usize) -> Self {
        self.warm_up = epochs;
        self
    }

    /// Whether the model gets the best epoch's weights back at the end.
    #[must_use]
    pub fn restore_best(mut self, yes: bool) -> Self {
        self.restore_best = yes;
        self
    }
}

impl<E: Element> Callback<E> for EarlyStopping<E> {
    fn name(&self) -> &str {
        "EarlyStopping"
    }

    fn fit_start(&mut self, view: &View<'_>, _: &dyn Module<E>) -> Result<(), TrainError> {
        if self.patience == 0 {
            let (what, expected) = ("EarlyStopping's patience", "at least 1 epoch");
            return Err(TrainError::Setting { what, expected, found: "0".into() });
        }
        if !(self.watch.min_delta.is_finite() && self.watch.min_delta >= 0.0) {
            let (what, expected) = ("EarlyStopping's min_delta", "finite and not negative");
            return Err(TrainError::Setting { what, expected, found: self.watch.min_delta.to_string() });
        }
        (self.waited, self.best) = (0, None);
        self.watch.start("EarlyStopping", view)
    }

    fn memory(&self) -> Memory<E> {
        let memory = self.watch.memory().with("waited", &self.waited);
        self.best.iter().fold(memory, |memory, best| memory.with_weights("best", best.clone()))
    }

    fn resume(&mut self, memory: &Memory<E>, view: &View<'_>, model: &dyn Module<E>) -> Result<(), TrainError> {
        self.fit_start(view, model)?;
        self.watch.load(memory)?;
        self.waited = memory.get("waited")?;
        self.best = memory.weights_of("best", &model.state())?;
        Ok(())
    }

    fn epoch_end(&mut self, view: &View<'_>, model: &dyn Module<E>) -> Result<Control, TrainError> {
        if self.watch.look(view) {
            self.waited = 0;
            if self.restore_best {
                self.best = Some(model.state());
            }
            return Ok(Control::Continue);
        }
        self.waited = self.waited.saturating_add(1);
        if self.waited < self.patience || view.epoch <= self.warm_up {
            return Ok(Control::Continue);
        }
        let epochs = if self.waited == 1 { "epoch" } else { "epochs" };
        Ok(Control::Stop(format!("{} has not improved for {} {epochs}", self.watch.monitor, self.waited)))
    }

    fn fit_end(&mut self, view: &View<'_>, model: &mut dyn Module<E>) -> Result<Option<usize>, TrainError> {
        restore(&self.watch, self.best.take(), view, model)
    }
}

/// Puts the best weights back unless the model has them: gives their epoch.
pub(super) fn restore<E: Element>(
    watch: &Watch,
    best: Option<Vec<(String, Tensor<E>)>>,
    view: &View<'_>,
    model: &mut dyn Module<E>,
) -> Result<Option<usize>, TrainError> {
    let (Some(best), Some((_, epoch))) = (best, watch.best) else { return Ok(None) };
    if epoch == view.epoch {
        return Ok(None);
    }
    model.load_state(&best).map_err(|e| TrainError::Callback {
        callback: "putting the best weights back".into(),
        reason: e.to_string(),
    })?;
    Ok(Some(epoch))
}
