//! Reverse mode, forward mode, and both together.
//!
//! A [`Var`] is a tensor that remembers how it was computed. [`Var::backward`] gives the gradients of a loss as a
//! value; the functional doors ([`grad`], [`vjp`], [`jvp`], [`hvp`], [`hessian`]) take a closure, as JAX's do, and
//! nest in any order. Every operation is one file in [`ops`]; [`check_gradients`] checks any function, a user's own
//! operation included.
//!
//! ```
//! use kniff_autograd::{Var, grad};
//! use kniff_tensor::Tensor;
//! let x = Var::<f64>::constant(Tensor::scalar(3.0));
//! let cube = |x: &Var<f64>| x.powi(3);
//! assert_eq!(grad(cube, &x).item(), 27.0);
//! assert_eq!(grad(|x: &Var<f64>| grad(cube, x), &x).item(), 18.0);
//! ```
#![forbid(unsafe_code)]

mod arithmetic;
#[cfg(feature = "cases")]
pub mod case;
mod check;
mod coverage;
pub mod doors;
mod dual;
mod elementwise;
mod gradients;
mod ledger;
mod node;
mod non_finite;
pub mod op;
pub mod ops;
mod parameter;
mod sweep;
mod var;

pub use check::{CheckReport, Checks, GradientError, check_gradients, check_gradients_with};
pub use coverage::{Coverage, Reach};
pub use doors::{gnvp, grad, hessian, hvp, jacobian, jvp, per_example_gradients, value_and_grad, vjp};
pub use elementwise::{Elementwise, Keep};
pub use gradients::Gradients;
pub use ledger::{Ledger, LedgerRow};
pub use non_finite::NonFinite;
pub use op::{At, Cotangents, Keeps, Op, apply};
pub use parameter::{Parameter, ParameterId};
pub use var::Var;
