//! Adam: momentum and RMSProp, both corrected for their start at 0.

use super::Epsilon;
use crate::OptimError;
use crate::error::{require_not_negative, require_rate};
use crate::pass::Pass;
use crate::rule::{Now, Rule, Update};
use kniff_tensor::Element;
use serde::{Deserialize, Serialize};

/// Adam: `m = beta1 * m + (1 - beta1) * g; v = beta2 * v + (1 - beta2) * g^2;`
/// `p -= lr * m' / (sqrt(v') + epsilon)` with `m' = m / (1 - beta1^t)` and `v' = v / (1 - beta2^t)`.
///
/// Weight decay given to the optimiser is L2, as in PyTorch: it goes through the running averages and is divided by
/// the root like the gradient. [`AdamW`](crate::AdamW) decays the weights themselves and is what one usually wants.
/// With `amsgrad` the root is of the largest `v` so far (uncorrected, as PyTorch; optax takes the largest `v'`).
///
/// Kingma, Ba: Adam, a method for stochastic optimization, 2015; Reddi, Kale, Kumar: On the convergence of Adam and
/// beyond, 2018. Defaults as PyTorch's and the paper's; the usual learning rate is 1e-3. Differs from the paper's
/// second form (and TensorFlow's `epsilon_hat`): the epsilon is added after the correction.
///
/// ```
/// use kniff_optim::{Adam, Rule, State};
/// let rule = Adam { beta2: 0.99, ..Adam::default() };
/// let (mut p, mut state) = ([1.0_f64], State::new(&rule));
/// // The first step has length lr whatever the gradient's size.
/// rule.step_slice(&mut p, &[1e-3], &mut state, 0.1);
/// assert!((p[0] - 0.9).abs() < 1e-5);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Adam {
    /// What is kept of the running mean of gradients, within 0..1 (0.9).
    pub beta1: f64,
    /// What is kept of the running mean of squared gradients, within 0..1 (0.999).
    pub beta2: f64,
    /// Keeps the division finite (1e-8).
    pub epsilon: f64,
    /// Where the epsilon is added (outside the root).
    pub epsilon_place: Epsilon,
    /// Whether to divide by the largest second moment so far (no).
    pub amsgrad: bool,
}

impl Default for Adam {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, epsilon_place: Epsilon::Outside, amsgrad: false }
    }
}

impl Rule for Adam {
    const NAME: &'static str = "Adam";

    fn validate(&self) -> Result<(), OptimError> {
        require_rate(Self::NAME, "beta1", self.beta1)?;
        require_rate(Self::NAME, "beta2", self.beta2)?;
        require_not_negative(Self::NAME, "epsilon", self.epsilon)
    }

    fn with_momentum(&self, momentum: f64) -> Option<Self> {
        Some(Self { beta1: momentum, ..*self })
    }

    fn slots(&self) -> &'static [&'static str] {
        if self.amsgrad { &["exp_avg", "exp_avg_sq", "max_exp_avg_sq"] } else { &["exp_avg", "exp_avg_sq"] }
    }

    fn apply<E: Element>(&self, now: Now, pass: Pass<'_, E>) {
        let (inside, outside) = match self.epsilon_place {
            Epsilon::Outside => (0.0, self.epsilon),
            Epsilon::Inside => (self.epsilon, 0.0),
        };
        // sqrt(v / c + inside) = sqrt(v + inside * c) / sqrt(c), and the division by sqrt(c) goes into rate and epsilon.
        let c = now.correction(self.beta2);
        let step = Step {
            rate: E::from_f64(now.learning_rate * c.sqrt() / now.correction(self.beta1)),
            beta1: E::from_f64(self.beta1),
            rest1: E::from_f64(1.0 - self.beta1),
            beta2: E::from_f64(self.beta2),
            rest2: E::from_f64(1.0 - self.beta2),
            inside: E::from_f64(inside * c),
            outside: E::from_f64(outside * c.sqrt()),
        };
        if self.amsgrad { pass.run(AmsGrad(step)) } else { pass.run(step) }
    }
}

#[derive(Clone, Copy)]
struct Step<E> {
    rate: E,
    beta1: E,
    rest1: E,
    beta2: E,
    rest2: E,
    inside: E,
    outside: E,
}

impl<E: Element> Step<E> {
    #[inline(always)]
    fn moments(self, g: E, m: E, v: E) -> (E, E) {
        (self.beta1 * m + self.rest1 * g, self.beta2 * v + self.rest2 * (g * g))
    }

    #[inline(always)]
    fn change(self, m: E, v: E) -> E {
        self.rate * m / ((v + self.inside).sqrt() + self.outside)
    }
}

impl<E: Element> Update<E, 2> for Step<E> {
    #[inline(always)]
    fn at(self, p: E, g: E, [m, v]: [E; 2]) -> (E, [E; 2]) {
        let (m, v) = self.moments(g, m, v);
        (p - self.change(m, v), [m, v])
    }
}

#[derive(Clone, Copy)]
struct AmsGrad<E>(Step<E>);

impl<E: Element> Update<E, 3> for AmsGrad<E> {
    #[inline(always)]
    fn at(self, p: E, g: E, [m, v, largest]: [E; 3]) -> (E, [E; 3]) {
        let (m, v) = self.0.moments(g, m, v);
        let largest = if v > largest { v } else { largest };
        (p - self.0.change(m, largest), [m, v, largest])
    }
}
