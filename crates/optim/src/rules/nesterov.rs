//! Nesterov's accelerated gradient.

use crate::OptimError;
use crate::error::require_rate;
use crate::pass::Pass;
use crate::rule::{Now, Rule, Update};
use kniff_tensor::Element;
use serde::{Deserialize, Serialize};

/// Nesterov's accelerated gradient: `b = momentum * b + g; p -= lr * (g + momentum * b)`.
///
/// PyTorch's form. Sutskever's takes the gradient at the look-ahead point `p + momentum * v`; at a constant rate the
/// points stored here are those look-ahead points, so the method is the same and only what is stored differs.
///
/// Nesterov: A method for solving a convex programming problem with convergence rate O(1/k^2), 1983; Sutskever et al.:
/// On the importance of initialization and momentum in deep learning, 2013.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Nesterov {
    /// What is kept of the buffer, within 0..1 (0.9).
    pub momentum: f64,
}

impl Default for Nesterov {
    fn default() -> Self {
        Self { momentum: 0.9 }
    }
}

impl Rule for Nesterov {
    const NAME: &'static str = "Nesterov";

    fn validate(&self) -> Result<(), OptimError> {
        require_rate(Self::NAME, "momentum", self.momentum)
    }

    fn with_momentum(&self, momentum: f64) -> Option<Self> {
        Some(Self { momentum })
    }

    fn slots(&self) -> &'static [&'static str] {
        &["momentum_buffer"]
    }

    fn apply<E: Element>(&self, now: Now, pass: Pass<'_, E>) {
        pass.run(Step { rate: E::from_f64(now.learning_rate), momentum: E::from_f64(self.momentum) });
    }
}

#[derive(Clone, Copy)]
struct Step<E> {
    rate: E,
    momentum: E,
}

impl<E: Element> Update<E, 1> for Step<E> {
    #[inline(always)]
    fn at(self, p: E, g: E, [b]: [E; 1]) -> (E, [E; 1]) {
        let b = self.momentum * b + g;
        (p - self.rate * (g + self.momentum * b), [b])
    }
}
