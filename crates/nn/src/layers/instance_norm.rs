//! Normalisation of every channel of every example by itself.

use super::GroupNorm;
use crate::layer::ShapeError;
use crate::{Layer, Module, Path, Visitor, VisitorMut};
use kniff_autograd::{Parameter, Var};
use kniff_tensor::{Element, Shape};

/// Every channel of every example less its mean over the positions and divided by `sqrt(variance + eps)`: group norm with
/// as many groups as channels.
///
/// [`InstanceNorm1d`] takes [n, channels, length], [`InstanceNorm2d`] [n, channels, height, width]. As in PyTorch there are
/// no weights and biases unless asked for. Differs from PyTorch: no running statistics, which would make test time
/// depend on the training set; one position per channel is refused there in training only, here always.
/// Source: Ulyanov, Vedaldi, Lempitsky, "Instance normalization" (2016).
///
/// ```
/// use kniff_autograd::Var;
/// use kniff_nn::{Layer, layers::InstanceNorm1d};
/// use kniff_tensor::Tensor;
/// let norm = InstanceNorm1d::<f64>::new(2).with_eps(0.0);
/// let x = Var::constant(Tensor::from_slice(&[1.0, 3.0, 10.0, 14.0], [1, 2, 2]));
/// assert_eq!(norm.forward(&x).value().to_vec(), [-1.0, 1.0, -1.0, 1.0]);
/// ```
#[derive(Clone, Debug)]
pub struct InstanceNorm<const AXES: usize, E: Element = f32> {
    norm: GroupNorm<E>,
    channels: usize,
}

/// Instance normalisation of [n, channels, length].
pub type InstanceNorm1d<E = f32> = InstanceNorm<1, E>;

/// Instance normalisation of images [n, channels, height, width].
pub type InstanceNorm2d<E = f32> = InstanceNorm<2, E>;

impl<const AXES: usize, E: Element> InstanceNorm<AXES, E> {
    const NAME: &'static str = if AXES == 1 { "InstanceNorm1d" } else { "InstanceNorm2d" };

    /// Without weights and biases, with `eps` 1e-5.
    ///
    /// # Panics
    /// Without channels.
    #[track_caller]
    pub fn new(channels: usize) -> Self {
        Self { norm: GroupNorm::without_affine(channels, channels), channels }
    }

    /// With weights of 1 and biases of 0.
    ///
    /// # Panics
    /// Without channels.
    #[track_caller]
    pub fn with_affine(channels: usize) -> Self {
        Self { norm: GroupNorm::new(channels, channels), channels }
    }

    /// With another number added to the variance.
    ///
    /// # Panics
    /// If it is negative or not finite.
    #[must_use]
    #[track_caller]
    pub fn with_eps(self, eps: f64) -> Self {
        Self { norm: self.norm.with_eps(eps), ..self }
    }

    /// The factor after normalising, `[channels]`.
    pub fn weight(&self) -> Option<&Parameter<E>> {
        self.norm.weight()
    }

    /// The offset after normalising, `[channels]`.
    pub fn bias(&self) -> Option<&Parameter<E>> {
        self.norm.bias()
    }

    fn fits(&self, example: &[usize]) -> bool {
        example.len() == AXES + 1 && example[0] == self.channels && example[1..].iter().product::<usize>() != 1
    }
}

impl<const AXES: usize, E: Element> Module<E> for InstanceNorm<AXES, E> {
    fn visit<'a>(&'a self, path: &mut Path, visitor: &mut dyn Visitor<'a, E>) {
        self.norm.visit(path, visitor);
    }
    fn visit_mut<'a>(&'a mut self, path: &mut Path, visitor: &mut dyn VisitorMut<'a, E>) {
        self.norm.visit_mut(path, visitor);
    }
}

impl<const AXES: usize, E: Element> Layer<E> for InstanceNorm<AXES, E> {
    fn forward(&self, x: &Var<E>) -> Var<E> {
        assert!(
            x.rank() > 0 && self.fits(&x.shape()[1..]),
            "{}: an input of shape {} is not [n, {}] and {AXES} more axes with more than one position",
            Self::NAME,
            x.shape(),
            self.channels
        );
        self.norm.forward(x)
    }

    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn output_shape(&self, input: &[usize]) -> Result<Shape, ShapeError> {
        if self.fits(input) {
            return Ok(Shape::new(input));
        }
        let takes = format!("it takes {} channels and {AXES} more axes with more than one position", self.channels);
        Err(ShapeError::new(Self::NAME, input, takes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ModuleExt;

    #[test]
    fn weights_are_there_only_if_asked_for() {
        assert_eq!(InstanceNorm2d::<f32>::new(3).parameter_count(), 0);
        let names: Vec<String> =
            InstanceNorm2d::<f32>::with_affine(3).state().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["weight", "bias"]);
    }

    #[test]
    fn one_position_is_refused() {
        let norm = InstanceNorm2d::<f32>::new(3);
        assert!(norm.output_shape(&[3, 2, 1]).is_ok());
        let error = norm.output_shape(&[3, 1, 1]).unwrap_err().to_string();
        assert!(error.contains("InstanceNorm2d") && error.contains("more than one position"), "{error}");
    }
}
