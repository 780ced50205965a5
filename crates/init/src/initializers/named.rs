//! The names that people know for members of the variance-scaling family.

use super::{Distribution, Fan, VarianceScaling};
use crate::{InitError, Initializer, Layout};
use kniff_tensor::{Element, Rng};
use serde::{Deserialize, Serialize};

/// One name for one [`VarianceScaling`]: the docs, the struct and its way to the formula.
macro_rules! named {
    ($(#[$doc:meta])* $name:ident = $scale:expr, $fan:ident, $distribution:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        pub struct $name;

        impl $name {
            /// The formula behind the name.
            pub const fn scheme(self) -> VarianceScaling {
                VarianceScaling::new($scale, Fan::$fan, Distribution::$distribution)
            }

            /// The same scheme divided by another fan.
            pub const fn fan(self, fan: Fan) -> VarianceScaling {
                self.scheme().fan(fan)
            }

            /// The same scheme with all weights times `gain`.
            pub const fn gain(self, gain: f64) -> VarianceScaling {
                self.scheme().gain(gain)
            }

            /// The same scheme for weights of another layout.
            pub const fn layout(self, layout: Layout) -> VarianceScaling {
                self.scheme().layout(layout)
            }
        }

        impl Initializer for $name {
            fn try_fill<E: Element>(&self, shape: &[usize], out: &mut [E], rng: &mut Rng) -> Result<(), InitError> {
                self.scheme().try_fill(shape, out, rng)
            }
        }

        impl From<$name> for VarianceScaling {
            fn from(name: $name) -> Self {
                name.scheme()
            }
        }
    };
}

named! {
    /// Var(W) = 1 / fan_in, normal: for linear units, SELU and the lecture's 1.7159 tanh(2x/3).
    ///
    /// LeCun, Bottou, Orr, Müller: Efficient BackProp, 1998.
    LecunNormal = 1.0, In, Normal
}
named! {
    /// Var(W) = 1 / fan_in, uniform on +-sqrt(3 / fan_in).
    ///
    /// LeCun, Bottou, Orr, Müller: Efficient BackProp, 1998.
    LecunUniform = 1.0, In, Uniform
}
named! {
    /// Var(W) = 1 / fan_in, normal cut at two deviations (Flax's default).
    LecunTruncatedNormal = 1.0, In, TruncatedNormal
}
named! {
    /// Var(W) = 2 / (fan_in + fan_out), normal: a compromise between signals up and gradients down, for tanh-like units.
    ///
    /// Glorot, Bengio: Understanding the difficulty of training deep feedforward neural networks, 2010.
    GlorotNormal = 1.0, Average, Normal
}
named! {
    /// Var(W) = 2 / (fan_in + fan_out), uniform on +-sqrt(6 / (fan_in + fan_out)) (Keras' default).
    ///
    /// Glorot, Bengio: Understanding the difficulty of training deep feedforward neural networks, 2010.
    GlorotUniform = 1.0, Average, Uniform
}
named! {
    /// Var(W) = 2 / (fan_in + fan_out), normal cut at two deviations.
    GlorotTruncatedNormal = 1.0, Average, TruncatedNormal
}
named! {
    /// Var(W) = 2 / fan_in, normal: for ReLU, which lets half of the second moment through.
    ///
    /// With a slope below 0 ([`HeNormal::slope`]) 2 / ((1 + slope^2) fan_in). PyTorch's `kaiming_normal_`; its argument
    /// `a` is the slope, and only counts with `nonlinearity="leaky_relu"`.
    ///
    /// He, Zhang, Ren, Sun: Delving deep into rectifiers, 2015.
    ///
    /// ```
    /// use kniff_init::{Fan, HeNormal};
    /// assert_eq!(HeNormal.slope(1.0).scale, 1.0); // No bend: LeCun's.
    /// assert_eq!(HeNormal.fan(Fan::Out).scale, 2.0);
    /// ```
    HeNormal = 2.0, In, Normal
}
named! {
    /// Var(W) = 2 / fan_in, uniform on +-sqrt(6 / fan_in); PyTorch's `kaiming_uniform_` with `nonlinearity="relu"`.
    ///
    /// Not what PyTorch's layers start with: that is [`TorchUniform`](crate::TorchUniform), a sixth of this variance.
    HeUniform = 2.0, In, Uniform
}
named! {
    /// Var(W) = 2 / fan_in, normal cut at two deviations.
    HeTruncatedNormal = 2.0, In, TruncatedNormal
}

impl HeNormal {
    /// For a leaky ReLU with this slope below 0: scale 2 / (1 + slope^2).
    pub const fn slope(self, slope: f64) -> VarianceScaling {
        leaky(self.scheme(), slope)
    }
}

impl HeUniform {
    /// For a leaky ReLU with this slope below 0: scale 2 / (1 + slope^2).
    pub const fn slope(self, slope: f64) -> VarianceScaling {
        leaky(self.scheme(), slope)
    }
}

impl HeTruncatedNormal {
    /// For a leaky ReLU with this slope below 0: scale 2 / (1 + slope^2).
    pub const fn slope(self, slope: f64) -> VarianceScaling {
        leaky(self.scheme(), slope)
    }
}

const fn leaky(scheme: VarianceScaling, slope: f64) -> VarianceScaling {
    VarianceScaling { scale: scheme.scale / (1.0 + slope * slope), ..scheme }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kniff_tensor::Tensor;

    #[test]
    fn a_name_draws_what_its_formula_draws() {
        let by_name: Tensor = GlorotUniform.init(&[6, 5], &mut Rng::new(1));
        let by_formula: Tensor = GlorotUniform.scheme().init(&[6, 5], &mut Rng::new(1));
        assert_eq!(by_name, by_formula);
        assert_ne!(by_name, LecunUniform.init(&[6, 5], &mut Rng::new(1)));
    }

    #[test]
    fn another_seed_draws_other_weights() {
        let a: Tensor = HeNormal.init(&[6, 5], &mut Rng::new(1));
        let b: Tensor = HeNormal.init(&[6, 5], &mut Rng::new(2));
        assert_ne!(a, b);
    }
}
