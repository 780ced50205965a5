//! The gradient case that every operation brings along: where it may be checked, and how it is called.

use crate::Var;
use kniff_tensor::{Rng, Shape, Tensor};

/// One function to check, with a draw of inputs from its safe domain (away from corners and poles).
#[derive(Clone, Copy)]
pub struct Case {
    /// The operation's name.
    pub name: &'static str,
    /// Draws inputs; shapes vary with the generator.
    pub inputs: fn(&mut Rng) -> Vec<Tensor<f64>>,
    /// Calls the operation.
    pub f: fn(&[Var<f64>]) -> Var<f64>,
}

/// Numbers uniform on `low..high` that stay 0.05 away from every number in `avoid`.
pub fn draw(rng: &mut Rng, shape: impl Into<Shape>, low: f64, high: f64, avoid: &[f64]) -> Tensor<f64> {
    Tensor::from_fn(shape, |_| {
        loop {
            let x = low + (high - low) * rng.uniform();
            if avoid.iter().all(|a| (x - a).abs() > 0.05) {
                return x;
            }
        }
    })
}

/// A shape of one to three axes of one to four elements.
pub fn draw_shape(rng: &mut Rng) -> Shape {
    let rank = 1 + rng.below(3);
    Shape::new(&(0..rank).map(|_| 1 + rng.below(4)).collect::<Vec<_>>())
}

/// One input of a random shape.
pub fn one(rng: &mut Rng, low: f64, high: f64, avoid: &[f64]) -> Vec<Tensor<f64>> {
    let shape = draw_shape(rng);
    vec![draw(rng, shape, low, high, avoid)]
}

/// Two inputs that broadcast: one has a random selection of the other's axes shrunk to 1 or left out.
pub fn broadcast_pair(rng: &mut Rng, low: f64, high: f64, avoid: &[f64]) -> Vec<Tensor<f64>> {
    let shape = draw_shape(rng);
    let mut other = shape.to_vec();
    for axis in &mut other {
        if rng.bernoulli(0.3) {
            *axis = 1;
        }
    }
    if rng.bernoulli(0.3) {
        other.remove(0);
    }
    let pair = vec![draw(rng, shape, low, high, avoid), draw(rng, other, low, high, avoid)];
    if rng.bernoulli(0.5) { pair } else { pair.into_iter().rev().collect() }
}
