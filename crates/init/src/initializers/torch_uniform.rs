//! The uniform rule that many layers start with and that makes deep networks fade.

use super::{Distribution, Fan, VarianceScaling};
use crate::{Fans, InitError, Initializer};
use kniff_tensor::{Element, Rng};
use serde::{Deserialize, Serialize};

/// U[-1/sqrt(fan_in), 1/sqrt(fan_in)]: the rule of Torch, and still what PyTorch's Linear and Conv layers start with.
///
/// It looks as if it kept the variance, but a uniform distribution on +-b has variance b^2/3, so
/// `fan_in Var(W) = 1/3` where 1 (linear) or 2 (ReLU) is needed: each layer multiplies the size of the signal by 0.58,
/// under ReLU by 0.41. After thirty ReLU layers 2e-12 is left of it. It is here to reproduce PyTorch and to show the
/// effect; choose [`for_activation`](crate::for_activation) or a named scheme instead.
///
/// PyTorch draws the bias from the same interval, with the weight's fan: [`TorchUniform::bias`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TorchUniform;

impl TorchUniform {
    /// The formula behind the name: scale 1/3.
    pub const fn scheme(self) -> VarianceScaling {
        VarianceScaling::new(1.0 / 3.0, Fan::In, Distribution::Uniform)
    }

    /// What PyTorch fills the bias with that goes with a weight of these fans.
    pub fn bias(self, fans: Fans) -> super::Uniform {
        super::Uniform::symmetric(1.0 / (fans.fan_in as f64).sqrt())
    }
}

impl Initializer for TorchUniform {
    fn try_fill<E: Element>(&self, shape: &[usize], out: &mut [E], rng: &mut Rng) -> Result<(), InitError> {
        self.scheme().try_fill(shape, out, rng)
    }
}
