//! The functional doors: transformations of closures into their derivatives.
//!
//! Each takes a function of variables and a point. The point may be one [`crate::Var`], an array, a vector or a pair of them;
//! the result has the same form. Doors nest in any order; what a closure captures is differentiated by the doors around.

mod gauss_newton;
mod grad;
mod hessian;
mod jvp;
mod pack;
mod per_example;

pub use gauss_newton::gnvp;
pub use grad::{grad, value_and_grad, vjp};
pub use hessian::{hessian, hvp, jacobian};
pub use jvp::jvp;
pub use pack::Pack;
pub use per_example::per_example_gradients;
