//! Dropout as the paper has it, with the scaling at test time.

use crate::Layer;
use crate::layer::ShapeError;
use kniff_autograd::Var;
use kniff_autograd::ops::DropoutMask;
use kniff_tensor::{Element, Rng, Shape};

/// Dropout in its first form: in training each number is 0 with probability p and stays as it is otherwise; at test time
/// every number is multiplied by `1 - p`, the probability that it was KEPT.
///
/// The lecture's slide says "multiply activations with the probability that the unit was set to zero"; that is a slip, which
/// for p = 0.5 alone makes no difference. The weights of the next layer become those under [`super::Dropout`] divided by
/// `1 - p`; what it gets on average is the same at test time as in training. There is no such form in PyTorch.
///
/// Source: Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov, "Dropout" (2014).
///
/// ```
/// use kniff_autograd::Var;
/// use kniff_nn::{Layer, layers::ClassicDropout};
/// use kniff_tensor::{Rng, Tensor};
/// let mut dropout = ClassicDropout::new(0.25);
/// let x = Var::<f32>::constant(Tensor::ones([1000]));
/// let y = dropout.forward_train(&x, &mut Rng::new(0)).value().to_vec();
/// assert!(y.iter().all(|&y| y == 0.0 || y == 1.0));
/// assert!(dropout.forward(&x).value().to_vec().iter().all(|&y| y == 0.75));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClassicDropout {
    p: f64,
}

impl ClassicDropout {
    /// Drops with probability `p`.
    ///
    /// # Panics
    /// Unless `p` is within 0..=1.
    #[track_caller]
    pub fn new(p: f64) -> Self {
        assert!(
            (0.0..=1.0).contains(&p),
            "ClassicDropout: p is {p}; it is the probability of being dropped, from 0 to 1"
        );
        Self { p }
    }

    /// The probability of being dropped.
    pub fn p(&self) -> f64 {
        self.p
    }
}

crate::stateless!(ClassicDropout);

impl<E: Element> Layer<E> for ClassicDropout {
    fn forward(&self, x: &Var<E>) -> Var<E> {
        if self.p == 0.0 { x.clone() } else { x.mul_scalar(E::from_f64(1.0 - self.p)) }
    }

    fn forward_train(&mut self, x: &Var<E>, rng: &mut Rng) -> Var<E> {
        self.forward_sampling(x, rng)
    }

    fn forward_sampling(&self, x: &Var<E>, rng: &mut Rng) -> Var<E> {
        if self.p == 0.0 {
            return x.clone();
        }
        x.dropout_unscaled(&DropoutMask::draw(*x.shape(), self.p, rng))
    }

    fn output_shape(&self, input: &[usize]) -> Result<Shape, ShapeError> {
        Ok(Shape::new(input))
    }

    fn is_transparent(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::Dropout;
    use kniff_tensor::Tensor;

    #[test]
    fn both_forms_drop_the_same_and_differ_by_the_probability_of_keeping() {
        let x = Var::<f64>::constant(Tensor::randn([30, 40], &mut Rng::new(1)));
        for p in [0.0, 0.2, 0.5, 0.9] {
            let (mut classic, mut inverted) = (ClassicDropout::new(p), Dropout::new(p));
            let a = classic.forward_train(&x, &mut Rng::new(2)).value().to_vec();
            let b = inverted.forward_train(&x, &mut Rng::new(2)).value().mul_scalar(1.0 - p).to_vec();
            a.iter().zip(&b).for_each(|(a, b)| assert!((a - b).abs() < 1e-14));
            let a = classic.forward(&x).value().to_vec();
            let b = inverted.forward(&x).value().mul_scalar(1.0 - p).to_vec();
            assert_eq!(a, b);
        }
    }
}
