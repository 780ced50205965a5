//! Which initialisation goes with which activation: the gain that keeps the signal's size.

use crate::{Distribution, Fan, HeNormal, VarianceScaling, gaussian};
use serde::{Deserialize, Serialize};

/// The nonlinearity that follows the weights that are to be initialised.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Activation {
    /// None: f(z) = z.
    Linear,
    /// 1 / (1 + e^-z).
    Sigmoid,
    /// tanh z.
    Tanh,
    /// 1.7159 tanh(2z/3), LeCun's choice: f(+-1) = +-1.
    ScaledTanh,
    /// z within -1..=1, the nearer end outside.
    HardTanh,
    /// max(z, 0).
    Relu,
    /// z for z > 0, `slope * z` below.
    LeakyRelu(f64),
    /// z for z > 0, `alpha * (e^z - 1)` below.
    Elu(f64),
    /// ELU scaled so that mean 0 and variance 1 reproduce themselves.
    Selu,
    /// z Phi(z), exact or in its tanh form.
    Gelu,
    /// z / (1 + e^-z), also called swish.
    Silu,
    /// ln(1 + e^z).
    Softplus,
    /// The largest of this many linear pieces.
    Maxout(usize),
}

impl Activation {
    /// E[f(z)^2] for z from N(0, 1): what is left of the second moment of a signal after the activation.
    ///
    /// | activation | E[f(z)^2] |
    /// | --- | --- |
    /// | linear, SELU, maxout of 1 or 2 | 1 |
    /// | ReLU; leaky | 1/2; (1 + slope^2)/2 |
    /// | ELU, alpha 1 | 0.6449 = 1/2 + e^2 Phi(-2) - 2 sqrt(e) Phi(-1) + 1/2 |
    /// | tanh; 1.7159 tanh(2z/3); hard tanh | 0.3943; 0.7504; 0.5161 |
    /// | sigmoid; softplus | 0.2934; 0.9212 |
    /// | GELU; SiLU | 0.4252; 0.3558 |
    /// | maxout of 3, 4, 5 | 1.2757, 1.5513, 1.8000 |
    ///
    /// Infinite for a maxout of no pieces, so that its gain is 0.
    pub fn second_moment(self) -> f64 {
        match self {
            Activation::Linear | Activation::Selu => 1.0,
            Activation::Relu => 0.5,
            Activation::LeakyRelu(slope) => 0.5 * (1.0 + slope * slope),
            Activation::Elu(alpha) => {
                let e = std::f64::consts::E;
                let negative = e * e * gaussian::below(-2.0) - 2.0 * e.sqrt() * gaussian::below(-1.0) + 0.5;
                0.5 + alpha * alpha * negative
            }
            // The integral of z^2 phi(z) over -1..=1, and 1 outside: the two tails' mass cancels out.
            Activation::HardTanh => 1.0 - 2.0 * gaussian::density(1.0),
            Activation::Sigmoid => 0.293_379_035_858_093,
            Activation::Tanh => 0.394_294_490_397_841_1,
            Activation::ScaledTanh => 0.750_430_276_305_065,
            Activation::Gelu => 0.425_221_482_570_298_6,
            Activation::Silu => 0.355_775_519_817_352_3,
            Activation::Softplus => 0.921_245_908_859_300_2,
            Activation::Maxout(pieces) => match pieces {
                0 => f64::INFINITY,
                1 | 2 => 1.0,
                k => normal_mean(|z| z * z * k as f64 * gaussian::below(z).powi((k - 1).min(1 << 20) as i32)),
            },
        }
    }
}

/// The factor on the weights' standard deviation `1/sqrt(fan_in)` that makes the next layer's pre-activations as large
/// as this one's: `1 / sqrt(E[f(z)^2])` for z from N(0, 1), see [`Activation::second_moment`].
///
/// | activation | gain here | PyTorch's `calculate_gain` |
/// | --- | --- | --- |
/// | linear | 1 | 1 |
/// | ReLU; leaky | sqrt 2; sqrt(2 / (1 + slope^2)) | the same |
/// | tanh | 1.593 | 5/3: found by trial, 5 % above what keeps the size at 1; the signal settles a little higher |
/// | SELU | 1 | 3/4, which gives up the self-normalising property; Klambauer et al. 2017 ask for 1 |
/// | sigmoid | 1.846 | 1: with it the pre-activations shrink to 0.52 of their size, mostly the common offset of f(0) = 1/2 |
/// | 1.7159 tanh(2z/3) | 1.154 | none; LeCun's own 1 settles at pre-activations of 0.6 |
/// | GELU; SiLU | 1.534; 1.677 | none |
///
/// For GELU and SiLU size 1 is a point of balance but not a stable one: a deviation of the variance grows by 14 % and
/// 17 % a layer, because both are like z/2 for small and like ReLU for large z. No gain avoids that; past ten or so
/// layers take [`Critical`](crate::Critical), whose biases and centred rows make it stable, or normalisation layers. It also
/// keeps the gradient's size, which this gain does not look at.
///
/// ```
/// use kniff_init::{Activation, gain};
/// assert_eq!(gain(Activation::Relu), 2.0_f64.sqrt());
/// assert!((gain(Activation::Tanh) - 1.5925).abs() < 1e-4);
/// ```
pub fn gain(activation: Activation) -> f64 {
    match activation {
        // sqrt(2) and not 1/sqrt(1/2), which differs in the last bit.
        Activation::Relu => 2.0_f64.sqrt(),
        other => 1.0 / other.second_moment().sqrt(),
    }
}

/// The initialisation for weights that this activation follows, in a layer whose inputs come from the same activation.
///
/// `gain^2 / fan_in`, normal: He's for ReLU, He's with a slope for leaky ReLU, LeCun's for linear units and SELU, and
/// the same idea for the others. A first layer that sees standardised inputs may take
/// [`LecunNormal`](crate::LecunNormal); the difference is one factor, not one per layer.
///
/// ```
/// use kniff_init::{Activation, HeNormal, LecunNormal, for_activation};
/// assert_eq!(for_activation(Activation::LeakyRelu(0.1)), HeNormal.slope(0.1));
/// assert_eq!(for_activation(Activation::Selu), LecunNormal.scheme());
/// ```
pub fn for_activation(activation: Activation) -> VarianceScaling {
    match activation {
        Activation::Relu => HeNormal.scheme(),
        Activation::LeakyRelu(slope) => HeNormal.slope(slope),
        other => VarianceScaling::new(1.0 / other.second_moment(), Fan::In, Distribution::Normal),
    }
}

/// What PyTorch's `calculate_gain` returns, where it knows the activation; for reproducing its set-ups.
///
/// ```
/// use kniff_init::{Activation, torch_gain};
/// assert_eq!(torch_gain(Activation::Tanh), Some(5.0 / 3.0));
/// assert_eq!(torch_gain(Activation::Gelu), None);
/// ```
pub fn torch_gain(activation: Activation) -> Option<f64> {
    match activation {
        Activation::Linear | Activation::Sigmoid => Some(1.0),
        Activation::Tanh => Some(5.0 / 3.0),
        Activation::Relu => Some(2.0_f64.sqrt()),
        Activation::LeakyRelu(slope) => Some((2.0 / (1.0 + slope * slope)).sqrt()),
        Activation::Selu => Some(0.75),
        _ => None,
    }
}

/// The mean of f(z) over N(0, 1) by the trapezium rule, which converges geometrically for smooth f.
pub(crate) fn normal_mean(f: impl Fn(f64) -> f64) -> f64 {
    const HALF_WIDTH: f64 = 13.0;
    const STEPS: i32 = 2600;
    let h = 2.0 * HALF_WIDTH / f64::from(STEPS);
    (0..=STEPS).map(|i| f64::from(i) * h - HALF_WIDTH).map(|z| h * f(z) * gaussian::density(z)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(activation: Activation, z: f64) -> f64 {
        match activation {
            Activation::Linear | Activation::Maxout(_) => z,
            Activation::Sigmoid => 1.0 / (1.0 + (-z).exp()),
            Activation::Tanh => z.tanh(),
            Activation::ScaledTanh => 1.7159 * (2.0 * z / 3.0).tanh(),
            Activation::HardTanh => z.clamp(-1.0, 1.0),
            Activation::Relu => z.max(0.0),
            Activation::LeakyRelu(slope) => {
                if z > 0.0 {
                    z
                } else {
                    slope * z
                }
            }
            Activation::Elu(alpha) => {
                if z > 0.0 {
                    z
                } else {
                    alpha * z.exp_m1()
                }
            }
            Activation::Selu => {
                1.050_700_987_355_480_5 * if z > 0.0 { z } else { 1.673_263_242_354_377_2 * z.exp_m1() }
            }
            Activation::Gelu => z * gaussian::below(z),
            Activation::Silu => z / (1.0 + (-z).exp()),
            Activation::Softplus => z.exp().ln_1p(),
        }
    }

    #[test]
    fn second_moments_are_those_of_the_functions() {
        for activation in [
            Activation::Linear,
            Activation::Sigmoid,
            Activation::Tanh,
            Activation::ScaledTanh,
            Activation::HardTanh,
            Activation::Relu,
            Activation::LeakyRelu(0.2),
            Activation::Elu(1.0),
            Activation::Elu(0.5),
            Activation::Selu,
            Activation::Gelu,
            Activation::Silu,
            Activation::Softplus,
        ] {
            let measured = normal_mean(|z| value(activation, z).powi(2));
            // Kinks at grid points leave the trapezium rule an error of h^2.
            let off = (measured - activation.second_moment()).abs();
            let smooth = matches!(
                activation,
                Activation::Sigmoid | Activation::Tanh | Activation::ScaledTanh | Activation::Gelu | Activation::Silu
            );
            assert!(off < if smooth { 1e-13 } else { 2e-5 }, "{activation:?}: {measured}, off by {off}");
        }
    }

    #[test]
    fn maxout_of_three_is_known_in_closed_form() {
        let exact = 1.0 + 3.0_f64.sqrt() / (2.0 * std::f64::consts::PI);
        assert!((Activation::Maxout(3).second_moment() - exact).abs() < 1e-12);
        assert!((Activation::Maxout(4).second_moment() - 1.551_328_895_421_792_3).abs() < 1e-12);
        assert_eq!(gain(Activation::Maxout(2)), 1.0);
        assert_eq!(gain(Activation::Maxout(0)), 0.0);
    }
}
