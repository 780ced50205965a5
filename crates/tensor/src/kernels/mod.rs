//! The loops that the time goes into, over plain slices.
//!
//! Everything here is safe code that [`crate::simd::dispatch`] compiles per instruction set; no result depends on
//! the number of threads.

mod ahead;
pub(crate) mod amx;
pub mod batch_norm;
mod columns;
mod compiled;
pub mod conv;
pub(crate) mod conv_plan;
mod depthwise;
pub mod dropout;
pub mod elementwise;
mod finish;
pub mod gemm;
mod gemv;
mod grids;
mod implicit;
mod lanes;
pub mod layer_norm;
pub mod math;
pub(crate) mod max_pool;
mod panels;
pub mod planes;
pub mod planes_relu;
pub mod pool;
pub(crate) mod ready;
pub mod reduce;
pub mod softmax;
pub mod softmax_ce;
pub mod strided;
mod transpose;
mod winograd;

/// What the kernels need to know about an element type; implemented for `f32` and `f64` only.
pub trait Kernels: math::Math + gemm::Product + panels::Tiled + compiled::Compiled {}
impl Kernels for f32 {}
impl Kernels for f64 {}

/// The function that changes nothing, where a fused kernel asks for an activation and there is none.
#[derive(Clone, Copy, Debug)]
pub struct Identity;
impl<E> elementwise::Unary<E> for Identity {
    #[inline(always)]
    fn at<I: crate::simd::Isa>(self, x: E) -> E {
        x
    }
}
