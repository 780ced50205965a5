//! The fully connected layer.

use crate::layer::ShapeError;
use crate::{Layer, Module, Stage};
use kniff_autograd::{Parameter, Var};
use kniff_init::Initializer;
use kniff_tensor::{Element, Rng, Shape, Tensor};

/// `y = x W^T + b` along the last axis.
///
/// `weight` has shape [out, in] and `bias` `[out]`, as in PyTorch. The initialiser of the weight is always named; the bias
/// starts at 0 (PyTorch: uniform draws).
///
/// ```
/// use kniff_init::HeNormal;
/// use kniff_nn::{Layer, layers::Linear};
/// use kniff_tensor::Rng;
/// let layer: Linear = Linear::new(784, 256, HeNormal, &mut Rng::new(0));
/// assert_eq!(layer.output_shape(&[784]).unwrap(), [256]);
/// ```
#[derive(Clone, Debug, Module)]
#[module(crate = "crate")]
pub struct Linear<E: Element = f32> {
    weight: Parameter<E>,
    bias: Option<Parameter<E>>,
}

impl<E: Element> Linear<E> {
    /// A layer with a bias of zeros.
    pub fn new(inputs: usize, outputs: usize, weight: impl Initializer, rng: &mut Rng) -> Self {
        Self {
            bias: Some(Parameter::new(Tensor::zeros([outputs]))),
            ..Self::without_bias(inputs, outputs, weight, rng)
        }
    }

    /// A layer without a bias: before batch norm, which would take it out again.
    pub fn without_bias(inputs: usize, outputs: usize, weight: impl Initializer, rng: &mut Rng) -> Self {
        Self { weight: Parameter::new(weight.init(&[outputs, inputs], rng)), bias: None }
    }

    /// A layer of given weights.
    ///
    /// # Panics
    /// Unless the weight has shape [out, in] and the bias `[out]`.
    #[track_caller]
    pub fn from_parts(weight: Tensor<E>, bias: Option<Tensor<E>>) -> Self {
        let fits = weight.rank() == 2 && bias.as_ref().is_none_or(|b| **b.shape() == weight.shape()[..1]);
        assert!(
            fits,
            "Linear::from_parts: a weight of shape {} is not [out, in], or does not fit a bias of shape {:?}",
            weight.shape(),
            bias.map(|b| b.shape().to_vec())
        );
        Self { weight: Parameter::new(weight), bias: bias.map(Parameter::new) }
    }

    /// The weight, [out, in].
    pub fn weight(&self) -> &Parameter<E> {
        &self.weight
    }

    /// The bias, `[out]`.
    pub fn bias(&self) -> Option<&Parameter<E>> {
        self.bias.as_ref()
    }
}

impl<E: Element> Layer<E> for Linear<E> {
    fn forward(&self, x: &Var<E>) -> Var<E> {
        x.linear(&self.weight.var(), self.bias.as_ref().map(Parameter::var).as_ref())
    }

    fn stage(&self) -> Stage<'_, E> {
        Stage::Linear { weight: self.weight.value(), bias: self.bias.as_ref().map(Parameter::value) }
    }

    fn output_shape(&self, input: &[usize]) -> Result<Shape, ShapeError> {
        let (outputs, inputs) = (self.weight.value().shape()[0], self.weight.value().shape()[1]);
        match input.split_last() {
            Some((&last, rest)) if last == inputs => {
                let mut shape = rest.to_vec();
                shape.push(outputs);
                Ok(Shape::new(&shape))
            }
            _ => Err(ShapeError::new(
                self.name(),
                input,
                format!("the last axis must have {inputs} features; change the layer's inputs or flatten before it"),
            )),
        }
    }
}
