//! Numbers with a shape, and the kernels that are fast on them.
//!
//! [`Tensor`] is the one array type of kniff: a pooled buffer shared by reference count, a shape, strides and an
//! offset. Cloning, slicing, permuting and broadcasting copy nothing. The floors above differentiate, initialise,
//! optimise and load into it; ndarray is the common tongue at the door ([`Tensor::from_ndarray`], [`Tensor::view`]).
//!
//! ```
//! use kniff_tensor::Tensor;
//! let a: Tensor = Tensor::from_slice(&[1.0, 2.0, 3.0, 4.0], [2, 2]);
//! let b = a.matmul(&a.t());
//! assert_eq!(b.to_vec(), [5.0, 11.0, 11.0, 25.0]);
//! ```

mod buffer;
mod create;
mod element;
mod indices;
pub mod kernels;
mod ndarray_door;
pub mod ops;
pub mod parallel;
mod precision;
mod prepared;
mod rng;
mod serialize;
mod shape;
pub mod simd;
mod tensor;
mod view;

pub use buffer::{PoolStats, pool_clear, pool_stats};
pub use element::Element;
pub use indices::Indices;
pub use kernels::conv::{Algorithm, ConvGeometry, ConvOptions};
pub use kernels::conv_plan::{ConvPlan, Method};
pub use kernels::max_pool::PoolPicks;
pub use kernels::pool::{Divisor, PoolOptions, PoolWindows};
pub use ndarray;
pub use precision::{Precision, bf16_is_there, precision, with_precision};
pub use prepared::{PreparedConv, PreparedLinear};
pub use rng::Rng;
pub use shape::{MAX_RANK, Shape};
pub use tensor::Tensor;
