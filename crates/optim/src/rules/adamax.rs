//! Adamax: Adam with the largest recent gradient in place of the root mean square.

use crate::OptimError;
use crate::error::{require_not_negative, require_rate};
use crate::pass::Pass;
use crate::rule::{Now, Rule, Update};
use kniff_tensor::Element;
use serde::{Deserialize, Serialize};

/// Adamax: `m = beta1 * m + (1 - beta1) * g; u = max(beta2 * u, |g| + epsilon); p -= lr / (1 - beta1^t) * m / u`.
///
/// Kingma, Ba: Adam, a method for stochastic optimization, 2015, section 7. As PyTorch, whose usual learning rate is
/// 2e-3.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Adamax {
    /// What is kept of the running mean of gradients, within 0..1 (0.9).
    pub beta1: f64,
    /// How slowly the largest gradient is forgotten, within 0..1 (0.999).
    pub beta2: f64,
    /// Keeps the division finite (1e-8).
    pub epsilon: f64,
}

impl Default for Adamax {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 }
    }
}

impl Rule for Adamax {
    const NAME: &'static str = "Adamax";

    fn validate(&self) -> Result<(), OptimError> {
        require_rate(Self::NAME, "beta1", self.beta1)?;
        require_rate(Self::NAME, "beta2", self.beta2)?;
        require_not_negative(Self::NAME, "epsilon", self.epsilon)
    }

    fn with_momentum(&self, momentum: f64) -> Option<Self> {
        Some(Self { beta1: momentum, ..*self })
    }

    fn slots(&self) -> &'static [&'static str] {
        &["exp_avg", "exp_inf"]
    }

    fn apply<E: Element>(&self, now: Now, pass: Pass<'_, E>) {
        pass.run(Step {
            rate: E::from_f64(now.learning_rate / now.correction(self.beta1)),
            beta1: E::from_f64(self.beta1),
            rest1: E::from_f64(1.0 - self.beta1),
            beta2: E::from_f64(self.beta2),
            epsilon: E::from_f64(self.epsilon),
        });
    }
}

#[derive(Clone, Copy)]
struct Step<E> {
    rate: E,
    beta1: E,
    rest1: E,
    beta2: E,
    epsilon: E,
}

impl<E: Element> Update<E, 2> for Step<E> {
    #[inline(always)]
    fn at(self, p: E, g: E, [m, u]: [E; 2]) -> (E, [E; 2]) {
        let m = self.beta1 * m + self.rest1 * g;
        let (old, new) = (self.beta2 * u, g.abs() + self.epsilon);
        // A NaN gradient must show.
        let u = if old > new { old } else { new };
        (p - self.rate * m / u, [m, u])
    }
}
