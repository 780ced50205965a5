//! Gradient descent with momentum.

use crate::OptimError;
use crate::error::{require, require_rate};
use crate::pass::Pass;
use crate::rule::{Now, Rule, Update};
use kniff_tensor::Element;
use serde::{Deserialize, Serialize};

/// Gradient descent with momentum: `b = momentum * b + (1 - dampening) * g; p -= lr * b`.
///
/// PyTorch's form: the buffer starts as the first gradient, undamped, and the learning rate stands outside of it, so
/// that a change of rate acts at once. With the rate inside (`v = momentum * v - lr * g; p += v`, Sutskever and the
/// paper) the path is the same at a constant rate. In a steady direction the step grows to `lr / (1 - momentum)` times
/// the gradient: coming from plain [`Sgd`](crate::Sgd), divide the rate by ten for a momentum of 0.9.
///
/// Polyak: Some methods of speeding up the convergence of iteration methods, 1964.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Momentum {
    /// What is kept of the buffer, within 0..1 (0.9; PyTorch's default is 0, which is plain SGD).
    pub momentum: f64,
    /// How much less than the whole gradient goes into the buffer (0), after the first step.
    pub dampening: f64,
}

impl Default for Momentum {
    fn default() -> Self {
        Self { momentum: 0.9, dampening: 0.0 }
    }
}

impl Rule for Momentum {
    const NAME: &'static str = "Momentum";

    fn validate(&self) -> Result<(), OptimError> {
        require_rate(Self::NAME, "momentum", self.momentum)?;
        require((0.0..=1.0).contains(&self.dampening), Self::NAME, "dampening", self.dampening, "within 0 and 1")
    }

    fn with_momentum(&self, momentum: f64) -> Option<Self> {
        Some(Self { momentum, ..*self })
    }

    fn slots(&self) -> &'static [&'static str] {
        &["momentum_buffer"]
    }

    fn apply<E: Element>(&self, now: Now, pass: Pass<'_, E>) {
        let fresh = if now.step == 1 { 1.0 } else { 1.0 - self.dampening };
        pass.run(Step {
            rate: E::from_f64(now.learning_rate),
            momentum: E::from_f64(self.momentum),
            fresh: E::from_f64(fresh),
        });
    }
}

#[derive(Clone, Copy)]
struct Step<E> {
    rate: E,
    momentum: E,
    fresh: E,
}

impl<E: Element> Update<E, 1> for Step<E> {
    #[inline(always)]
    fn at(self, p: E, g: E, [b]: [E; 1]) -> (E, [E; 1]) {
        let b = self.momentum * b + self.fresh * g;
        (p - self.rate * b, [b])
    }
}
