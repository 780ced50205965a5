//! The one formula behind LeCun's, Glorot's and He's schemes.

use super::{Normal, TruncatedNormal, Uniform};
use crate::error::require;
use crate::initializer::check_length;
use crate::{Fans, InitError, Initializer, Layout};
use kniff_tensor::{Element, Rng};
use serde::{Deserialize, Serialize};

/// Which count a [`VarianceScaling`] divides by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fan {
    /// Inputs of a unit: keeps the variance of the activations on the way up.
    #[default]
    In,
    /// Outputs of a unit: keeps the variance of the gradients on the way down.
    Out,
    /// Half the sum of both: Glorot's compromise.
    Average,
}

/// The shape of the distribution that a [`VarianceScaling`] draws from; the variance is the same in each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Distribution {
    /// N(0, v).
    #[default]
    Normal,
    /// U[-sqrt(3 v), sqrt(3 v)].
    Uniform,
    /// N(0, s^2) cut at two deviations, s = sqrt(v) / 0.87962566, so that the variance after cutting is v (as JAX).
    TruncatedNormal,
}

/// Independent draws with mean 0 and variance `scale / n`, where n is a fan of the shape.
///
/// Why: for `y = sum_i w_i x_i` over `fan_in` terms with independent, centred weights
/// `E[y^2] = fan_in Var(W) E[x^2]`, so with `Var(W) = gain^2 / fan_in` the activations neither grow nor fade if
/// `gain^2 E[f(z)^2] = 1`. Backwards the same holds with `fan_out`.
///
/// | name | scale | fan | source |
/// | --- | --- | --- | --- |
/// | [`LecunNormal`](crate::LecunNormal), `LecunUniform` | 1 | in | LeCun et al. 1998, Efficient BackProp |
/// | [`GlorotNormal`](crate::GlorotNormal), `GlorotUniform` | 1 | average | Glorot & Bengio 2010 |
/// | [`HeNormal`](crate::HeNormal), `HeUniform` | 2 / (1 + slope^2) | in | He et al. 2015 |
/// | [`TorchUniform`](crate::TorchUniform) | 1/3 | in | what PyTorch's layers start with; it fades |
///
/// ```
/// use kniff_init::{Distribution, Fan, Fans, VarianceScaling};
/// let he = VarianceScaling::new(2.0, Fan::In, Distribution::Uniform);
/// let fans = Fans::of(&[256, 600]).unwrap();
/// assert_eq!(he.variance(fans), 2.0 / 600.0);
/// assert_eq!(he.bound(fans), Some((6.0_f64 / 600.0).sqrt()));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct VarianceScaling {
    /// The variance times the fan: the square of the gain.
    pub scale: f64,
    /// What the scale is divided by.
    pub fan: Fan,
    /// What the draws look like.
    pub distribution: Distribution,
    /// How the weight's first two axes are laid out.
    #[serde(default)]
    pub layout: Layout,
}

/// The standard deviation of N(0, 1) cut at -2 and 2.
const CUT_DEVIATION: f64 = 0.879_625_661_034_239_8;

impl VarianceScaling {
    /// The scheme with variance `scale / fan`, for weights `[out, in, kernel...]`.
    pub const fn new(scale: f64, fan: Fan, distribution: Distribution) -> Self {
        Self { scale, fan, distribution, layout: Layout::OutIn }
    }

    /// The same with another fan.
    #[must_use]
    pub const fn fan(self, fan: Fan) -> Self {
        Self { fan, ..self }
    }

    /// The same drawn from another distribution.
    #[must_use]
    pub const fn distribution(self, distribution: Distribution) -> Self {
        Self { distribution, ..self }
    }

    /// The same for weights of another layout.
    #[must_use]
    pub const fn layout(self, layout: Layout) -> Self {
        Self { layout, ..self }
    }

    /// The same with all weights times `gain`: the scale times its square.
    #[must_use]
    pub const fn gain(self, gain: f64) -> Self {
        Self { scale: self.scale * gain * gain, ..self }
    }

    /// The variance of the draws.
    pub fn variance(&self, fans: Fans) -> f64 {
        let n = match self.fan {
            Fan::In => fans.fan_in as f64,
            Fan::Out => fans.fan_out as f64,
            Fan::Average => 0.5 * (fans.fan_in as f64 + fans.fan_out as f64),
        };
        self.scale / n
    }

    /// What no draw exceeds: sqrt(3 v) for the uniform distribution, two parent deviations for the truncated one.
    pub fn bound(&self, fans: Fans) -> Option<f64> {
        match self.distribution {
            Distribution::Normal => None,
            Distribution::Uniform => Some((3.0 * self.variance(fans)).sqrt()),
            Distribution::TruncatedNormal => Some(2.0 * self.parent_std(fans)),
        }
    }

    /// The deviation that is handed to the generator: before cutting, for the truncated distribution.
    pub fn parent_std(&self, fans: Fans) -> f64 {
        let std = self.variance(fans).sqrt();
        if self.distribution == Distribution::TruncatedNormal { std / CUT_DEVIATION } else { std }
    }
}

impl Initializer for VarianceScaling {
    fn try_fill<E: Element>(&self, shape: &[usize], out: &mut [E], rng: &mut Rng) -> Result<(), InitError> {
        let fans = Fans::with_layout(shape, self.layout)?;
        let valid = self.scale.is_finite() && self.scale >= 0.0;
        require(valid, "VarianceScaling", "scale", self.scale, "finite and not negative")?;
        check_length(shape, out)?;
        if out.is_empty() {
            return Ok(()); // No fan to divide by.
        }
        match self.distribution {
            Distribution::Normal => Normal::centered(self.variance(fans).sqrt()).try_fill(shape, out, rng),
            Distribution::Uniform => Uniform::symmetric((3.0 * self.variance(fans)).sqrt()).try_fill(shape, out, rng),
            Distribution::TruncatedNormal => {
                TruncatedNormal::cut_at(2.0, self.parent_std(fans)).try_fill(shape, out, rng)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kniff_tensor::Tensor;

    #[test]
    fn every_distribution_has_the_variance_asked_for() {
        let shape = [300, 400];
        let fans = Fans::of(&shape).unwrap();
        for fan in [Fan::In, Fan::Out, Fan::Average] {
            for distribution in [Distribution::Normal, Distribution::Uniform, Distribution::TruncatedNormal] {
                let scheme = VarianceScaling::new(1.7, fan, distribution);
                let w: Tensor = scheme.init(&shape, &mut Rng::new(11));
                let n = w.len() as f64;
                let w: Vec<f64> = w.to_vec().into_iter().map(f64::from).collect();
                let variance = w.iter().map(|x| x * x).sum::<f64>() / n;
                let excess = if distribution == Distribution::Uniform { 0.8 } else { 2.0 };
                let off = (variance / scheme.variance(fans) - 1.0).abs();
                assert!(off < 5.0 * (excess / n).sqrt(), "{scheme:?}: {off}");
                let mean = w.iter().sum::<f64>() / n;
                assert!(mean.abs() < 5.0 * (scheme.variance(fans) / n).sqrt());
                if let Some(bound) = scheme.bound(fans) {
                    assert!(w.iter().all(|x| x.abs() <= bound * (1.0 + 1e-7)));
                    assert!(w.iter().any(|x| x.abs() > 0.99 * bound));
                }
            }
        }
    }

    #[test]
    fn the_cut_deviation_is_that_of_the_cut_distribution() {
        assert!((TruncatedNormal::cut_at(2.0, 1.0).variance().sqrt() - CUT_DEVIATION).abs() < 1e-15);
    }

    #[test]
    fn empty_weights_are_fine_and_bad_scales_are_not() {
        let scheme = VarianceScaling::new(1.0, Fan::In, Distribution::Normal);
        assert!(scheme.init::<f32>(&[3, 0], &mut Rng::new(0)).is_empty());
        assert!(scheme.gain(f64::NAN).try_init::<f32>(&[3, 3], &mut Rng::new(0)).is_err());
    }

    #[test]
    fn the_layout_decides_which_axis_is_fan_in() {
        let scheme = VarianceScaling::new(1.0, Fan::In, Distribution::Uniform).layout(Layout::InOut);
        let w: Tensor = scheme.init(&[1000, 10], &mut Rng::new(0));
        let bound = (3.0_f32 / 1000.0).sqrt();
        assert!(w.to_vec().iter().all(|x| x.abs() <= bound));
    }
}
