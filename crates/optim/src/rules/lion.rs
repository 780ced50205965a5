//! Lion: the sign of an interpolated momentum.

use crate::OptimError;
use crate::error::require_rate;
use crate::pass::Pass;
use crate::rule::{Decay, Now, Rule, Update};
use kniff_tensor::Element;
use serde::{Deserialize, Serialize};

/// Lion: `p -= lr * sign(beta1 * m + (1 - beta1) * g); m = beta2 * m + (1 - beta2) * g`, with decoupled weight decay.
///
/// Every step moves every weight by exactly the rate: use a third to a tenth of Adam's, and three to ten times its
/// weight decay. Chen et al.: Symbolic discovery of optimization algorithms, 2023. As optax, but the weight decay starts
/// at 0 (optax: 1e-3).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lion {
    /// The momentum's share in the direction of the step, within 0..1 (0.9).
    pub beta1: f64,
    /// What is kept of the momentum, within 0..1 (0.99).
    pub beta2: f64,
}

impl Default for Lion {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.99 }
    }
}

impl Rule for Lion {
    const NAME: &'static str = "Lion";
    const DECAY: Decay = Decay::Decoupled;

    fn validate(&self) -> Result<(), OptimError> {
        require_rate(Self::NAME, "beta1", self.beta1)?;
        require_rate(Self::NAME, "beta2", self.beta2)
    }

    fn with_momentum(&self, momentum: f64) -> Option<Self> {
        Some(Self { beta1: momentum, ..*self })
    }

    fn slots(&self) -> &'static [&'static str] {
        &["exp_avg"]
    }

    fn apply<E: Element>(&self, now: Now, pass: Pass<'_, E>) {
        pass.run(Step {
            rate: E::from_f64(now.learning_rate),
            beta1: E::from_f64(self.beta1),
            rest1: E::from_f64(1.0 - self.beta1),
            beta2: E::from_f64(self.beta2),
            rest2: E::from_f64(1.0 - self.beta2),
        });
    }
}

#[derive(Clone, Copy)]
struct Step<E> {
    rate: E,
    beta1: E,
    rest1: E,
    beta2: E,
    rest2: E,
}

impl<E: Element> Update<E, 1> for Step<E> {
    #[inline(always)]
    fn at(self, p: E, g: E, [m]: [E; 1]) -> (E, [E; 1]) {
        let direction = self.beta1 * m + self.rest1 * g;
        let step = if direction > E::ZERO { self.rate } else { E::ZERO };
        let step = if direction < E::ZERO { -self.rate } else { step };
        // Neither sign where the direction is NaN, which must show.
        let step = if direction.is_nan() { direction } else { step };
        (p - step, [self.beta2 * m + self.rest2 * g])
    }
}
