//! An optimiser of any rule, as the trainer uses it.

use kniff_autograd::{Gradients, Parameter};
use kniff_nn::{Module, Path, VisitorMut};
use kniff_optim::{OptimError, Optimizer, OptimizerState, Rule, StepReport};
use kniff_tensor::Element;

/// What the trainer asks of an optimiser; the rule is not part of its type.
pub(crate) trait Stepper<E: Element>: Send {
    fn learning_rate(&self) -> f64;
    fn set_learning_rate(&mut self, rate: f64);
    fn set_momentum(&mut self, momentum: f64);
    fn validate(&self) -> Result<(), OptimError>;
    fn step(
        &mut self,
        model: &mut dyn Module<E>,
        path: &mut Path,
        gradients: &Gradients<E>,
    ) -> Result<StepReport, OptimError>;
    fn reset(&mut self);
    fn state(&self) -> OptimizerState<E>;
    fn load_state(&mut self, state: OptimizerState<E>) -> Result<(), OptimError>;
}

impl<R: Rule, E: Element> Stepper<E> for Optimizer<R, E> {
    fn learning_rate(&self) -> f64 {
        Optimizer::learning_rate(self)
    }

    fn set_learning_rate(&mut self, rate: f64) {
        Optimizer::set_learning_rate(self, rate);
    }

    fn set_momentum(&mut self, momentum: f64) {
        // A rule without momentum is left as it is.
        Optimizer::set_momentum(self, momentum);
    }

    fn validate(&self) -> Result<(), OptimError> {
        Optimizer::validate(self)
    }

    fn step(
        &mut self,
        model: &mut dyn Module<E>,
        path: &mut Path,
        gradients: &Gradients<E>,
    ) -> Result<StepReport, OptimError> {
        self.step_with(gradients, |visit| model.visit_mut(path, &mut Each(visit)))
    }

    fn reset(&mut self) {
        Optimizer::reset(self);
    }

    fn state(&self) -> OptimizerState<E> {
        Optimizer::state(self)
    }

    fn load_state(&mut self, state: OptimizerState<E>) -> Result<(), OptimError> {
        Optimizer::load_state(self, state)
    }
}

/// Hands every parameter on.
struct Each<'f, E: Element>(&'f mut dyn FnMut(&str, &mut Parameter<E>));

impl<'a, E: Element> VisitorMut<'a, E> for Each<'_, E> {
    fn parameter(&mut self, path: &Path, parameter: &'a mut Parameter<E>) {
        (self.0)(path.as_str(), parameter);
    }
}
