//! The same rate throughout.

use crate::{OptimError, Schedule};
use serde::{Deserialize, Serialize};

/// `lr = base`.
///
/// Differs from PyTorch: its `ConstantLR` multiplies the first five steps by 1/3; that is
/// `Sequence::new(Linear::new(1.0 / 3.0, 1.0 / 3.0, 5)).then(5, Constant)` here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Constant;

impl Schedule for Constant {
    fn name(&self) -> &'static str {
        "Constant"
    }

    fn learning_rate(&self, base: f64, _: u64) -> f64 {
        base
    }

    fn validate(&self) -> Result<(), OptimError> {
        Ok(())
    }
}
