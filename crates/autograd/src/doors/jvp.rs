//! Forward mode: one pass per direction, nothing remembered.

use super::Pack;
use crate::Var;
use crate::dual::Dual;
use crate::node::fresh_level;
use kniff_tensor::{Element, Tensor};
use std::sync::Arc;

/// The value of a function and its derivative J v in the direction `v`.
///
/// # Panics
/// If a part of `v` has another shape than the part of `at` it belongs to.
#[track_caller]
pub fn jvp<E: Element, P: Pack<E>>(f: impl FnOnce(&P) -> Var<E>, at: &P, v: &P) -> (Var<E>, Var<E>) {
    let level = fresh_level();
    let (points, directions) = (at.vars(), v.vars());
    assert!(points.len() == directions.len(), "jvp: {} inputs but {} directions", points.len(), directions.len());
    let duals = points.into_iter().zip(directions).map(|(primal, tangent)| {
        assert!(
            primal.shape() == tangent.shape(),
            "jvp: an input of shape {} has a direction of shape {}",
            primal.shape(),
            tangent.shape()
        );
        let (value, inference) = (primal.value.clone(), primal.inference);
        Var { value, node: None, dual: Some(Arc::new(Dual { level, primal, tangent })), inference }
    });
    let y = f(&at.rebuild(duals.collect()));
    match &y.dual {
        Some(d) if d.level == level => (d.primal.clone(), d.tangent.clone()),
        _ => {
            let zero = Var::constant(Tensor::zeros(*y.shape()));
            (y, zero)
        }
    }
}
