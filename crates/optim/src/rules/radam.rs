//! RAdam: Adam that trusts its second moment only once it is known well enough.

use crate::OptimError;
use crate::error::{require_not_negative, require_rate};
use crate::pass::Pass;
use crate::rule::{Now, Rule, Update};
use kniff_tensor::Element;
use serde::{Deserialize, Serialize};

/// RAdam: `p -= lr * m'` while the second moment rests on too few gradients, then Adam's step times a factor that
/// rises to 1.
///
/// With `rho = 2 / (1 - beta2) - 1` and `rho_t = rho - 2 t beta2^t / (1 - beta2^t)`, for `rho_t > 5` the factor is
/// `sqrt((rho_t - 4)(rho_t - 2) rho / ((rho - 4)(rho - 2) rho_t))`. The first steps are momentum without any division:
/// their length follows the gradient's size, so keep the rate small where gradients are large.
///
/// Liu et al.: On the variance of the adaptive learning rate and beyond, 2020. As PyTorch (optax switches at
/// `rho_t >= 5`), which adds the epsilon to the uncorrected root.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RAdam {
    /// What is kept of the running mean of gradients, within 0..1 (0.9).
    pub beta1: f64,
    /// What is kept of the running mean of squared gradients, within 0..1 (0.999).
    pub beta2: f64,
    /// Keeps the division finite (1e-8).
    pub epsilon: f64,
}

impl Default for RAdam {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 }
    }
}

impl Rule for RAdam {
    const NAME: &'static str = "RAdam";

    fn validate(&self) -> Result<(), OptimError> {
        require_rate(Self::NAME, "beta1", self.beta1)?;
        require_rate(Self::NAME, "beta2", self.beta2)?;
        require_not_negative(Self::NAME, "epsilon", self.epsilon)
    }

    fn with_momentum(&self, momentum: f64) -> Option<Self> {
        Some(Self { beta1: momentum, ..*self })
    }

    fn slots(&self) -> &'static [&'static str] {
        &["exp_avg", "exp_avg_sq"]
    }

    fn apply<E: Element>(&self, now: Now, pass: Pass<'_, E>) {
        let c = now.correction(self.beta2);
        let long = 2.0 / (1.0 - self.beta2) - 1.0;
        let known = long - 2.0 * now.step as f64 * (1.0 - c) / c;
        let rate = now.learning_rate / now.correction(self.beta1);
        let step = |rate: f64| Step {
            rate: E::from_f64(rate),
            beta1: E::from_f64(self.beta1),
            rest1: E::from_f64(1.0 - self.beta1),
            beta2: E::from_f64(self.beta2),
            rest2: E::from_f64(1.0 - self.beta2),
            epsilon: E::from_f64(self.epsilon),
        };
        if known > 5.0 {
            let rectified = (known - 4.0) * (known - 2.0) * long / ((long - 4.0) * (long - 2.0) * known);
            pass.run(Rectified(step(rate * rectified.sqrt() * c.sqrt())));
        } else {
            pass.run(Unrectified(step(rate)));
        }
    }
}

#[derive(Clone, Copy)]
struct Step<E> {
    rate: E,
    beta1: E,
    rest1: E,
    beta2: E,
    rest2: E,
    epsilon: E,
}

impl<E: Element> Step<E> {
    #[inline(always)]
    fn moments(self, g: E, [m, v]: [E; 2]) -> (E, E) {
        (self.beta1 * m + self.rest1 * g, self.beta2 * v + self.rest2 * (g * g))
    }
}

#[derive(Clone, Copy)]
struct Rectified<E>(Step<E>);
#[derive(Clone, Copy)]
struct Unrectified<E>(Step<E>);

impl<E: Element> Update<E, 2> for Rectified<E> {
    #[inline(always)]
    fn at(self, p: E, g: E, slots: [E; 2]) -> (E, [E; 2]) {
        let (m, v) = self.0.moments(g, slots);
        (p - self.0.rate * m / (v.sqrt() + self.0.epsilon), [m, v])
    }
}

impl<E: Element> Update<E, 2> for Unrectified<E> {
    #[inline(always)]
    fn at(self, p: E, g: E, slots: [E; 2]) -> (E, [E; 2]) {
        let (m, v) = self.0.moments(g, slots);
        (p - self.0.rate * m, [m, v])
    }
}
