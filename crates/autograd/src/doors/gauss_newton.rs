//! The Gauss-Newton matrix, times a direction.

use super::{Pack, hvp, jvp, vjp};
use crate::Var;
use kniff_tensor::Element;

/// `J^T H J v`: the generalised Gauss-Newton matrix of `loss(f(x))` times the direction `v`, where J is the Jacobian of
/// the network `f` and H the Hessian of the loss with respect to the network's output.
///
/// It is the Hessian without the curvature of the network itself: positive semi-definite wherever the loss is convex in
/// the output, and equal to the Hessian where f is linear or the loss's gradient is 0. Costs one forward-mode pass, one
/// Hessian-vector product of the loss alone, and one reverse pass. Source: Schraudolph, "Fast curvature matrix-vector
/// products for second-order gradient descent" (2002).
///
/// ```
/// use kniff_autograd::{Var, gnvp};
/// use kniff_tensor::Tensor;
/// // f(x) = x^2 and loss(y) = y^2 at x = 3: J = 6, H = 2, so J H J = 72. The Hessian of x^4 is 108.
/// let x = Var::<f64>::constant(Tensor::scalar(3.0));
/// let one = Var::scalar(1.0);
/// assert_eq!(gnvp(|x: &Var<f64>| x.square(), |y: &Var<f64>| y.square(), &x, &one).item(), 72.0);
/// ```
///
/// # Panics
/// If the loss gives more than one number, or the shapes of `v` are not those of `at`.
#[track_caller]
pub fn gnvp<E: Element, P: Pack<E>>(f: impl Fn(&P) -> Var<E>, loss: impl Fn(&Var<E>) -> Var<E>, at: &P, v: &P) -> P {
    let (output, change) = jvp(&f, at, v);
    let bent = hvp(loss, &output, &change);
    let (_, pullback) = vjp(f, at);
    pullback(&bent)
}
