//! How far inputs lie from those that a normaliser was fitted on.

use kniff_tensor::{Element, Tensor};
use std::fmt;

/// Beyond how many standard deviations a number counts as far.
const FAR: f64 = 4.0;
/// Which share of far numbers in a column is far too many. Of normal numbers, 0.006 % lie beyond four deviations; heavy tails have more.
const MANY: f64 = 0.05;

/// What [`Fitted::inspect`](crate::Fitted::inspect) found.
#[derive(Clone, Debug, PartialEq)]
pub struct FarOff {
    /// How many examples were looked at.
    pub examples: usize,
    /// Each column, or each channel.
    pub features: Vec<FarFeature>,
    /// For a whitening, the share of examples whose whitened length is beyond what four standard deviations are in so many
    /// dimensions (the chi-square quantile, by Wilson and Hilferty's cube root); else `None`.
    pub far_examples: Option<f64>,
}

/// One column or channel.
#[derive(Clone, Debug, PartialEq)]
pub struct FarFeature {
    /// Its name, or its number.
    pub name: String,
    /// The share of numbers beyond four of the training part's standard deviations.
    pub beyond: f64,
    /// The largest distance from the mean, in standard deviations.
    pub largest: f64,
    /// How many are infinite or NaN.
    pub not_finite: usize,
}

impl FarOff {
    /// Whether anything is not a number, a column has 5 % or more far numbers, or, with a whitening, more than a tenth of
    /// the examples are far.
    pub fn is_far(&self) -> bool {
        self.features.iter().any(FarFeature::is_far) || self.far_examples.is_some_and(|share| share > 2.0 * MANY)
    }
}

impl FarFeature {
    fn is_far(&self) -> bool {
        self.not_finite > 0 || self.beyond >= MANY
    }
}

/// The features that are far, one per line, or that none is.
impl fmt::Display for FarOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.examples == 0 {
            return f.write_str("no examples to look at");
        }
        if !self.is_far() {
            return write!(f, "{} examples, like those of the training part", self.examples);
        }
        write!(f, "{} examples, unlike those of the training part", self.examples)?;
        for feature in self.features.iter().filter(|feature| feature.is_far()) {
            let share = 100.0 * feature.beyond;
            write!(
                f,
                "\n  {}: {share:.1} % beyond {FAR} standard deviations, the largest at {:.1}",
                feature.name, feature.largest
            )?;
            if feature.not_finite > 0 {
                write!(f, ", {} not a finite number", feature.not_finite)?;
            }
        }
        match self.far_examples {
            Some(share) if share > 0.0 => write!(f, "\n  all together: {:.1} % of the examples are far", 100.0 * share),
            _ => Ok(()),
        }
    }
}

pub(crate) fn inspect<E: Element>(
    raw: &Tensor<E>,
    white: Option<&Tensor<E>>,
    mean: &[f64],
    std: &[f64],
    names: &[String],
) -> FarOff {
    let (examples, columns) = (raw.shape()[0], mean.len());
    let all = raw.to_vec();
    let size = all.len() / examples.max(1);
    // Channels have several places in a row, columns one.
    let places = (size / columns.max(1)).max(1);
    let mut features: Vec<FarFeature> = (0..columns)
        .map(|c| {
            let name = names.get(c).cloned().unwrap_or_else(|| c.to_string());
            FarFeature { name, beyond: 0.0, largest: 0.0, not_finite: 0 }
        })
        .collect();
    for (i, x) in all.iter().enumerate() {
        let c = (i % size) / places;
        let feature = &mut features[c];
        let off = (x.to_f64() - mean[c]).abs();
        if !off.is_finite() {
            feature.not_finite += 1;
            continue;
        }
        // A column that was constant has no scale of its own: what differs from it beyond rounding is far.
        let scale = std[c].max(1e-6 * mean[c].abs()).max(f64::MIN_POSITIVE);
        feature.largest = feature.largest.max(off / scale);
        feature.beyond += f64::from(u8::from(off / scale > FAR));
    }
    features.iter_mut().for_each(|f| f.beyond /= (examples * places).max(1) as f64);
    let far_examples = white.map(|white| {
        let z = white.to_vec();
        let axes = (z.len() / examples.max(1)).max(1);
        let limit = chi_square(axes as f64);
        let length = |row: &[E]| row.iter().map(|z| z.to_f64().powi(2)).sum::<f64>();
        // NaN is not below any limit.
        let near = z.chunks_exact(axes).filter(|row| length(row) <= limit).count();
        1.0 - near as f64 / examples.max(1) as f64
    });
    FarOff { examples, features, far_examples }
}

/// What a sum of `k` squares of normal numbers exceeds as rarely as a normal number exceeds [`FAR`].
fn chi_square(k: f64) -> f64 {
    let spread = 2.0 / (9.0 * k);
    k * (1.0 - spread + FAR * spread.sqrt()).powi(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quantile_is_as_rare_as_four_deviations() {
        // The upper tail for an even number k of dimensions is e^-x sum x^i / i! over i < k / 2, with x half the quantile; that
        // of a normal number beyond 4 is 3.167e-5. The cube root is rough so far out: within a factor of 2.
        for k in [2, 10, 30, 100] {
            let x = 0.5 * chi_square(f64::from(k));
            let mut term = 1.0;
            let mut sum = 0.0;
            for i in 0..k / 2 {
                sum += term;
                term *= x / f64::from(i + 1);
            }
            let tail = (-x).exp() * sum;
            assert!((0.5..2.0).contains(&(tail / 3.167e-5)), "{k}: {tail}");
        }
    }

    #[test]
    fn constant_columns_have_no_scale() {
        let far = |x: f32| inspect(&Tensor::from_slice(&[x], [1, 1]), None, &[5.0], &[0.0], &[]).is_far();
        assert!(!far(5.0) && far(5.1) && far(f32::INFINITY));
    }
}
