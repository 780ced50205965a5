//! RMSProp: the gradient over a running average of its size.

use super::Epsilon;
use crate::OptimError;
use crate::error::{require_not_negative, require_rate};
use crate::pass::Pass;
use crate::rule::{Now, Rule, Update};
use kniff_tensor::Element;
use serde::{Deserialize, Serialize};

/// RMSProp: `v = alpha * v + (1 - alpha) * g^2; p -= lr * g / (sqrt(v) + epsilon)`.
///
/// For a whole batch the sign of the gradient is enough ([`Rprop`](crate::Rprop)); RMSProp carries that over to
/// mini-batches. `v` starts at 0, so the first steps are `1 / sqrt(1 - alpha)` times as long as later ones: 10 times at
/// 0.99, 3.2 times at the lecture's 0.9.
///
/// The lecture divides by `sqrt(MeanSq)` alone. A weight whose gradient was exactly 0 so far (behind a ReLU that was
/// never on, a word that was never seen) then has 0/0, which is NaN and spreads from there; one whose gradient is
/// nearly 0 takes a whole step on rounding noise. Hence the epsilon; 0 gives the lecture's formula.
///
/// With `centered` the root is of the estimated variance `v - (running mean of g)^2`; with `momentum` a buffer
/// `b = momentum * b + g / root; p -= lr * b`.
///
/// Hinton, Srivastava, Swersky: Neural networks for machine learning, lecture 6, 2012. Differs from PyTorch: where
/// rounding makes the variance of `centered` negative PyTorch's root is NaN; here it counts as 0. Differs from Keras and
/// optax: they put the epsilon inside the root ([`Epsilon::Inside`]) and start with `alpha` 0.9.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RmsProp {
    /// What is kept of the running averages, within 0..1 (0.99 as PyTorch; the lecture and Keras 0.9).
    pub alpha: f64,
    /// Keeps the division finite (1e-8).
    pub epsilon: f64,
    /// Where the epsilon is added (outside the root).
    pub epsilon_place: Epsilon,
    /// Whether to divide by the standard deviation instead of the root mean square (no).
    pub centered: bool,
    /// What is kept of the buffer of steps, within 0..1; 0 for none (0).
    pub momentum: f64,
}

impl Default for RmsProp {
    fn default() -> Self {
        Self { alpha: 0.99, epsilon: 1e-8, epsilon_place: Epsilon::Outside, centered: false, momentum: 0.0 }
    }
}

impl Rule for RmsProp {
    const NAME: &'static str = "RmsProp";

    fn validate(&self) -> Result<(), OptimError> {
        require_rate(Self::NAME, "alpha", self.alpha)?;
        require_not_negative(Self::NAME, "epsilon", self.epsilon)?;
        require_rate(Self::NAME, "momentum", self.momentum)
    }

    fn with_momentum(&self, momentum: f64) -> Option<Self> {
        (self.momentum > 0.0 && momentum > 0.0).then_some(Self { momentum, ..*self })
    }

    fn slots(&self) -> &'static [&'static str] {
        match (self.centered, self.momentum > 0.0) {
            (false, false) => &["square_avg"],
            (true, false) => &["square_avg", "grad_avg"],
            (false, true) => &["square_avg", "momentum_buffer"],
            (true, true) => &["square_avg", "grad_avg", "momentum_buffer"],
        }
    }

    fn apply<E: Element>(&self, now: Now, pass: Pass<'_, E>) {
        let (inside, outside) = match self.epsilon_place {
            Epsilon::Outside => (0.0, self.epsilon),
            Epsilon::Inside => (self.epsilon, 0.0),
        };
        let step = Step {
            rate: E::from_f64(now.learning_rate),
            alpha: E::from_f64(self.alpha),
            rest: E::from_f64(1.0 - self.alpha),
            inside: E::from_f64(inside),
            outside: E::from_f64(outside),
            momentum: E::from_f64(self.momentum),
        };
        match (self.centered, self.momentum > 0.0) {
            (false, false) => pass.run(Plain(step)),
            (true, false) => pass.run(Centered(step)),
            (false, true) => pass.run(WithMomentum(step)),
            (true, true) => pass.run(CenteredWithMomentum(step)),
        }
    }
}

#[derive(Clone, Copy)]
struct Step<E> {
    rate: E,
    alpha: E,
    rest: E,
    inside: E,
    outside: E,
    momentum: E,
}

impl<E: Element> Step<E> {
    #[inline(always)]
    fn average(self, old: E, new: E) -> E {
        self.alpha * old + self.rest * new
    }

    #[inline(always)]
    fn root(self, v: E) -> E {
        (v + self.inside).sqrt() + self.outside
    }

    #[inline(always)]
    fn deviation(self, v: E, mean: E) -> E {
        let variance = v - mean * mean;
        self.root(if variance < E::ZERO { E::ZERO } else { variance })
    }
}

#[derive(Clone, Copy)]
struct Plain<E>(Step<E>);
#[derive(Clone, Copy)]
struct Centered<E>(Step<E>);
#[derive(Clone, Copy)]
struct WithMomentum<E>(Step<E>);
#[derive(Clone, Copy)]
struct CenteredWithMomentum<E>(Step<E>);

impl<E: Element> Update<E, 1> for Plain<E> {
    #[inline(always)]
    fn at(self, p: E, g: E, [v]: [E; 1]) -> (E, [E; 1]) {
        let s = self.0;
        let v = s.average(v, g * g);
        (p - s.rate * g / s.root(v), [v])
    }
}

impl<E: Element> Update<E, 2> for Centered<E> {
    #[inline(always)]
    fn at(self, p: E, g: E, [v, mean]: [E; 2]) -> (E, [E; 2]) {
        let s = self.0;
        let (v, mean) = (s.average(v, g * g), s.average(mean, g));
        (p - s.rate * g / s.deviation(v, mean), [v, mean])
    }
}

impl<E: Element> Update<E, 2> for WithMomentum<E> {
    #[inline(always)]
    fn at(self, p: E, g: E, [v, b]: [E; 2]) -> (E, [E; 2]) {
        let s = self.0;
        let v = s.average(v, g * g);
        let b = s.momentum * b + g / s.root(v);
        (p - s.rate * b, [v, b])
    }
}

impl<E: Element> Update<E, 3> for CenteredWithMomentum<E> {
    #[inline(always)]
    fn at(self, p: E, g: E, [v, mean, b]: [E; 3]) -> (E, [E; 3]) {
        let s = self.0;
        let (v, mean) = (s.average(v, g * g), s.average(mean, g));
        let b = s.momentum * b + g / s.deviation(v, mean);
        (p - s.rate * b, [v, mean, b])
    }
}
