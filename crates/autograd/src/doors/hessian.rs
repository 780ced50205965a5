//! Second derivatives, forward over reverse; and whole Jacobians.

use super::{Pack, grad, jvp, vjp};
use crate::Var;
use kniff_tensor::{Element, Tensor};

/// The Hessian of a function that gives one number, times the direction `v`; the Hessian is never formed.
///
/// Costs a small multiple of one gradient, whatever the number of inputs.
///
/// # Panics
/// If f gives more than one number, or the shapes of `v` are not those of `at`.
#[track_caller]
pub fn hvp<E: Element, P: Pack<E>>(f: impl Fn(&P) -> Var<E>, at: &P, v: &P) -> P {
    // The tangent of every part of the gradient is wanted, and jvp gives that of one result: the parts are
    // laid end to end and cut apart again.
    let shapes: Vec<_> = at.vars().iter().map(|x| *x.shape()).collect();
    let flat_grad = |x: &P| {
        let parts: Vec<Var<E>> = grad(&f, x).vars().iter().map(|g| g.reshape([g.len()])).collect();
        Var::concat(&parts.iter().collect::<Vec<_>>(), 0)
    };
    let (_, tangent) = jvp(flat_grad, at, v);
    let mut start = 0;
    let parts = shapes.into_iter().map(|shape| {
        let part = tangent.slice_axis(0, start..start + shape.numel()).reshape(shape);
        start += shape.numel();
        part
    });
    at.rebuild(parts.collect())
}

/// The matrix of second derivatives of a function of one variable that gives one number.
///
/// The result has the shape of the variable twice over; element [i.., j..] is d²f / dx_i dx_j.
///
/// # Panics
/// If f gives more than one number.
#[track_caller]
pub fn hessian<E: Element>(f: impl Fn(&Var<E>) -> Var<E>, at: &Var<E>) -> Var<E> {
    let n = at.len();
    let rows: Vec<Var<E>> = (0..n).map(|i| hvp(&f, at, &basis(at, i)).reshape([1, n])).collect();
    let mut shape = at.shape().to_vec();
    shape.extend_from_slice(at.shape());
    if n == 0 {
        return Var::constant(Tensor::zeros(shape));
    }
    Var::concat(&rows.iter().collect::<Vec<_>>(), 0).reshape(shape)
}

/// The matrix of first derivatives of a function of one variable, by reverse mode: one pass per output.
///
/// The result has the shape of the value followed by that of the variable. For functions with many more outputs than
/// inputs, [`jvp`] with the unit directions needs fewer passes.
#[track_caller]
pub fn jacobian<E: Element>(f: impl FnOnce(&Var<E>) -> Var<E>, at: &Var<E>) -> Var<E> {
    let (y, pullback) = vjp(f, at);
    let mut shape = y.shape().to_vec();
    shape.extend_from_slice(at.shape());
    if y.is_empty() || at.is_empty() {
        return Var::constant(Tensor::zeros(shape));
    }
    let rows: Vec<Var<E>> = (0..y.len()).map(|i| pullback(&basis(&y, i)).reshape([1, at.len()])).collect();
    Var::concat(&rows.iter().collect::<Vec<_>>(), 0).reshape(shape)
}

fn basis<E: Element>(like: &Var<E>, i: usize) -> Var<E> {
    let mut e = Tensor::zeros(*like.shape());
    e.make_mut()[i] = E::ONE;
    Var::constant(e)
}
