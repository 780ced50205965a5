//! The families: one file each, which knows the operations of its name.

use super::check::Check;
use kniff_tensor::Element;

mod activations;
mod linear;
mod losses;
mod tensor_ops;

/// Runs a case; `None` if no family of that name knows the operation.
pub fn run<E: Element>(family: &str, op: &str, case: &Check<'_, E>) -> Option<()> {
    match family {
        "activations" => activations::run(op, case),
        "linear" => linear::run(op, case),
        "losses" => losses::run(op, case),
        "tensor_ops" => tensor_ops::run(op, case),
        _ => None,
    }
}
