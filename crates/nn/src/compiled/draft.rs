//! How layers become steps: each is joined to the one before where that can be done.

use super::{Stage, Step, Whole};
use crate::Layer;
use kniff_tensor::{ConvOptions, Element, PreparedConv, PreparedLinear, Tensor};

/// Steps that the next layer may still be joined to.
pub(super) struct Draft<'a, E: Element>(Vec<Part<'a, E>>);

enum Part<'a, E: Element> {
    Product(Box<Product<'a, E>>),
    Sum { body: Draft<'a, E>, shortcut: Draft<'a, E>, relu: bool },
    Layer(&'a dyn Layer<E>),
}

/// A linear layer, or a convolution if it has options.
struct Product<'a, E: Element> {
    weight: Tensor<E>,
    bias: Option<Tensor<E>>,
    conv: Option<ConvOptions>,
    relu: bool,
    whole: Whole<'a, E>,
}

impl<'a, E: Element> Draft<'a, E> {
    pub(super) fn new() -> Self {
        Self(Vec::new())
    }

    pub(super) fn add(&mut self, layer: &'a dyn Layer<E>) {
        let product = |weight: &Tensor<E>, bias: Option<&Tensor<E>>, conv| {
            let whole = Whole { layers: vec![layer], folded: false };
            Part::Product(Box::new(Product { weight: weight.clone(), bias: bias.cloned(), conv, relu: false, whole }))
        };
        match layer.stage() {
            Stage::Identity => {}
            Stage::Chain(layers) => layers.into_iter().for_each(|layer| self.add(layer)),
            Stage::Linear { weight, bias } => self.0.push(product(weight, bias, None)),
            Stage::Conv { weight, bias, options } => self.0.push(product(weight, bias, Some(options))),
            Stage::Sum { body, shortcut } => {
                let of = |layer| {
                    let mut draft = Draft::new();
                    draft.add(layer);
                    draft
                };
                let shortcut = shortcut.map_or_else(Draft::new, of);
                self.0.push(Part::Sum { body: of(body), shortcut, relu: false });
            }
            Stage::Scale { scale, shift } => {
                if !self.fold(layer, &scale, &shift) {
                    self.0.push(Part::Layer(layer));
                }
            }
            Stage::Relu => match self.0.last_mut() {
                Some(Part::Product(product)) if !product.relu => {
                    product.relu = true;
                    product.whole.layers.push(layer);
                }
                Some(Part::Sum { relu, .. }) if !*relu => *relu = true,
                _ => self.0.push(Part::Layer(layer)),
            },
            Stage::Layer => self.0.push(Part::Layer(layer)),
        }
    }

    /// `scale (w x + b) + shift = (scale w) x + (scale b + shift)`, if there is such a product just before.
    fn fold(&mut self, layer: &'a dyn Layer<E>, scale: &[f64], shift: &[f64]) -> bool {
        let Some(Part::Product(product)) = self.0.last_mut() else { return false };
        let outputs = product.weight.shape()[0];
        if product.relu || outputs == 0 || scale.len() != outputs || shift.len() != outputs {
            return false;
        }
        let each = (product.weight.len() / outputs).max(1);
        let weight = product.weight.to_vec();
        let scaled = weight.iter().enumerate().map(|(i, w)| E::from_f64(w.to_f64() * scale[i / each]));
        product.weight = Tensor::from_vec(scaled.collect(), *product.weight.shape());
        let bias = product.bias.as_ref().map_or_else(|| vec![E::ZERO; outputs], Tensor::to_vec);
        let moved =
            bias.iter().zip(scale).zip(shift).map(|((b, scale), shift)| E::from_f64(b.to_f64() * scale + shift));
        product.bias = Some(Tensor::from_vec(moved.collect(), [outputs]));
        product.whole.layers.push(layer);
        product.whole.folded = true;
        true
    }

    /// The steps; a residual sum is left to a convolution at the end of its body.
    pub(super) fn finish(self) -> Vec<Step<'a, E>> {
        self.0.into_iter().map(Part::finish).collect()
    }
}

impl<'a, E: Element> Part<'a, E> {
    fn finish(self) -> Step<'a, E> {
        match self {
            Part::Product(product) => product.finish(),
            Part::Sum { mut body, shortcut, relu } => {
                let body = match body.0.last_mut() {
                    // Its own ReLU comes before the sum: it takes no addend.
                    Some(Part::Product(last)) if last.conv.is_some() && last.relu => apart(body),
                    Some(Part::Product(last)) if last.conv.is_some() => {
                        last.relu = relu;
                        body.finish()
                    }
                    _ => body.finish(),
                };
                Step::Sum { body, shortcut: shortcut.finish(), relu }
            }
            Part::Layer(layer) => Step::Layer(layer),
        }
    }
}

impl<'a, E: Element> Product<'a, E> {
    fn finish(self) -> Step<'a, E> {
        let Self { weight, bias, conv, relu, whole } = self;
        let Some(options) = conv else {
            let op = PreparedLinear::new(weight, bias);
            return Step::Linear { op: if relu { op.with_relu() } else { op }, whole };
        };
        let rank = weight.rank();
        let op = PreparedConv::new(if rank == 3 { weight.unsqueeze(2) } else { weight }, bias, options);
        Step::Conv { op: if relu { op.with_relu() } else { op }, whole, rank }
    }
}

/// The steps of a body whose last convolution has a ReLU of its own, which becomes a step of its own.
fn apart<'a, E: Element>(mut body: Draft<'a, E>) -> Vec<Step<'a, E>> {
    if let Some(Part::Product(last)) = body.0.last_mut()
        && let Some(layer) = last.whole.layers.pop()
    {
        last.relu = false;
        body.0.push(Part::Layer(layer));
    }
    body.finish()
}
