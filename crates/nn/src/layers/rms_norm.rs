//! Division of every example by its root mean square.

use crate::layer::ShapeError;
use crate::{Layer, Module};
use kniff_autograd::{Parameter, Var};
use kniff_tensor::{Element, Shape, Tensor};

/// `weight x / sqrt(mean(x^2) + eps)` along the last axis: layer norm without centring.
///
/// Differs from PyTorch: `eps` is 1e-6 unless given (there it is the smallest step of the element type).
/// Source: Zhang, Sennrich, "Root mean square layer normalization" (2019).
///
/// ```
/// use kniff_autograd::Var;
/// use kniff_nn::{Layer, layers::RmsNorm};
/// use kniff_tensor::Tensor;
/// let norm = RmsNorm::<f64>::new(2).with_eps(0.0);
/// // The mean of 1 and 49 is 25, its root 5.
/// let x = Var::constant(Tensor::from_slice(&[1.0, -7.0], [1, 2]));
/// assert_eq!(norm.forward(&x).value().to_vec(), [0.2, -1.4]);
/// ```
#[derive(Clone, Debug, Module)]
#[module(crate = "crate")]
pub struct RmsNorm<E: Element = f32> {
    weight: Parameter<E>,
    #[module(skip)]
    eps: f64,
}

impl<E: Element> RmsNorm<E> {
    /// Along a last axis of this many features, with weights of 1 and `eps` 1e-6.
    pub fn new(features: usize) -> Self {
        Self { weight: Parameter::new(Tensor::ones([features])), eps: 1e-6 }
    }

    /// With another number added to the mean square.
    ///
    /// # Panics
    /// If it is negative or not finite.
    #[must_use]
    #[track_caller]
    pub fn with_eps(self, eps: f64) -> Self {
        assert!(eps >= 0.0 && eps.is_finite(), "RmsNorm: eps is {eps}, which cannot be added to a mean square");
        Self { eps, ..self }
    }

    /// The factor after dividing, `[features]`.
    pub fn weight(&self) -> &Parameter<E> {
        &self.weight
    }
}

impl<E: Element> Layer<E> for RmsNorm<E> {
    fn forward(&self, x: &Var<E>) -> Var<E> {
        let features = self.weight.value().len();
        let fits = x.shape().last() == Some(&features);
        assert!(fits, "RmsNorm: an input of shape {} has not {features} features along the last axis", x.shape());
        let mean_square = x.square().mean(&[x.rank() - 1], true);
        x.div(&mean_square.add_scalar(E::from_f64(self.eps)).sqrt()).mul(&self.weight.var())
    }

    fn output_shape(&self, input: &[usize]) -> Result<Shape, ShapeError> {
        let features = self.weight.value().len();
        if input.last() == Some(&features) {
            return Ok(Shape::new(input));
        }
        Err(ShapeError::new(self.name(), input, format!("the last axis must have {features} features")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ModuleExt;

    #[test]
    fn values_and_gradients_are_those_of_pytorch() {
        // torch.nn.functional.rms_norm(x, [3], w, eps=0.1), then (y * g).sum().backward(), in float64.
        let x = Var::constant(Tensor::from_slice(&[0.5, -1.0, 2.0, 3.0, 0.25, -0.75], [2, 3]));
        let g = Var::constant(Tensor::from_slice(&[1.0, 0.5, -2.0, 0.25, 1.5, -1.0], [2, 3]));
        let mut norm = RmsNorm::<f64>::new(3).with_eps(0.1);
        let w = Var::constant(Tensor::from_slice(&[1.0, 2.0, -0.5], [3]));
        let f = |p: &Vec<Var<f64>>, norm: &mut RmsNorm<f64>| norm.with_parameters(&p[1..], |norm| norm.forward(&p[0]));
        let point = vec![x, w];
        let y = f(&point, &mut norm.clone());
        let gradients = kniff_autograd::grad(|p: &Vec<Var<f64>>| f(p, &mut norm.clone()).mul(&g).sum_all(), &point);
        let close = |a: &Var<f64>, b: &[f64]| {
            a.value().to_vec().iter().zip(b).for_each(|(a, b)| assert!((a - b).abs() < 1e-12, "{a} {b}"));
        };
        close(&y, &Y);
        close(&gradients[0], &GRAD_X);
        close(&gradients[1], &GRAD_W);
        assert_eq!(norm.parameters_mut().len(), 1);
    }

    const Y: [f64; 6] = [
        0.3676073110469039,
        -1.4704292441876157,
        -0.7352146220938078,
        1.6493644299153611,
        0.2748940716525602,
        0.20617055373942014,
    ];
    const GRAD_X: [f64; 6] = [
        0.6358612947838338,
        0.9339212767137559,
        0.33780131285391163,
        -0.04950863003314368,
        1.6337847910937424,
        0.32163298811741614,
    ];
    const GRAD_W: [f64; 3] = [0.7799484185257441, -0.16143675730748377, -2.528517380896391];
}
