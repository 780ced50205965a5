//! The functions that the cases minimise and bend, as functions of one flat vector of parameters.

use super::Check;
use kniff_autograd::Var;
use kniff_autograd::ops::{CrossEntropyOptions, Reduce};
use kniff_tensor::{Element, Indices, Tensor};

/// A dense network whose parameters lie in one vector: layer by layer the weight `[out, in]`, row by row, then the bias.
pub struct Mlp {
    /// Inputs, hidden units layer by layer, outputs.
    pub sizes: Vec<usize>,
    /// The activation between layers.
    pub activation: String,
}

impl Mlp {
    /// The outputs for `x` of shape [n, inputs].
    pub fn forward<E: Element>(&self, theta: &Var<E>, x: &Tensor<E>) -> Var<E> {
        let mut at = 0;
        let mut take = |shape: Vec<usize>| {
            let n: usize = shape.iter().product();
            at += n;
            theta.slice_axis(0, at - n..at).reshape(shape)
        };
        let mut h = Var::constant(x.clone());
        for (layer, io) in self.sizes.windows(2).enumerate() {
            let (weight, bias) = (take(vec![io[1], io[0]]), take(vec![io[1]]));
            h = h.linear(&weight, Some(&bias));
            if layer + 2 < self.sizes.len() {
                h = match self.activation.as_str() {
                    "tanh" => h.tanh(),
                    "softplus" => h.softplus(),
                    "sigmoid" => h.sigmoid(),
                    other => panic!("there is no activation `{other}`"),
                };
            }
        }
        h
    }
}

/// What a network's outputs are compared with.
pub enum Aim<E: Element> {
    /// Classes, by mean cross-entropy.
    Classes(Indices),
    /// Values, by mean squared error.
    Values(Tensor<E>),
}

impl<E: Element> Aim<E> {
    /// The mean loss.
    pub fn loss(&self, output: &Var<E>) -> Var<E> {
        match self {
            Aim::Classes(labels) => output.softmax_cross_entropy(labels, &CrossEntropyOptions::default()),
            Aim::Values(target) => output.mse(&Var::constant(target.clone()), Reduce::Mean),
        }
    }

    /// The aim of one example.
    pub fn only(&self, example: usize) -> Self {
        match self {
            Aim::Classes(labels) => Aim::Classes(labels.select(&[example])),
            Aim::Values(target) => Aim::Values(target.slice_axis(0, example..example + 1)),
        }
    }
}

/// A function of all parameters together.
pub type Objective<E> = Box<dyn Fn(&Var<E>) -> Var<E>>;

/// The loss that an optimiser's case minimises; `None` where only gradients are given.
pub fn objective<E: Element>(case: &Check<'_, E>) -> Option<Objective<E>> {
    let half = E::from_f64(0.5);
    match case.text("problem") {
        "given_gradients" => None,
        "valley" => {
            let (a, minimum) = (case.constant("A"), case.constant("minimum"));
            Some(Box::new(move |p| {
                let off = p.sub(&minimum);
                off.matmul(&a).mul(&off).sum_all().mul_scalar(half)
            }))
        }
        "saddle" => {
            let coefficients = case.constant("coefficients");
            Some(Box::new(move |p| p.square().mul(&coefficients).sum_all()))
        }
        "rosenbrock" => Some(Box::new(|p| {
            let (x, y) = (p.slice_axis(0, 0..1), p.slice_axis(0, 1..2));
            let (left, up) = (x.affine(-E::ONE, E::ONE), y.sub(&x.square()));
            left.square().add(&up.square().mul_scalar(E::from_f64(100.0))).sum_all()
        })),
        "mlp" => {
            let net = Mlp { sizes: case.sizes("sizes"), activation: "tanh".to_owned() };
            let (x, aim) = (case.tensor("x"), Aim::Classes(case.indices("target")));
            Some(Box::new(move |theta| aim.loss(&net.forward(theta, &x))))
        }
        other => panic!("there is no problem `{other}`"),
    }
}
