//! Reverse mode: one pass for all inputs.

use super::Pack;
use crate::Var;
use crate::node::fresh_level;
use crate::sweep::{aliases, pull};
use kniff_tensor::{Element, Tensor};

/// The gradient of a function that gives one number.
///
/// For f: R^n -> R gives df/dx in the form of `at`; an input that f does not use has gradient 0.
///
/// # Panics
/// If f gives more than one number.
#[track_caller]
pub fn grad<E: Element, P: Pack<E>>(f: impl FnOnce(&P) -> Var<E>, at: &P) -> P {
    value_and_grad(f, at).1
}

/// The value of a function that gives one number, and its gradient.
///
/// # Panics
/// If f gives more than one number.
#[track_caller]
pub fn value_and_grad<E: Element, P: Pack<E>>(f: impl FnOnce(&P) -> Var<E>, at: &P) -> (Var<E>, P) {
    let (y, pullback) = vjp(f, at);
    assert!(y.len() == 1, "grad: the function gave shape {}, not one number; use vjp or jacobian", y.shape());
    let g = pullback(&Var::constant(Tensor::ones(*y.shape())));
    (y, g)
}

/// The value of a function and its pull-back, which takes a cotangent u of the value to J^T u.
///
/// The pull-back may be called any number of times.
#[track_caller]
pub fn vjp<'a, E: Element, P: Pack<E>>(
    f: impl FnOnce(&P) -> Var<E>,
    at: &'a P,
) -> (Var<E>, impl Fn(&Var<E>) -> P + 'a) {
    let level = fresh_level();
    let inputs = at.vars();
    let (ids, leaves) = aliases(level, &inputs);
    let y = f(&at.rebuild(leaves));
    let out = outside(&y, level);
    let pullback = move |u: &Var<E>| {
        assert!(u.shape() == y.shape(), "vjp: the cotangent has shape {}, the value {}", u.shape(), y.shape());
        let mut found: Vec<Option<Var<E>>> = vec![None; ids.len()];
        pull(level, &[(y.clone(), u.clone())], &mut |id, g| {
            if let Some(i) = ids.iter().position(|&x| x == id) {
                found[i] = Some(g);
            }
        });
        let zero = |i: usize| Var::constant(Tensor::zeros(*inputs[i].shape()));
        at.rebuild(found.into_iter().enumerate().map(|(i, g)| g.unwrap_or_else(|| zero(i))).collect())
    };
    (out, pullback)
}

/// A result as the transformations around see it. The record stays on it: it leads through the leaves of this
/// level, which are identities further out. Without anything further out it is dropped.
fn outside<E: Element>(y: &Var<E>, level: u64) -> Var<E> {
    let mut out = y.clone();
    out.node = out.node.filter(|n| n.lowest < level);
    out
}
