//! A new random order in every epoch.

use crate::{DataError, Sampler};
use kniff_tensor::Rng;

/// Every example once, in a random order, every order equally likely.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shuffled;

impl Sampler for Shuffled {
    fn order(&self, examples: usize, rng: &mut Rng) -> Result<Vec<usize>, DataError> {
        Ok(rng.permutation(examples))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_comes_once() {
        let mut order = Shuffled.order(50, &mut Rng::new(1)).unwrap();
        assert_ne!(order, (0..50).collect::<Vec<_>>());
        order.sort_unstable();
        assert_eq!(order, (0..50).collect::<Vec<_>>());
    }
}
