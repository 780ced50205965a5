//! The leaky ReLU whose slope is learned.

use crate::layer::ShapeError;
use crate::{Layer, Module};
use kniff_autograd::{Parameter, Var};
use kniff_tensor::{Element, Shape, Tensor};

/// `x` above 0, `weight x` below, with one learned slope for all channels or one for each.
///
/// Channels are axis 1 of a batch. Derivatives: to x 1 above 0, the slope below, 0 at 0 (PyTorch: the slope); to the
/// slope x below 0. Source: He, Zhang, Ren, Sun, "Delving deep into rectifiers" (2015).
#[derive(Clone, Debug, Module)]
#[module(crate = "crate")]
pub struct Prelu<E: Element = f32> {
    weight: Parameter<E>,
}

impl<E: Element> Prelu<E> {
    /// One slope for each of `channels`, or for all of them if that is 1; 0.25 at first, as in the paper.
    pub fn new(channels: usize) -> Self {
        Self::from_slopes(Tensor::full([channels], E::from_f64(0.25)))
    }

    /// With given slopes.
    ///
    /// # Panics
    /// Unless they lie along one axis.
    #[track_caller]
    pub fn from_slopes(slopes: Tensor<E>) -> Self {
        assert!(slopes.rank() == 1, "Prelu: slopes of shape {} do not lie along one axis", slopes.shape());
        Self { weight: Parameter::new(slopes) }
    }

    /// The slopes, `[channels]`.
    pub fn weight(&self) -> &Parameter<E> {
        &self.weight
    }
}

impl<E: Element> Layer<E> for Prelu<E> {
    fn forward(&self, x: &Var<E>) -> Var<E> {
        let slopes = self.weight.value().len();
        let fits = slopes == 1 || x.shape().get(1) == Some(&slopes);
        assert!(fits, "Prelu: an input of shape {} has not {slopes} channels along axis 1", x.shape());
        let mut shape = vec![1; x.rank()];
        if slopes > 1 {
            shape[1] = slopes;
        }
        let slope = self.weight.var().reshape(shape);
        x.relu().sub(&x.neg().relu().mul(&slope))
    }

    fn output_shape(&self, input: &[usize]) -> Result<Shape, ShapeError> {
        let slopes = self.weight.value().len();
        if slopes == 1 || input.first() == Some(&slopes) {
            return Ok(Shape::new(input));
        }
        Err(ShapeError::new(self.name(), input, format!("the first axis must have {slopes} channels")))
    }
}
