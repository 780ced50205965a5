//! The initializers, one file each.

mod constant;
mod critical;
mod dirac;
mod identity;
mod named;
mod normal;
mod orthogonal;
mod sparse;
mod torch_uniform;
mod truncated_normal;
mod uniform;
mod variance_scaling;

pub use constant::{Constant, Ones, Zeros};
pub use critical::Critical;
pub use dirac::Dirac;
pub use identity::Identity;
pub use named::{
    GlorotNormal, GlorotTruncatedNormal, GlorotUniform, HeNormal, HeTruncatedNormal, HeUniform, LecunNormal,
    LecunTruncatedNormal, LecunUniform,
};
pub use normal::Normal;
pub use orthogonal::Orthogonal;
pub use sparse::Sparse;
pub use torch_uniform::TorchUniform;
pub use truncated_normal::TruncatedNormal;
pub use uniform::Uniform;
pub use variance_scaling::{Distribution, Fan, VarianceScaling};
