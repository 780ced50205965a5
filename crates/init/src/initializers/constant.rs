//! Every element the same: right for biases and scales, wrong for weights.

use crate::initializer::check_length;
use crate::{InitError, Initializer};
use kniff_tensor::{Element, Rng};
use serde::{Deserialize, Serialize};

/// Every element is the given number.
///
/// Never for the weights of a hidden layer: units that start equal get equal gradients and stay equal.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Constant(pub f64);

/// Every element is 0: biases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Zeros;

/// Every element is 1: the scales of normalisation layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ones;

impl Initializer for Constant {
    fn try_fill<E: Element>(&self, shape: &[usize], out: &mut [E], _: &mut Rng) -> Result<(), InitError> {
        check_length(shape, out)?;
        out.fill(E::from_f64(self.0));
        Ok(())
    }
}

impl Initializer for Zeros {
    fn try_fill<E: Element>(&self, shape: &[usize], out: &mut [E], rng: &mut Rng) -> Result<(), InitError> {
        Constant(0.0).try_fill(shape, out, rng)
    }
}

impl Initializer for Ones {
    fn try_fill<E: Element>(&self, shape: &[usize], out: &mut [E], rng: &mut Rng) -> Result<(), InitError> {
        Constant(1.0).try_fill(shape, out, rng)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kniff_tensor::Tensor;

    #[test]
    fn constants_are_constant_and_draw_nothing() {
        let mut rng = Rng::new(4);
        let filled: [Tensor; 3] =
            [Constant(0.5).init(&[3], &mut rng), Zeros.init(&[2, 0], &mut rng), Ones.init(&[], &mut rng)];
        assert_eq!(filled[0].to_vec(), [0.5; 3]);
        assert!(filled[1].is_empty());
        assert_eq!(filled[2].item(), 1.0);
        assert_eq!(rng, Rng::new(4));
    }
}
