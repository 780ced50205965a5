//! A schedule from a closure.

use crate::{OptimError, Schedule};

/// `lr = base * f(t)`; PyTorch's `LambdaLR`.
///
/// ```
/// use kniff_optim::{Lambda, Schedule};
/// let schedule = Lambda(|t| 1.0 / (1.0 + t as f64));
/// assert_eq!(schedule.learning_rate(0.5, 1), 0.25);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Lambda<F>(
    /// The factor at each step.
    pub F,
);

impl<F: Fn(u64) -> f64 + Send + Sync> Schedule for Lambda<F> {
    fn name(&self) -> &'static str {
        "Lambda"
    }

    fn learning_rate(&self, base: f64, step: u64) -> f64 {
        base * (self.0)(step)
    }

    fn validate(&self) -> Result<(), OptimError> {
        Ok(())
    }
}
