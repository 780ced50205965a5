//! Stochastic gradient descent.

use crate::OptimError;
use crate::pass::Pass;
use crate::rule::{Now, Rule, Update};
use kniff_tensor::Element;
use serde::{Deserialize, Serialize};

/// Stochastic gradient descent: `p -= lr * g`.
///
/// The lecture prints `W^(t-1) = W^(t) - eta dE/dW`; the left side is meant to be `W^(t+1)`. On a quadratic with
/// largest curvature `lambda` it converges for `lr` below `2 / lambda`, fastest along that axis at `1 / lambda`.
///
/// Robbins, Monro: A stochastic approximation method, 1951.
///
/// ```
/// use kniff_optim::{Rule, Sgd, State};
/// let (mut p, mut state) = ([1.0_f32], State::new(&Sgd));
/// Sgd.step_slice(&mut p, &[0.5], &mut state, 0.1);
/// assert_eq!(p, [0.95]);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sgd;

impl Rule for Sgd {
    const NAME: &'static str = "Sgd";

    fn validate(&self) -> Result<(), OptimError> {
        Ok(())
    }

    fn slots(&self) -> &'static [&'static str] {
        &[]
    }

    fn apply<E: Element>(&self, now: Now, pass: Pass<'_, E>) {
        pass.run(Step { rate: E::from_f64(now.learning_rate) });
    }
}

#[derive(Clone, Copy)]
struct Step<E> {
    rate: E,
}

impl<E: Element> Update<E, 0> for Step<E> {
    #[inline(always)]
    fn at(self, p: E, g: E, _: [E; 0]) -> (E, [E; 0]) {
        (p - self.rate * g, [])
    }
}
