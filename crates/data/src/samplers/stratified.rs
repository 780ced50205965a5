//! An order in which every stretch has the classes in their proportions.

use crate::sampler::{by_class, check_examples};
use crate::{DataError, Sampler};
use kniff_tensor::{Indices, Rng};

/// Every example once, so ordered that any batch, of whatever size, has the classes nearly in the proportions of the whole.
///
/// Each class is shuffled and spread evenly over the epoch: example j of n_c goes to place (j + u_c) / n_c, with one random
/// shift u_c in [0, 1) per class. So a class with share p has p * b, give or take less than one, examples among any b
/// consecutive places of that scale.
#[derive(Clone, Debug)]
pub struct Stratified {
    labels: Indices,
}

impl Stratified {
    /// By the class of each example.
    pub fn new(labels: &Indices) -> Self {
        Self { labels: labels.clone() }
    }
}

impl Sampler for Stratified {
    fn order(&self, examples: usize, rng: &mut Rng) -> Result<Vec<usize>, DataError> {
        check_examples("labels", self.labels.len(), examples)?;
        let mut places = Vec::with_capacity(examples);
        for (class, mut members) in by_class(&self.labels) {
            rng.shuffle(&mut members);
            let shift = rng.uniform();
            let count = members.len() as f64;
            places.extend(members.into_iter().enumerate().map(|(j, i)| ((j as f64 + shift) / count, class, i)));
        }
        places.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        Ok(places.into_iter().map(|(_, _, i)| i).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_batch_has_the_proportions() {
        // 60 % of class 0, 30 % of class 1, 10 % of class 7.
        let labels: Vec<usize> = (0..200)
            .map(|i| {
                if i < 120 {
                    0
                } else if i < 180 {
                    1
                } else {
                    7
                }
            })
            .collect();
        let sampler = Stratified::new(&labels.clone().into());
        let order = sampler.order(200, &mut Rng::new(3)).unwrap();
        for batch in order.chunks(20) {
            for (class, expected) in [(0, 12), (1, 6), (7, 2)] {
                let found = batch.iter().filter(|&&i| labels[i] == class).count();
                assert!(found.abs_diff(expected) <= 1, "class {class}: {found} of {expected}");
            }
        }
        let mut sorted = order;
        sorted.sort_unstable();
        assert!(sorted.iter().enumerate().all(|(i, &x)| i == x));
        assert!(sampler.order(199, &mut Rng::new(3)).is_err());
    }
}
