//! Some examples more often than others.

use crate::sampler::check_examples;
use crate::{DataError, Fingerprint, Sampler};
use kniff_tensor::Rng;

/// Draws examples in proportion to fixed weights, with or without putting them back.
///
/// With replacement, example i comes with probability w_i / sum(w) at every draw. Without, the draws follow one another
/// with the weights of what is left (Efraimidis and Spirakis, 2006: the smallest of e_i / w_i, e_i exponential). A weight of
/// 0 keeps an example out.
///
/// Differs from PyTorch: `WeightedRandomSampler` gives up beyond 2^24 categories and takes NaN.
#[derive(Clone, Debug)]
pub struct Weighted {
    weights: Vec<f64>,
    draws: usize,
    replace: bool,
}

impl Weighted {
    /// `draws` examples an epoch, put back after each draw.
    ///
    /// # Errors
    /// If a weight is negative or not finite, or all are 0.
    pub fn with_replacement(weights: Vec<f64>, draws: usize) -> Result<Self, DataError> {
        Self::new(weights, draws, true)
    }

    /// `draws` different examples an epoch.
    ///
    /// # Errors
    /// As [`Weighted::with_replacement`], or if fewer than `draws` weights are above 0.
    pub fn without_replacement(weights: Vec<f64>, draws: usize) -> Result<Self, DataError> {
        Self::new(weights, draws, false)
    }

    fn new(weights: Vec<f64>, draws: usize, replace: bool) -> Result<Self, DataError> {
        if let Some((i, w)) = weights.iter().enumerate().find(|(_, w)| !(w.is_finite() && **w >= 0.0)) {
            return Err(DataError::setting(
                "sampler weights",
                "finite numbers of at least 0",
                format!("{w} for example {i}"),
            ));
        }
        let positive = weights.iter().filter(|&&w| w > 0.0).count();
        if positive == 0 || !weights.iter().sum::<f64>().is_finite() {
            return Err(DataError::setting("sampler weights", "a finite sum above 0", weights.iter().sum::<f64>()));
        }
        if !replace && draws > positive {
            return Err(DataError::setting(
                "draws without replacement",
                format!("at most the {positive} examples with a weight above 0"),
                draws,
            ));
        }
        Ok(Self { weights, draws, replace })
    }
}

impl Sampler for Weighted {
    fn draws(&self, _: usize) -> usize {
        self.draws
    }

    fn describe(&self) -> String {
        let weights = Fingerprint::new("weights").numbers(&self.weights);
        format!("Weighted, weights {weights}, draws {}, replace {}", self.draws, self.replace)
    }

    fn order(&self, examples: usize, rng: &mut Rng) -> Result<Vec<usize>, DataError> {
        check_examples("sampler weights", self.weights.len(), examples)?;
        if self.replace {
            let mut total = 0.0;
            let ends: Vec<f64> = self
                .weights
                .iter()
                .map(|w| {
                    total += w;
                    total
                })
                .collect();
            // Rounding may lift a draw to the total itself, which lies beyond the last example that can be drawn.
            let last = self.weights.iter().rposition(|&w| w > 0.0).unwrap_or(0);
            return Ok((0..self.draws)
                .map(|_| {
                    let at = rng.uniform() * total;
                    ends.partition_point(|&end| end <= at).min(last)
                })
                .collect());
        }
        let mut keys: Vec<(f64, usize)> = Vec::with_capacity(examples);
        for (i, &w) in self.weights.iter().enumerate() {
            let e = -(1.0 - rng.uniform()).ln();
            if w > 0.0 {
                keys.push((e / w, i));
            }
        }
        keys.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        Ok(keys.into_iter().take(self.draws).map(|(_, i)| i).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequencies_follow_the_weights() {
        let sampler = Weighted::with_replacement(vec![1.0, 0.0, 3.0], 40_000).unwrap();
        let order = sampler.order(3, &mut Rng::new(0)).unwrap();
        let count = |i| order.iter().filter(|&&x| x == i).count() as f64;
        assert_eq!(count(1), 0.0);
        // Five standard deviations of a binomial count.
        assert!((count(2) - 30_000.0).abs() < 5.0 * (40_000.0_f64 * 0.75 * 0.25).sqrt());
    }

    #[test]
    fn without_replacement_the_first_draw_follows_the_weights() {
        let sampler = Weighted::without_replacement(vec![1.0, 0.0, 3.0], 2).unwrap();
        let root = Rng::new(0);
        let mut first = 0.0;
        for k in 0..10_000 {
            let order = sampler.order(3, &mut root.keyed(k)).unwrap();
            assert!(order == [0, 2] || order == [2, 0]);
            first += f64::from(u8::from(order[0] == 2));
        }
        assert!((first - 7_500.0).abs() < 5.0 * (10_000.0_f64 * 0.75 * 0.25).sqrt());
    }

    #[test]
    fn weights_that_make_no_sense_are_refused() {
        for weights in [vec![], vec![0.0], vec![1.0, -1.0], vec![f64::NAN], vec![f64::MAX, f64::MAX]] {
            assert!(Weighted::with_replacement(weights, 1).is_err());
        }
        assert!(Weighted::without_replacement(vec![1.0, 0.0], 2).is_err());
        assert!(Weighted::with_replacement(vec![1.0], 1).unwrap().order(2, &mut Rng::new(0)).is_err());
    }
}
