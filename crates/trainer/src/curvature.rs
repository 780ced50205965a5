//! The learning rate as a measurement: how curved the loss is, and what rate that allows.
//!
//! On a quadratic loss with largest curvature lambda, gradient descent is fastest along that direction at the rate
//! `1 / lambda` (in one dimension one step reaches the minimum: slide "Choosing the right learning rate") and grows without
//! limit beyond `2 / lambda`. On a network's loss lambda is the largest eigenvalue of the Hessian, which [`Surface`]
//! reaches through Hessian-vector products alone, forward over reverse: the Hessian is never formed.
//!
//! - [`Surface`]: the loss over the parameters, on a batch or on all data: gradient, Hessian and Gauss-Newton products.
//! - [`Lanczos`] (feature `linalg`): the extreme eigenvalues with bounds on their errors, at both ends; [`power_iteration`] is its check.
//! - [`spectral_density`] (feature `linalg`) and [`trace`]: how all eigenvalues are spread, and their sum.
//! - [`CurvatureReport`] (feature `linalg`): the eigenvalues beside the rate in use, in a sentence. It informs and refuses nothing: networks
//!   do train past `2 / lambda`, at the edge of stability (Cohen et al., 2021).
//! - [`OnlineEigen`]: LeCun's estimate of the largest eigenvalue from two gradients a batch.
//! - [`DiagonalRates`]: a rate of its own for each parameter, from the diagonal of the Gauss-Newton matrix.
//! - [`crate::CurvatureWatch`] (feature `linalg`) measures during a training, [`crate::RangeTest`] tries the rates out instead.
//!
//! What momentum and Adam change about the bound stands at [`bound`].

pub mod bound;
mod diagonal;
#[cfg(feature = "linalg")]
mod lanczos;
mod online;
mod power;
#[cfg(feature = "linalg")]
mod report;
#[cfg(feature = "linalg")]
mod spectrum;
mod surface;
mod trace;
mod vector;

pub use diagonal::DiagonalRates;
#[cfg(feature = "linalg")]
pub use lanczos::{Ends, Extremes, Lanczos};
pub use online::OnlineEigen;
pub use power::{Eigenpair, power_iteration};
#[cfg(feature = "linalg")]
pub use report::CurvatureReport;
#[cfg(feature = "linalg")]
pub use spectrum::{SpectralDensity, spectral_density};
pub use surface::Surface;
pub use trace::{Estimate, trace};
