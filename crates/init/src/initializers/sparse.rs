//! A dense layer's weights of which most are zero.

use super::Normal;
use crate::error::require;
use crate::initializer::check_length;
use crate::{InitError, Initializer};
use kniff_tensor::{Element, Rng};
use serde::{Deserialize, Serialize};

/// N(0, std^2), then in every column `ceil(sparsity * rows)` randomly chosen elements are set to 0.
///
/// PyTorch's `sparse_`, for weights `[out, in]`: the zeros are counted per input. Martens (2010), whom it cites, counts
/// them per output unit instead.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sparse {
    /// The share of zeros in each column, within 0..=1.
    pub sparsity: f64,
    /// The standard deviation of the others (PyTorch: 0.01).
    pub std: f64,
}

impl Initializer for Sparse {
    fn try_fill<E: Element>(&self, shape: &[usize], out: &mut [E], rng: &mut Rng) -> Result<(), InitError> {
        let &[rows, columns] = shape else {
            return Err(InitError::Rank { initializer: "Sparse", expected: "two axes", shape: shape.to_vec() });
        };
        require((0.0..=1.0).contains(&self.sparsity), "Sparse", "sparsity", self.sparsity, "within 0 and 1")?;
        check_length(shape, out)?;
        Normal::centered(self.std).try_fill(shape, out, rng)?;
        let zeros = (self.sparsity * rows as f64).ceil() as usize;
        for column in 0..columns {
            for &row in &rng.permutation(rows)[..zeros] {
                out[row * columns + column] = E::ZERO;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kniff_tensor::Tensor;

    #[test]
    fn every_column_has_its_zeros() {
        let w: Tensor = Sparse { sparsity: 0.31, std: 0.01 }.init(&[10, 7], &mut Rng::new(5));
        for column in 0..7 {
            assert_eq!((0..10).filter(|&row| w.at(&[row, column]) == 0.0).count(), 4);
        }
        assert!(Sparse { sparsity: 1.1, std: 0.01 }.try_init::<f32>(&[2, 2], &mut Rng::new(0)).is_err());
    }
}
