//! The identity as a convolution's first weights.

use crate::error::require;
use crate::initializer::check_length;
use crate::{InitError, Initializer};
use kniff_tensor::{Element, Rng};
use serde::{Deserialize, Serialize};

/// A one in the kernel's centre where input and output channel are the same, 0 elsewhere.
///
/// For weights `[out, in / groups, kernel...]` with one to three kernel axes; with "same" padding the convolution
/// passes as many channels on unchanged as both sides have. PyTorch's `dirac_`; the centre of an even kernel is `k / 2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dirac {
    /// The convolution's groups; each of them gets its own identity.
    pub groups: usize,
}

impl Default for Dirac {
    fn default() -> Self {
        Self { groups: 1 }
    }
}

impl Initializer for Dirac {
    fn try_fill<E: Element>(&self, shape: &[usize], out: &mut [E], _: &mut Rng) -> Result<(), InitError> {
        let (&[outs, ins, ref kernel @ ..], 3..=5) = (shape, shape.len()) else {
            return Err(InitError::Rank {
                initializer: "Dirac",
                expected: "three to five axes",
                shape: shape.to_vec(),
            });
        };
        let groups = self.groups;
        let divides = groups > 0 && outs.is_multiple_of(groups);
        require(divides, "Dirac", "groups", groups as f64, "a divisor of the number of output channels")?;
        check_length(shape, out)?;
        out.fill(E::ZERO);
        if out.is_empty() {
            return Ok(());
        }
        let size: usize = kernel.iter().product();
        let centre = kernel.iter().fold(0, |at, k| at * k + k / 2);
        let per_group = outs / groups;
        for group in 0..groups {
            for channel in 0..per_group.min(ins) {
                out[((group * per_group + channel) * ins + channel) * size + centre] = E::ONE;
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
    fn each_group_gets_its_identity() {
        let w: Tensor = Dirac { groups: 2 }.init(&[4, 2, 3, 3], &mut Rng::new(0));
        assert_eq!(w.to_vec().iter().sum::<f32>(), 4.0);
        for at in [[0, 0, 1, 1], [1, 1, 1, 1], [2, 0, 1, 1], [3, 1, 1, 1]] {
            assert_eq!(w.at(&at), 1.0);
        }
    }

    #[test]
    fn groups_that_do_not_divide_are_refused() {
        assert!(Dirac { groups: 3 }.try_init::<f32>(&[4, 2, 3], &mut Rng::new(0)).is_err());
        assert!(Dirac::default().try_init::<f32>(&[4, 2], &mut Rng::new(0)).is_err());
    }
}
