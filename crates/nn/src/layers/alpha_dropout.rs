//! Dropout that keeps mean and variance, for self-normalising networks.

use crate::layer::ShapeError;
use crate::{Layer, Stage};
use kniff_autograd::Var;
use kniff_autograd::ops::DropoutMask;
use kniff_tensor::{Element, Rng, Shape};

/// What SELU tends to far below 0: `-scale alpha`.
const FLOOR: f64 = -1.758_099_340_847_376_6;

/// Dropout for SELU: in training each number is set to the value that SELU saturates at with probability p, and then all
/// are scaled and shifted so that a mean of 0 and a variance of 1 stay; at test time it stays as it is.
///
/// With `f = -1.7581`, what is kept becomes `a x + b` and what is dropped `a f + b`, where `a = 1 / sqrt((1-p)(1 + p f^2))` and
/// `b = -a p f`. Source: Klambauer, Unterthiner, Mayr, Hochreiter, "Self-normalizing neural networks" (2017).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AlphaDropout {
    p: f64,
}

impl AlphaDropout {
    /// Drops with probability `p`.
    ///
    /// # Panics
    /// Unless `p` is at least 0 and below 1.
    #[track_caller]
    pub fn new(p: f64) -> Self {
        assert!((0.0..1.0).contains(&p), "AlphaDropout: p is {p}; it is the probability of being dropped, below 1");
        Self { p }
    }

    /// The probability of being dropped.
    pub fn p(&self) -> f64 {
        self.p
    }
}

crate::stateless!(AlphaDropout);

impl<E: Element> Layer<E> for AlphaDropout {
    fn forward(&self, x: &Var<E>) -> Var<E> {
        x.clone()
    }

    fn forward_train(&mut self, x: &Var<E>, rng: &mut Rng) -> Var<E> {
        self.forward_sampling(x, rng)
    }

    fn forward_sampling(&self, x: &Var<E>, rng: &mut Rng) -> Var<E> {
        if self.p == 0.0 {
            return x.clone();
        }
        let mask = DropoutMask::draw(*x.shape(), self.p, rng);
        let a = ((1.0 - self.p) * (1.0 + self.p * FLOOR * FLOOR)).sqrt().recip();
        let (kept, dropped) = (-a * self.p * FLOOR, a * FLOOR - a * self.p * FLOOR);
        // The shift of what is kept, and the value of what is dropped.
        let shift = mask.as_tensor::<E>().affine(E::from_f64(kept - dropped), E::from_f64(dropped));
        x.dropout_unscaled(&mask).mul_scalar(E::from_f64(a)).add(&shift.into())
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
    fn mean_and_variance_stay() {
        let n = 400_000;
        let x = Var::<f64>::constant(Tensor::randn([n], &mut Rng::new(1)));
        for p in [0.1, 0.5] {
            let y = AlphaDropout::new(p).forward_train(&x, &mut Rng::new(2));
            let (mean, variance) = (y.value().mean_all().item(), y.value().var(&[0], 0, false).item());
            // Five standard errors of a mean of n numbers of variance 1; the fourth moment is below 9.
            let error = 5.0 / (n as f64).sqrt();
            assert!(mean.abs() < error && (variance - 1.0).abs() < 3.0 * error, "p = {p}: {mean} {variance}");
        }
    }

    #[test]
    fn values_are_those_of_the_formula() {
        // torch.nn.functional.alpha_dropout at p = 0.5 gives these two values for inputs of 1.
        let x = Var::<f64>::constant(Tensor::ones([100]));
        let y = AlphaDropout::new(0.5).forward_train(&x, &mut Rng::new(0)).value().to_vec();
        let (mut kept, mut dropped) = (0, 0);
        for y in y {
            if (y - KEPT).abs() < 1e-9 {
                kept += 1;
            } else {
                assert!((y - DROPPED).abs() < 1e-9, "{y}");
                dropped += 1;
            }
        }
        assert!(kept > 20 && dropped > 20);
    }

    const KEPT: f64 = 1.6655988251839635;
    const DROPPED: f64 = -0.7791939305180315;
}
