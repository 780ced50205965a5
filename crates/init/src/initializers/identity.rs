//! The identity matrix as a dense layer's first weights.

use crate::initializer::check_length;
use crate::{InitError, Initializer};
use kniff_tensor::{Element, Rng};
use serde::{Deserialize, Serialize};

/// `gain` on the diagonal and 0 elsewhere, for matrices of any proportions.
///
/// Square with gain 1 a layer passes its input on unchanged; used for recurrent weights (Le, Jaitly, Hinton 2015).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// The number on the diagonal.
    pub gain: f64,
}

impl Default for Identity {
    fn default() -> Self {
        Self { gain: 1.0 }
    }
}

impl Initializer for Identity {
    fn try_fill<E: Element>(&self, shape: &[usize], out: &mut [E], _: &mut Rng) -> Result<(), InitError> {
        let &[rows, columns] = shape else {
            return Err(InitError::Rank { initializer: "Identity", expected: "two axes", shape: shape.to_vec() });
        };
        check_length(shape, out)?;
        out.fill(E::ZERO);
        for i in 0..rows.min(columns) {
            out[i * columns + i] = E::from_f64(self.gain);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kniff_tensor::Tensor;

    #[test]
    fn the_diagonal_is_the_gain() {
        let w: Tensor = Identity { gain: 2.0 }.init(&[2, 3], &mut Rng::new(0));
        assert_eq!(w.to_vec(), [2.0, 0.0, 0.0, 0.0, 2.0, 0.0]);
        assert!(Identity::default().try_init::<f32>(&[3], &mut Rng::new(0)).is_err());
    }
}
