//! Normalisation of groups of channels, example by example.

use crate::layer::ShapeError;
use crate::{Layer, Module};
use kniff_autograd::{Parameter, Var};
use kniff_tensor::{Element, Shape, Tensor};

/// Groups of neighbouring channels of each example less their mean and divided by `sqrt(variance + eps)`, then every
/// channel times a weight plus a bias.
///
/// Takes [n, channels, ..]. Unlike batch norm it does not depend on the batch, so that small batches do no harm and
/// training and test time are the same. One group is layer norm over the example, as many groups as channels
/// [`super::InstanceNorm`]. Names and defaults are PyTorch's. Source: Wu, He, "Group normalization" (2018).
///
/// ```
/// use kniff_autograd::Var;
/// use kniff_nn::{Layer, layers::GroupNorm};
/// use kniff_tensor::Tensor;
/// let norm = GroupNorm::<f64>::new(2, 4).with_eps(0.0);
/// let x = Var::constant(Tensor::from_slice(&[1.0, 3.0, 10.0, 14.0], [1, 4]));
/// assert_eq!(norm.forward(&x).value().to_vec(), [-1.0, 1.0, -1.0, 1.0]);
/// ```
#[derive(Clone, Debug, Module)]
#[module(crate = "crate")]
pub struct GroupNorm<E: Element = f32> {
    weight: Option<Parameter<E>>,
    bias: Option<Parameter<E>>,
    #[module(skip)]
    groups: usize,
    #[module(skip)]
    channels: usize,
    #[module(skip)]
    eps: f64,
}

impl<E: Element> GroupNorm<E> {
    /// With weights of 1, biases of 0 and `eps` 1e-5.
    ///
    /// # Panics
    /// Unless the groups divide the channels.
    #[track_caller]
    pub fn new(groups: usize, channels: usize) -> Self {
        let (weight, bias) = (Tensor::ones([channels]), Tensor::zeros([channels]));
        let (weight, bias) = (Some(Parameter::new(weight)), Some(Parameter::new(bias)));
        Self { weight, bias, ..Self::without_affine(groups, channels) }
    }

    /// Without weights and biases.
    ///
    /// # Panics
    /// Unless the groups divide the channels.
    #[track_caller]
    pub fn without_affine(groups: usize, channels: usize) -> Self {
        let divides = groups > 0 && channels.is_multiple_of(groups);
        assert!(divides, "GroupNorm: {channels} channels cannot be put into {groups} equal groups");
        Self { weight: None, bias: None, groups, channels, eps: 1e-5 }
    }

    /// With another number added to the variance.
    ///
    /// # Panics
    /// If it is negative or not finite.
    #[must_use]
    #[track_caller]
    pub fn with_eps(self, eps: f64) -> Self {
        assert!(eps >= 0.0 && eps.is_finite(), "GroupNorm: eps is {eps}, which cannot be added to a variance");
        Self { eps, ..self }
    }

    /// The factor after normalising, `[channels]`.
    pub fn weight(&self) -> Option<&Parameter<E>> {
        self.weight.as_ref()
    }

    /// The offset after normalising, `[channels]`.
    pub fn bias(&self) -> Option<&Parameter<E>> {
        self.bias.as_ref()
    }
}

impl<E: Element> Layer<E> for GroupNorm<E> {
    fn forward(&self, x: &Var<E>) -> Var<E> {
        let fits = x.shape().get(1) == Some(&self.channels);
        assert!(fits, "GroupNorm: an input of shape {} is not [n, {}, ..]", x.shape(), self.channels);
        let affine = self.weight.as_ref().zip(self.bias.as_ref()).map(|(w, b)| (w.var(), b.var()));
        x.group_norm(self.groups, affine.as_ref().map(|(w, b)| (w, b)), E::from_f64(self.eps))
    }

    fn output_shape(&self, input: &[usize]) -> Result<Shape, ShapeError> {
        if input.first() == Some(&self.channels) {
            return Ok(Shape::new(input));
        }
        Err(ShapeError::new(
            self.name(),
            input,
            format!("it normalises {} channels along the first axis", self.channels),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "GroupNorm: 6 channels cannot be put into 4 equal groups")]
    fn groups_divide_the_channels() {
        let _ = GroupNorm::<f32>::new(4, 6);
    }

    #[test]
    fn other_channels_are_reported() {
        let norm = GroupNorm::<f32>::new(2, 6);
        assert_eq!(norm.output_shape(&[6, 5, 5]).unwrap(), [6, 5, 5]);
        assert!(norm.output_shape(&[5, 6]).is_err());
    }

    #[test]
    fn an_empty_batch_has_an_empty_gradient() {
        let x = Parameter::new(Tensor::<f32>::zeros([0, 4, 3]));
        for layer in [GroupNorm::<f32>::new(2, 4), GroupNorm::without_affine(2, 4)] {
            let gradients = layer.forward(&x.var()).sum_all().backward();
            assert_eq!(*gradients.get(&x).unwrap().shape(), [0, 4, 3]);
        }
    }
}
