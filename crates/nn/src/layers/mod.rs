//! The layers: one file each.

mod activations;
mod batch_norm;
mod dropout;
mod flatten;
mod linear;
mod maxout;
mod prelu;
mod sequential;

pub use activations::{Elu, Gelu, HardTanh, LeakyRelu, Relu, ScaledTanh, Selu, Sigmoid, Silu, Softplus, Tanh};
pub use batch_norm::BatchNorm1d;
pub use dropout::Dropout;
pub use flatten::Flatten;
pub use linear::Linear;
pub use maxout::Maxout;
pub use prelu::Prelu;
pub use sequential::Sequential;
