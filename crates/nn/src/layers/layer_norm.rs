//! Normalisation of every example by itself.

use crate::layer::ShapeError;
use crate::{Layer, Module};
use kniff_autograd::{Parameter, Var};
use kniff_tensor::{Element, Shape, Tensor};

/// The last axes less their mean and divided by `sqrt(variance + eps)`, then times a weight plus a bias for each element.
///
/// Training and test time are the same: no example sees another. The variance is the biased one. Names and defaults are
/// PyTorch's. Source: Ba, Kiros, Hinton, "Layer normalization" (2016).
///
/// ```
/// use kniff_autograd::Var;
/// use kniff_nn::{Layer, layers::LayerNorm};
/// use kniff_tensor::Tensor;
/// let norm = LayerNorm::<f64>::new([2]).with_eps(0.0);
/// let x = Var::constant(Tensor::from_slice(&[1.0, 3.0, 10.0, 14.0], [2, 2]));
/// assert_eq!(norm.forward(&x).value().to_vec(), [-1.0, 1.0, -1.0, 1.0]);
/// ```
#[derive(Clone, Debug, Module)]
#[module(crate = "crate")]
pub struct LayerNorm<E: Element = f32> {
    weight: Option<Parameter<E>>,
    bias: Option<Parameter<E>>,
    #[module(skip)]
    shape: Shape,
    #[module(skip)]
    eps: f64,
}

impl<E: Element> LayerNorm<E> {
    /// Normalises the last axes, which must have this shape; with weights of 1, biases of 0 and `eps` 1e-5.
    ///
    /// # Panics
    /// If the shape has no axes.
    #[track_caller]
    pub fn new(normalized_shape: impl Into<Shape>) -> Self {
        let plain = Self::without_affine(normalized_shape);
        let (weight, bias) = (Tensor::ones(plain.shape), Tensor::zeros(plain.shape));
        Self { weight: Some(Parameter::new(weight)), bias: Some(Parameter::new(bias)), ..plain }
    }

    /// Without weights and biases.
    ///
    /// # Panics
    /// If the shape has no axes.
    #[track_caller]
    pub fn without_affine(normalized_shape: impl Into<Shape>) -> Self {
        let shape = normalized_shape.into();
        assert!(!shape.is_empty(), "LayerNorm: a shape without axes leaves nothing to normalise");
        Self { weight: None, bias: None, shape, eps: 1e-5 }
    }

    /// With another number added to the variance.
    ///
    /// # Panics
    /// If it is negative or not finite.
    #[must_use]
    #[track_caller]
    pub fn with_eps(self, eps: f64) -> Self {
        assert!(eps >= 0.0 && eps.is_finite(), "LayerNorm: eps is {eps}, which cannot be added to a variance");
        Self { eps, ..self }
    }

    /// The factor after normalising.
    pub fn weight(&self) -> Option<&Parameter<E>> {
        self.weight.as_ref()
    }

    /// The offset after normalising.
    pub fn bias(&self) -> Option<&Parameter<E>> {
        self.bias.as_ref()
    }
}

impl<E: Element> Layer<E> for LayerNorm<E> {
    fn forward(&self, x: &Var<E>) -> Var<E> {
        assert!(
            x.shape().ends_with(&self.shape),
            "LayerNorm: an input of shape {} does not end in {}",
            x.shape(),
            self.shape
        );
        let affine = self.weight.as_ref().zip(self.bias.as_ref()).map(|(w, b)| (w.var(), b.var()));
        x.layer_norm(self.shape.len(), affine.as_ref().map(|(w, b)| (w, b)), E::from_f64(self.eps))
    }

    fn output_shape(&self, input: &[usize]) -> Result<Shape, ShapeError> {
        if input.ends_with(&self.shape) {
            return Ok(Shape::new(input));
        }
        Err(ShapeError::new(self.name(), input, format!("it normalises last axes of shape {}", self.shape)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ModuleExt;

    #[test]
    fn the_state_has_the_names_of_pytorch() {
        let names: Vec<String> = LayerNorm::<f32>::new([2, 3]).state().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["weight", "bias"]);
        assert!(LayerNorm::<f32>::without_affine([2, 3]).state().is_empty());
    }

    #[test]
    fn a_shape_that_does_not_end_right_is_reported() {
        let norm = LayerNorm::<f32>::new([3]);
        assert_eq!(norm.output_shape(&[7, 3]).unwrap(), [7, 3]);
        let error = norm.output_shape(&[3, 7]).unwrap_err().to_string();
        assert!(error.contains("LayerNorm") && error.contains("[3]"), "{error}");
    }
}
