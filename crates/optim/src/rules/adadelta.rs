//! AdaDelta: steps in the parameter's own units.

use crate::OptimError;
use crate::error::{require_not_negative, require_rate};
use crate::pass::Pass;
use crate::rule::{Now, Rule, Update};
use kniff_tensor::Element;
use serde::{Deserialize, Serialize};

/// AdaDelta: `v = rho * v + (1 - rho) * g^2; d = sqrt(u + epsilon) / sqrt(v + epsilon) * g;`
/// `u = rho * u + (1 - rho) * d^2; p -= lr * d`.
///
/// The running average `u` of squared steps takes the place of a rate, so that the step has the parameter's units. Use
/// a learning rate of 1: that is the paper's method and PyTorch's default (Keras' 0.001 makes it a thousand times
/// slower). As in PyTorch the rate scales the step and not what `u` averages.
///
/// Zeiler: ADADELTA, an adaptive learning rate method, 2012.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdaDelta {
    /// What is kept of the running averages, within 0..1 (0.9).
    pub rho: f64,
    /// Inside both roots; it sets the size of the first steps, sqrt(epsilon) (1e-6). Above 0, or nothing ever moves.
    pub epsilon: f64,
}

impl Default for AdaDelta {
    fn default() -> Self {
        Self { rho: 0.9, epsilon: 1e-6 }
    }
}

impl Rule for AdaDelta {
    const NAME: &'static str = "AdaDelta";

    fn validate(&self) -> Result<(), OptimError> {
        require_rate(Self::NAME, "rho", self.rho)?;
        require_not_negative(Self::NAME, "epsilon", self.epsilon)
    }

    fn slots(&self) -> &'static [&'static str] {
        &["square_avg", "acc_delta"]
    }

    fn apply<E: Element>(&self, now: Now, pass: Pass<'_, E>) {
        pass.run(Step {
            rate: E::from_f64(now.learning_rate),
            rho: E::from_f64(self.rho),
            rest: E::from_f64(1.0 - self.rho),
            epsilon: E::from_f64(self.epsilon),
        });
    }
}

#[derive(Clone, Copy)]
struct Step<E> {
    rate: E,
    rho: E,
    rest: E,
    epsilon: E,
}

impl<E: Element> Update<E, 2> for Step<E> {
    #[inline(always)]
    fn at(self, p: E, g: E, [v, u]: [E; 2]) -> (E, [E; 2]) {
        let v = self.rho * v + self.rest * (g * g);
        let d = (u + self.epsilon).sqrt() / (v + self.epsilon).sqrt() * g;
        (p - self.rate * d, [v, self.rho * u + self.rest * (d * d)])
    }
}
