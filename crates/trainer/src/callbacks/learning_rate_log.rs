//! The learning rate of every step, to look at afterwards.

use crate::callback::{Callback, Control, View};
use crate::{Memory, TrainError};
use kniff_nn::Module;
use kniff_tensor::Element;
use std::sync::{Arc, Mutex, PoisonError};

/// Notes the learning rate of every step; a clone reads what the one in the trainer wrote.
///
/// ```
/// use kniff_trainer::LearningRateLog;
/// let log = LearningRateLog::new();
/// // trainer.callback(log.clone()), then fit; then:
/// assert!(log.rates().is_empty());
/// ```
#[derive(Clone, Debug, Default)]
pub struct LearningRateLog {
    rates: Arc<Mutex<Vec<f64>>>,
}

impl LearningRateLog {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// The rate of each step so far, the first step first.
    pub fn rates(&self) -> Vec<f64> {
        self.rates.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl<E: Element> Callback<E> for LearningRateLog {
    fn name(&self) -> &str {
        "LearningRateLog"
    }

    fn memory(&self) -> Memory<E> {
        Memory::default().with("rates", &self.rates())
    }

    fn resume(&mut self, memory: &Memory<E>, _: &View<'_>, _: &dyn Module<E>) -> Result<(), TrainError> {
        *self.rates.lock().unwrap_or_else(PoisonError::into_inner) = memory.get("rates")?;
        Ok(())
    }

    fn batch_end(&mut self, view: &View<'_>, _: &dyn Module<E>) -> Result<Control, TrainError> {
        self.rates.lock().unwrap_or_else(PoisonError::into_inner).push(view.learning_rate);
        Ok(Control::Continue)
    }
}
