//! The families: one file each, which knows the operations of its name.

use super::check::Check;
use kniff_tensor::Element;

mod activations;
mod clip_average;
mod conv;
mod data;
mod dropout;
mod embedding;
mod images;
mod init;
mod linear;
mod losses;
mod norm;
mod optimizers;
mod pool;
mod recurrent;
mod schedules;
mod second_order;
mod tensor_ops;

/// Runs a case; `None` if no family of that name knows the operation.
pub fn run<E: Element>(family: &str, op: &str, case: &Check<'_, E>) -> Option<()> {
    match family {
        "activations" => activations::run(op, case),
        "clip_average" => clip_average::run(op, case),
        "conv" => conv::run(op, case),
        "data" => data::run(op, case).or_else(|| images::run(op, case)),
        "dropout" => dropout::run(op, case),
        "embedding" => embedding::run(op, case),
        "init" => init::run(op, case),
        "linear" => linear::run(op, case),
        "losses" => losses::run(op, case),
        "norm" => norm::run(op, case),
        "optimizers" => optimizers::run(op, case),
        "pool" => pool::run(op, case),
        "recurrent" => recurrent::run(op, case),
        "schedules" => schedules::run(op, case),
        "second_order" => second_order::run(op, case),
        "tensor_ops" => tensor_ops::run(op, case),
        _ => None,
    }
}
