//! The examples as they stand.

use crate::{DataError, Sampler};
use kniff_tensor::Rng;

/// 0, 1, 2, ... in every epoch: for validation and testing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sequential;

impl Sampler for Sequential {
    fn order(&self, examples: usize, _: &mut Rng) -> Result<Vec<usize>, DataError> {
        Ok((0..examples).collect())
    }
}
