//! Products of bfloat16 numbers, summed in f32, in the tiles of AMX.
//!
//! A number in bfloat16 is the upper half of one in f32: the same range, 8 bits of precision. One instruction multiplies a tile of
//! 16 x 32 by one of 32 x 16, some fourteen times as much as two multiply-adds of AVX-512 do in the same time. Intel, "Architecture
//! Instruction Set Extensions Programming Reference", chapter 3.

pub(super) mod correlate;
pub(super) mod gradient;
mod half;
pub(super) mod product;
#[cfg(test)]
mod tests;
mod tiles;

pub(super) use half::{single, single_mut};

use crate::precision::{Precision, precision};
use std::sync::OnceLock;

/// Whether products of f32 are made here: the caller asked for it, and the processor can.
pub(crate) fn asked() -> bool {
    precision() == Precision::Bf16 && available()
}

/// Whether this processor has AMX for bfloat16, and the system lets this process use it.
pub(crate) fn available() -> bool {
    static AVAILABLE: OnceLock<bool> = OnceLock::new();
    // What caps the other kernels caps these.
    *AVAILABLE.get_or_init(|| std::env::var_os("KNIFF_ISA").is_none() && tiles::permitted())
}
