//! Rprop: the sign of the gradient only, for whole batches.

use crate::OptimError;
use crate::error::{require, require_positive};
use crate::pass::Pass;
use crate::rule::{Now, Rule, Update};
use kniff_tensor::Element;
use serde::{Deserialize, Serialize};

/// Resilient propagation: each weight has its own step length, which grows while the gradient keeps its sign and
/// shrinks when it changes.
///
/// `step = clamp(step * eta_plus or eta_minus, step_min, step_max); p -= sign(g) * step`; on a change of sign the
/// weight does not move and the gradient is forgotten. The learning rate is the length of the first step and has no say
/// afterwards. For whole batches only: on mini-batches the signs of the noise decide (the lecture; see
/// [`RmsProp`](crate::RmsProp)).
///
/// Riedmiller, Braun: A direct adaptive method for faster backpropagation learning, 1993. As PyTorch, whose usual
/// learning rate is 0.01.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rprop {
    /// The step's factor after a change of sign, within 0..1 (0.5).
    pub eta_minus: f64,
    /// The step's factor while the sign stays, above 1 (1.2).
    pub eta_plus: f64,
    /// The shortest step (1e-6).
    pub step_min: f64,
    /// The longest step (50).
    pub step_max: f64,
}

impl Default for Rprop {
    fn default() -> Self {
        Self { eta_minus: 0.5, eta_plus: 1.2, step_min: 1e-6, step_max: 50.0 }
    }
}

impl Rule for Rprop {
    const NAME: &'static str = "Rprop";

    fn validate(&self) -> Result<(), OptimError> {
        let below_one = self.eta_minus > 0.0 && self.eta_minus < 1.0;
        require(below_one, Self::NAME, "eta_minus", self.eta_minus, "above 0 and below 1")?;
        let above_one = self.eta_plus.is_finite() && self.eta_plus > 1.0;
        require(above_one, Self::NAME, "eta_plus", self.eta_plus, "finite and above 1")?;
        require_positive(Self::NAME, "step_min", self.step_min)?;
        require(self.step_max >= self.step_min, Self::NAME, "step_max", self.step_max, "not below step_min")
    }

    fn slots(&self) -> &'static [&'static str] {
        &["prev", "step_size"]
    }

    fn start(&self, slot: usize, learning_rate: f64) -> f64 {
        if slot == 0 { 0.0 } else { learning_rate }
    }

    fn apply<E: Element>(&self, _: Now, pass: Pass<'_, E>) {
        pass.run(Step {
            minus: E::from_f64(self.eta_minus),
            plus: E::from_f64(self.eta_plus),
            min: E::from_f64(self.step_min),
            max: E::from_f64(self.step_max),
        });
    }
}

#[derive(Clone, Copy)]
struct Step<E> {
    minus: E,
    plus: E,
    min: E,
    max: E,
}

impl<E: Element> Update<E, 2> for Step<E> {
    #[inline(always)]
    fn at(self, p: E, g: E, [previous, length]: [E; 2]) -> (E, [E; 2]) {
        let agreement = g * previous;
        let turned = agreement < E::ZERO;
        let factor = if agreement > E::ZERO { self.plus } else { E::ONE };
        let length = length * if turned { self.minus } else { factor };
        let length = if length > self.max { self.max } else { length };
        let length = if length < self.min { self.min } else { length };
        let g = if turned { E::ZERO } else { g };
        let step = if g > E::ZERO { length } else { E::ZERO };
        let step = if g < E::ZERO { -length } else { step };
        // Neither sign where the gradient is NaN, which must show.
        let step = if g.is_nan() { g } else { step };
        (p - step, [g, length])
    }
}
