//! What can be done with tensors: one family of operations per file, all of them methods of [`crate::Tensor`].

mod compare;
mod conv;
pub mod elementwise;
mod index;
mod join;
mod matmul;
mod order;
mod pool;
mod reduce;
mod softmax;
mod triangle;
