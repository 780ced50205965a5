//! Where weights start.
//!
//! A deep network trains only if signals keep their size on the way up and gradients on the way down, and that is
//! decided before the first step: each layer multiplies the variance of what it gets by `fan_in * Var(W) * E[f(z)^2]`.
//! An [`Initializer`] fills an array of a given shape; nearly all of them are one formula, [`VarianceScaling`], under
//! many names ([`LecunNormal`], [`GlorotUniform`], [`HeNormal`], ...). [`for_activation`] gives the one that keeps the
//! product above at one for the activation that follows.
//!
//! ```
//! use kniff_init::{Activation, HeNormal, Initializer, for_activation};
//! use kniff_tensor::{Rng, Tensor};
//! let mut rng = Rng::new(1);
//! let w: Tensor = HeNormal.init(&[256, 784], &mut rng); // [out, in]
//! let mean_square = w.to_vec().iter().map(|x| x * x).sum::<f32>() / w.len() as f32;
//! assert!((mean_square * 784.0 - 2.0).abs() < 0.05);
//! // The same scheme, found from the activation.
//! assert_eq!(for_activation(Activation::Relu), HeNormal.scheme());
//! ```
//!
//! Plain slices and ndarray arrays are filled in place by [`Initializer::fill`] and [`Initializer::fill_array`].

#![forbid(unsafe_code)]

mod activation;
mod error;
mod fans;
mod gaussian;
mod initializer;
mod initializers;

pub use activation::{Activation, for_activation, gain, torch_gain};
pub use error::InitError;
pub use fans::{Fans, Layout};
pub use initializer::Initializer;
pub use initializers::{
    Constant, Critical, Dirac, Distribution, Fan, GlorotNormal, GlorotTruncatedNormal, GlorotUniform, HeNormal,
    HeTruncatedNormal, HeUniform, Identity, LecunNormal, LecunTruncatedNormal, LecunUniform, Normal, Ones, Orthogonal,
    Sparse, TorchUniform, TruncatedNormal, Uniform, VarianceScaling, Zeros,
};
