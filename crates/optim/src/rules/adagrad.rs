//! AdaGrad: rates that shrink with the sum of squared gradients.

use crate::OptimError;
use crate::error::require_not_negative;
use crate::pass::Pass;
use crate::rule::{Now, Rule, Update};
use kniff_tensor::Element;
use serde::{Deserialize, Serialize};

/// AdaGrad: `s = s + g^2; p -= lr / (1 + (t - 1) * lr_decay) * g / (sqrt(s) + epsilon)`.
///
/// Rarely used features keep large rates. The sum only grows, so the rate falls like `1/sqrt(t)` for good.
///
/// Duchi, Hazan, Singer: Adaptive subgradient methods for online learning and stochastic optimization, 2011. Defaults
/// as PyTorch; its learning rate is 0.01. Differs from Keras and optax: they start `s` at 0.1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdaGrad {
    /// How fast the rate falls besides (0).
    pub lr_decay: f64,
    /// Where the sum starts (0).
    pub initial_accumulator: f64,
    /// Keeps the division finite (1e-10).
    pub epsilon: f64,
}

impl Default for AdaGrad {
    fn default() -> Self {
        Self { lr_decay: 0.0, initial_accumulator: 0.0, epsilon: 1e-10 }
    }
}

impl Rule for AdaGrad {
    const NAME: &'static str = "AdaGrad";

    fn validate(&self) -> Result<(), OptimError> {
        require_not_negative(Self::NAME, "lr_decay", self.lr_decay)?;
        require_not_negative(Self::NAME, "initial_accumulator", self.initial_accumulator)?;
        require_not_negative(Self::NAME, "epsilon", self.epsilon)
    }

    fn slots(&self) -> &'static [&'static str] {
        &["sum"]
    }

    fn start(&self, _: usize, _: f64) -> f64 {
        self.initial_accumulator
    }

    fn apply<E: Element>(&self, now: Now, pass: Pass<'_, E>) {
        let rate = now.learning_rate / (1.0 + (now.step - 1) as f64 * self.lr_decay);
        pass.run(Step { rate: E::from_f64(rate), epsilon: E::from_f64(self.epsilon) });
    }
}

#[derive(Clone, Copy)]
struct Step<E> {
    rate: E,
    epsilon: E,
}

impl<E: Element> Update<E, 1> for Step<E> {
    #[inline(always)]
    fn at(self, p: E, g: E, [s]: [E; 1]) -> (E, [E; 1]) {
        let s = s + g * g;
        (p - self.rate * g / (s.sqrt() + self.epsilon), [s])
    }
}
