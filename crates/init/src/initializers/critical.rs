//! Weights and biases with which depth changes neither activations nor gradients, for every activation.

use crate::activation::normal_mean;
use crate::initializer::check_length;
use crate::{Activation, Fans, InitError, Initializer, Normal, gaussian};
use kniff_tensor::{Element, Rng};
use serde::{Deserialize, Serialize};

/// Normal weights whose rows sum to 0, and normal biases ([`Critical::bias`]), for layers that this activation follows.
///
/// With pre-activations z from N(0, 1), independent weights of variance `v / fan_in` in rows that sum to 0, and biases of
/// variance b, the next pre-activations have variance `v Var f(z) + b`, and a gradient's mean square is multiplied by
/// `v E[f'(z)^2]` on its way down. Both are 1 for
///
/// `v = 1 / E[f'(z)^2]`, `b = 1 - Var f(z) / E[f'(z)^2]`.
///
/// b is never negative, whatever f: `Var f(z) <= E[f'(z)^2]` is the Poincaré inequality of the normal distribution. The
/// rows sum to 0 because a mean of f, such as the sigmoid's 1/2, would else add an offset that carries nothing.
///
/// [`for_activation`](crate::for_activation) keeps the activations alone, without biases. That is enough for ReLU and its
/// kin and for SELU; over thirty layers it loses the gradient for sigmoid and softplus, lets it grow for tanh, and for
/// GELU and SiLU its point of balance is not stable. A first layer takes standardised inputs as they are:
/// [`LecunNormal`](crate::LecunNormal).
///
/// | activation | v | b |
/// | --- | --- | --- |
/// | linear | 1 | 0 |
/// | ReLU | 2 | 0.318 |
/// | tanh | 2.154 | 0.151 |
/// | sigmoid | 22.35 | 0.030 |
///
/// Sources: Poole et al., "Exponential expressivity in deep neural networks through transient chaos" (2016), and Schoenholz
/// et al., "Deep information propagation" (2017), for the two conditions; Huang et al., "Centered weight normalization"
/// (2017), for rows that sum to 0.
///
/// ```
/// use kniff_init::{Activation, Critical, Initializer};
/// use kniff_tensor::{Rng, Tensor};
/// let scheme = Critical::new(Activation::Relu);
/// assert_eq!(scheme.weight_scale(), 2.0);
/// // 1 - 2 (1/2 - 1 / (2 pi)) = 1 / pi.
/// assert!((scheme.bias().std.powi(2) - 1.0 / std::f64::consts::PI).abs() < 1e-12);
/// let w: Tensor<f64> = scheme.init(&[3, 50], &mut Rng::new(0));
/// assert!(w.sum(&[1], false).to_vec().iter().all(|row| row.abs() < 1e-12));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Critical {
    activation: Activation,
}

impl Critical {
    /// For weights that this activation follows, in a layer whose inputs come from the same activation.
    pub const fn new(activation: Activation) -> Self {
        Self { activation }
    }

    /// The variance of a weight times `fan_in`: `1 / E[f'(z)^2]`.
    pub fn weight_scale(self) -> f64 {
        1.0 / slope_moment(self.activation)
    }

    /// How the biases start: N(0, 1 - Var f / E[f'^2]).
    pub fn bias(self) -> Normal {
        let variance = self.activation.second_moment() - mean(self.activation).powi(2);
        // Rounding may leave a linear unit with a hair below 0.
        Normal::centered((1.0 - variance * self.weight_scale()).max(0.0).sqrt())
    }
}

impl Initializer for Critical {
    /// # Errors
    /// For shapes without a fan-in, and for a fan-in of 1: a row of one weight that sums to 0 is 0.
    fn try_fill<E: Element>(&self, shape: &[usize], out: &mut [E], rng: &mut Rng) -> Result<(), InitError> {
        let n = Fans::of(shape)?.fan_in;
        check_length(shape, out)?;
        if out.is_empty() {
            return Ok(());
        }
        crate::error::require(n > 1, "Critical", "fan_in", n as f64, "at least 2, so that a row can sum to 0")?;
        // Taking the mean out leaves n - 1 parts of n of the variance.
        Normal::centered((self.weight_scale() / (n - 1) as f64).sqrt()).try_fill(shape, out, rng)?;
        for row in out.chunks_exact_mut(n) {
            let mean = E::from_f64(row.iter().map(|w| w.to_f64()).sum::<f64>() / n as f64);
            row.iter_mut().for_each(|w| *w -= mean);
        }
        Ok(())
    }
}

/// E[f(z)] for z from N(0, 1).
fn mean(activation: Activation) -> f64 {
    let half_density = gaussian::density(0.0);
    // E[e^z; z < 0] = sqrt(e) Phi(-1).
    let elu = |alpha: f64| half_density + alpha * (0.5_f64.exp() * gaussian::below(-1.0) - 0.5);
    match activation {
        Activation::Linear | Activation::Tanh | Activation::ScaledTanh | Activation::HardTanh | Activation::Selu => 0.0,
        Activation::Sigmoid => 0.5,
        Activation::Relu => half_density,
        Activation::LeakyRelu(slope) => (1.0 - slope) * half_density,
        Activation::Elu(alpha) => elu(alpha),
        Activation::Gelu => normal_mean(|z| z * gaussian::below(z)),
        Activation::Silu => normal_mean(|z| z * sigmoid(z)),
        Activation::Softplus => normal_mean(|z| z.max(0.0) + (-z.abs()).exp().ln_1p()),
        Activation::Maxout(0) => 0.0,
        Activation::Maxout(k) => normal_mean(|z| z * k as f64 * gaussian::below(z).powi((k - 1).min(1 << 20) as i32)),
    }
}

/// E[f'(z)^2] for z from N(0, 1); of maxout, along the piece that is largest.
fn slope_moment(activation: Activation) -> f64 {
    // E[e^2z; z < 0] = e^2 Phi(-2).
    let elu = |alpha: f64| 0.5 + alpha * alpha * 2.0_f64.exp() * gaussian::below(-2.0);
    match activation {
        Activation::Linear | Activation::Maxout(_) => 1.0,
        Activation::Relu => 0.5,
        Activation::LeakyRelu(slope) => 0.5 * (1.0 + slope * slope),
        Activation::Elu(alpha) => elu(alpha),
        Activation::Selu => 1.050_700_987_355_480_5_f64.powi(2) * elu(1.673_263_242_354_377_2),
        Activation::HardTanh => 1.0 - 2.0 * gaussian::below(-1.0),
        Activation::Sigmoid => normal_mean(|z| (sigmoid(z) * sigmoid(-z)).powi(2)),
        Activation::Tanh => normal_mean(|z| (1.0 - z.tanh().powi(2)).powi(2)),
        Activation::ScaledTanh => {
            normal_mean(|z| (1.7159 * 2.0 / 3.0 * (1.0 - (2.0 * z / 3.0).tanh().powi(2))).powi(2))
        }
        Activation::Gelu => normal_mean(|z| (gaussian::below(z) + z * gaussian::density(z)).powi(2)),
        Activation::Silu => normal_mean(|z| (sigmoid(z) * (1.0 + z * sigmoid(-z))).powi(2)),
        Activation::Softplus => normal_mean(|z| sigmoid(z).powi(2)),
    }
}

fn sigmoid(z: f64) -> f64 {
    1.0 / (1.0 + (-z).exp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use kniff_tensor::Tensor;

    const ALL: [Activation; 13] = [
        Activation::Linear,
        Activation::Sigmoid,
        Activation::Tanh,
        Activation::ScaledTanh,
        Activation::HardTanh,
        Activation::Relu,
        Activation::LeakyRelu(0.1),
        Activation::Elu(1.0),
        Activation::Selu,
        Activation::Gelu,
        Activation::Silu,
        Activation::Softplus,
        Activation::Maxout(3),
    ];

    #[test]
    fn the_bias_variance_is_never_negative() {
        for activation in ALL {
            let (variance, slope) = (activation.second_moment() - mean(activation).powi(2), slope_moment(activation));
            assert!(variance <= slope * (1.0 + 1e-12), "{activation:?}: {variance} {slope}");
        }
    }

    /// Means of 400,000 draws through the functions themselves: within five deviations, at most 0.02.
    #[test]
    fn the_moments_are_those_of_the_functions() {
        let z: Tensor<f64> = Tensor::randn([400_000], &mut Rng::new(3));
        let z = z.to_vec();
        let near = |f: &dyn Fn(f64) -> f64| {
            let (mut m, mut d) = (0.0, 0.0);
            for &z in &z {
                m += f(z);
                d += ((f(z + 1e-5) - f(z - 1e-5)) / 2e-5).powi(2);
            }
            (m / z.len() as f64, d / z.len() as f64)
        };
        let elu = |alpha: f64| move |z: f64| if z > 0.0 { z } else { alpha * z.exp_m1() };
        let scaled = |z: f64| 1.7159 * (2.0 * z / 3.0).tanh();
        let functions: [(Activation, &dyn Fn(f64) -> f64); 8] = [
            (Activation::Sigmoid, &sigmoid),
            (Activation::Tanh, &|z| z.tanh()),
            (Activation::ScaledTanh, &scaled),
            (Activation::HardTanh, &|z| z.clamp(-1.0, 1.0)),
            (Activation::Elu(0.7), &elu(0.7)),
            (Activation::Gelu, &|z| z * gaussian::below(z)),
            (Activation::Silu, &|z| z * sigmoid(z)),
            (Activation::Softplus, &|z| z.exp().ln_1p()),
        ];
        for (activation, f) in functions {
            let (m, d) = near(f);
            assert!((m - mean(activation)).abs() < 0.01, "{activation:?}: mean {m} {}", mean(activation));
            assert!((d - slope_moment(activation)).abs() < 0.01, "{activation:?}: slope {d}");
        }
    }

    #[test]
    fn the_variance_of_a_weight_is_as_said() {
        let w: Tensor<f64> = Critical::new(Activation::Tanh).init(&[400, 500], &mut Rng::new(4));
        let variance = w.to_vec().iter().map(|w| w * w).sum::<f64>() / 200_000.0;
        // Five deviations of a sample variance: 5 sqrt(2 / 200,000).
        let expected = Critical::new(Activation::Tanh).weight_scale() / 500.0;
        assert!((variance / expected - 1.0).abs() < 0.016, "{variance} {expected}");
    }

    #[test]
    fn one_input_is_refused() {
        let error = Critical::new(Activation::Tanh).try_init::<f32>(&[4, 1], &mut Rng::new(0)).unwrap_err();
        assert!(error.to_string().contains("fan_in"), "{error}");
    }
}
