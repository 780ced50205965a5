//! Adam with weight decay that does not go through the running averages.

use super::{Adam, Epsilon};
use crate::OptimError;
use crate::pass::Pass;
use crate::rule::{Decay, Now, Rule};
use kniff_tensor::Element;
use serde::{Deserialize, Serialize};

/// AdamW: `p *= 1 - lr * weight_decay`, then the step of [`Adam`].
///
/// The weight decay belongs to the optimiser ([`Optimizer::weight_decay`](crate::Optimizer::weight_decay)) and starts at
/// PyTorch's 0.01 with this rule (optax: 1e-4). In [`Rule::step_slice`] there is none; give
/// [`Rule::step_slice_with`] a decoupled one.
///
/// Loshchilov, Hutter: Decoupled weight decay regularization, 2019. As PyTorch the decay is multiplied by the learning
/// rate; the paper multiplies it by the schedule's factor alone.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdamW {
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

impl Default for AdamW {
    fn default() -> Self {
        let Adam { beta1, beta2, epsilon, epsilon_place, amsgrad } = Adam::default();
        Self { beta1, beta2, epsilon, epsilon_place, amsgrad }
    }
}

impl AdamW {
    fn adam(&self) -> Adam {
        let Self { beta1, beta2, epsilon, epsilon_place, amsgrad } = *self;
        Adam { beta1, beta2, epsilon, epsilon_place, amsgrad }
    }
}

impl Rule for AdamW {
    const NAME: &'static str = "AdamW";
    const DECAY: Decay = Decay::Decoupled;
    const WEIGHT_DECAY: f64 = 0.01;

    fn validate(&self) -> Result<(), OptimError> {
        self.adam().validate()
    }

    fn with_momentum(&self, momentum: f64) -> Option<Self> {
        Some(Self { beta1: momentum, ..*self })
    }

    fn slots(&self) -> &'static [&'static str] {
        self.adam().slots()
    }

    fn apply<E: Element>(&self, now: Now, pass: Pass<'_, E>) {
        self.adam().apply(now, pass);
    }
}
