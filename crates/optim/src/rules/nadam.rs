//! NAdam: Adam with Nesterov's look-ahead.

use crate::OptimError;
use crate::error::{require_not_negative, require_rate};
use crate::pass::Pass;
use crate::rule::{Now, Rule, Update};
use kniff_tensor::Element;
use serde::{Deserialize, Serialize};

/// NAdam: Adam whose momentum already contains the next step's share of this gradient.
///
/// With `mu_t = beta1 * (1 - 0.5 * 0.96^(t * momentum_decay))` and `P_t = mu_1 * ... * mu_t`:
/// `p -= lr * ((1 - mu_t) / (1 - P_t) * g + mu_(t+1) / (1 - P_(t+1)) * m) / (sqrt(v') + epsilon)`.
///
/// Dozat: Incorporating Nesterov momentum into Adam, 2016. As PyTorch, with the momentum schedule (optax has none);
/// PyTorch's usual learning rate is 2e-3. Differs from PyTorch: the product of momenta is always kept in f64.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct NAdam {
    /// What is kept of the running mean of gradients, within 0..1 (0.9).
    pub beta1: f64,
    /// What is kept of the running mean of squared gradients, within 0..1 (0.999).
    pub beta2: f64,
    /// Keeps the division finite (1e-8).
    pub epsilon: f64,
    /// How fast the momentum rises to beta1 (0.004).
    pub momentum_decay: f64,
}

impl Default for NAdam {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, momentum_decay: 0.004 }
    }
}

impl NAdam {
    fn momentum(&self, step: u64) -> f64 {
        self.beta1 * (1.0 - 0.5 * 0.96_f64.powf(step as f64 * self.momentum_decay))
    }
}

impl Rule for NAdam {
    const NAME: &'static str = "NAdam";

    fn validate(&self) -> Result<(), OptimError> {
        require_rate(Self::NAME, "beta1", self.beta1)?;
        require_rate(Self::NAME, "beta2", self.beta2)?;
        require_not_negative(Self::NAME, "epsilon", self.epsilon)?;
        require_not_negative(Self::NAME, "momentum_decay", self.momentum_decay)
    }

    fn with_momentum(&self, momentum: f64) -> Option<Self> {
        Some(Self { beta1: momentum, ..*self })
    }

    fn slots(&self) -> &'static [&'static str] {
        &["exp_avg", "exp_avg_sq"]
    }

    fn carry(&self, carried: f64, step: u64) -> f64 {
        carried * self.momentum(step)
    }

    fn apply<E: Element>(&self, now: Now, pass: Pass<'_, E>) {
        let (mu, next) = (self.momentum(now.step), self.momentum(now.step + 1));
        let root = now.correction(self.beta2).sqrt();
        pass.run(Step {
            of_gradient: E::from_f64(now.learning_rate * root * (1.0 - mu) / (1.0 - now.carried)),
            of_mean: E::from_f64(now.learning_rate * root * next / (1.0 - now.carried * next)),
            beta1: E::from_f64(self.beta1),
            rest1: E::from_f64(1.0 - self.beta1),
            beta2: E::from_f64(self.beta2),
            rest2: E::from_f64(1.0 - self.beta2),
            epsilon: E::from_f64(self.epsilon * root),
        });
    }
}

#[derive(Clone, Copy)]
struct Step<E> {
    of_gradient: E,
    of_mean: E,
    beta1: E,
    rest1: E,
    beta2: E,
    rest2: E,
    epsilon: E,
}

impl<E: Element> Update<E, 2> for Step<E> {
    #[inline(always)]
    fn at(self, p: E, g: E, [m, v]: [E; 2]) -> (E, [E; 2]) {
        let m = self.beta1 * m + self.rest1 * g;
        let v = self.beta2 * v + self.rest2 * (g * g);
        (p - (self.of_gradient * g + self.of_mean * m) / (v.sqrt() + self.epsilon), [m, v])
    }
}
