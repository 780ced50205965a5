//! Units switched off at random in training.

use crate::layer::ShapeError;
use crate::{Layer, Stage};
use kniff_autograd::Var;
use kniff_autograd::ops::DropoutMask;
use kniff_tensor::{Element, Rng, Shape};

/// Dropout: in training each number is 0 with probability p and `x / (1 - p)` otherwise; at test time it stays as it is.
///
/// p is the probability of being dropped. The scaling is done in training (inverted dropout) rather than by 1 - p at test
/// time, so that test time is the identity; the expectations are the same.
///
/// Source: Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov, "Dropout" (2014).
///
/// ```
/// use kniff_autograd::Var;
/// use kniff_nn::{Layer, layers::Dropout};
/// use kniff_tensor::{Rng, Tensor};
/// let mut dropout = Dropout::new(0.5);
/// let x = Var::<f32>::constant(Tensor::ones([1000]));
/// let y = dropout.forward_train(&x, &mut Rng::new(0)).value().to_vec();
/// assert!(y.iter().all(|&y| y == 0.0 || y == 2.0));
/// assert_eq!(dropout.forward(&x).value().to_vec(), x.value().to_vec());
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropout {
    p: f64,
}

impl Dropout {
    /// Drops with probability `p`.
    ///
    /// # Panics
    /// Unless `p` is within 0..=1.
    #[track_caller]
    pub fn new(p: f64) -> Self {
        assert!((0.0..=1.0).contains(&p), "Dropout: p is {p}; it is the probability of being dropped, from 0 to 1");
        Self { p }
    }

    /// The probability of being dropped.
    pub fn p(&self) -> f64 {
        self.p
    }
}

crate::stateless!(Dropout);

impl<E: Element> Layer<E> for Dropout {
    fn forward(&self, x: &Var<E>) -> Var<E> {
        x.clone()
    }

    fn forward_train(&mut self, x: &Var<E>, rng: &mut Rng) -> Var<E> {
        if self.p == 0.0 {
            return x.clone();
        }
        x.dropout(&DropoutMask::draw(*x.shape(), self.p, rng))
    }

    fn forward_sampling(&self, x: &Var<E>, rng: &mut Rng) -> Var<E> {
        Dropout::forward_train(&mut self.clone(), x, rng)
    }

    fn output_shape(&self, input: &[usize]) -> Result<Shape, ShapeError> {
        Ok(Shape::new(input))
    }

    fn stage(&self) -> Stage<'_, E> {
        Stage::Identity
    }

    fn is_transparent(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kniff_tensor::Tensor;

    #[test]
    fn the_same_generator_drops_the_same() {
        let x = Var::<f32>::constant(Tensor::ones([64, 64]));
        let run = |seed| Dropout::new(0.3).forward_train(&x, &mut Rng::new(seed)).value().to_vec();
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
    }

    #[test]
    #[should_panic(expected = "Dropout: p is 1.5")]
    fn more_than_everything_cannot_be_dropped() {
        let _ = Dropout::new(1.5);
    }
}
