//! A closure as a callback.

use crate::TrainError;
use crate::callback::{Callback, Control, View};
use kniff_nn::Module;
use kniff_tensor::Element;

/// Calls a closure after every epoch; what it returns decides whether the training goes on.
///
/// ```
/// use kniff_trainer::{Control, OnEpochEnd, View};
/// let callback = OnEpochEnd::new(|view: &View<'_>| {
///     if view.epoch == 3 { Control::stop("three are enough") } else { Control::Continue }
/// });
/// # fn is_callback(_: impl kniff_trainer::Callback) {}
/// # is_callback(callback);
/// ```
pub struct OnEpochEnd<F>(F);

impl<F: FnMut(&View<'_>) -> Control + Send> OnEpochEnd<F> {
    /// With this closure.
    pub fn new(f: F) -> Self {
        Self(f)
    }
}

impl<E: Element, F: FnMut(&View<'_>) -> Control + Send> Callback<E> for OnEpochEnd<F> {
    fn name(&self) -> &str {
        "OnEpochEnd"
    }

    fn epoch_end(&mut self, view: &View<'_>, _: &dyn Module<E>) -> Result<Control, TrainError> {
        Ok((self.0)(view))
    }
}
