//! The kernels of both number types, which the feature `precompiled` has compiled here once and not again in every program.
//!
//! A generic function is compiled where its type becomes known, which is in the program at the top, each time that it is built. Behind the
//! methods of a trait that is implemented for `f32` and `f64` alone it is known here.

use super::conv::ConvGeometry;
use super::gemm::{self, MatMut, MatRef, Then};
use super::pool::{Divisor, PoolWindows};
use super::ready::Ready;
use super::softmax_ce::{Scale, Targets};
use super::{batch_norm, conv, layer_norm, planes, planes_relu, pool, ready, reduce, softmax, softmax_ce, strided};
use crate::{Element, Shape};

macro_rules! compiled {
    ($($name:ident($($arg:ident: $type:ty),*) = $here:path;)*) => {
        /// The kernels of a number type; each is described where its module's function of the name calls it.
        #[expect(private_interfaces, reason = "only the kernels call these")]
        pub trait Compiled: Sized {
            $(
                #[doc(hidden)]
                #[track_caller]
                fn $name($($arg: $type),*) where Self: Element;
            )*
        }
        compiled!(for f32: $($name($($arg: $type),*) = $here;)*);
        compiled!(for f64: $($name($($arg: $type),*) = $here;)*);
    };
    (for $t:ident: $($name:ident($($arg:ident: $type:ty),*) = $here:path;)*) => {
        #[expect(private_interfaces, reason = "only the kernels call these")]
        impl Compiled for $t {
            $(
                // Inlined is compiled by those who call it.
                #[cfg_attr(not(feature = "precompiled"), inline)]
                #[track_caller]
                fn $name($($arg: $type),*) {
                    $here($($arg),*);
                }
            )*
        }
    };
}

compiled! {
    gemm_then(a: MatRef<'_, Self>, b: MatRef<'_, Self>, beta: Self, c: MatMut<'_, Self>, f: Then<'_, Self>) = gemm::gemm_here;
    product_then(narrow: bool, a: MatRef<'_, Self>, b: MatRef<'_, Self>, beta: Self, c: MatMut<'_, Self>, f: Then<'_, Self>) = gemm::product_here;
    convolve(g: &ConvGeometry, x: &[Self], w: &[Self], bias: Option<&[Self]>, y: &mut [Self]) = conv::forward_here;
    convolve_backward_input(g: &ConvGeometry, dy: &[Self], w: &[Self], dx: &mut [Self]) = conv::backward_input_here;
    convolve_backward_weight(g: &ConvGeometry, x: &[Self], dy: &[Self], dw: &mut [Self]) = conv::backward_weight_here;
    batch_norm_statistics(x: &[Self], channels: usize, mean: &mut [Self], var: &mut [Self]) = batch_norm::statistics_here;
    batch_norm_apply(x: &[Self], moments: (&[Self], &[Self]), affine: (Option<&[Self]>, Option<&[Self]>), out: &mut [Self]) = batch_norm::apply_here;
    batch_norm_backward_sums(saved: batch_norm::Saved<'_, Self>, dy: &[Self], dgamma: &mut [Self], dbeta: &mut [Self]) = batch_norm::backward_sums_here;
    batch_norm_backward_input(saved: batch_norm::Saved<'_, Self>, dy: &[Self], dgamma: &[Self], dbeta: &[Self], dx: &mut [Self]) = batch_norm::backward_input_here;
    layer_norm_statistics(x: &[Self], n: usize, epsilon: Self, out: &mut [Self]) = layer_norm::statistics_here;
    layer_norm_apply(saved: layer_norm::Saved<'_, Self>, beta: &[Self], out: &mut [Self]) = layer_norm::apply_here;
    layer_norm_backward_sums(saved: layer_norm::Saved<'_, Self>, dy: &[Self], scratch: &mut [Self], sums: (&mut [Self], &mut [Self])) = layer_norm::backward_sums_here;
    layer_norm_backward_input(saved: layer_norm::Saved<'_, Self>, dy: &[Self], dx: &mut [Self]) = layer_norm::backward_input_here;
    planes_affine(x: &[Self], length: usize, rows: &[[Self; 3]], out: &mut [Self]) = planes::affine_here;
    planes_combine(dy: &[Self], x: &[Self], length: usize, rows: &[[Self; 4]], out: &mut [Self]) = planes::combine_here;
    planes_sums(dy: &[Self], x: &[Self], length: usize, centres: &[Self], out: &mut [Self]) = planes::sums_here;
    channel_moments(x: &[Self], length: usize, mean: &mut [Self], var: &mut [Self]) = planes::channel_moments_here;
    planes_relu(x: &[Self], plus: Option<&[Self]>, length: usize, rows: &[[Self; 3]], out: &mut [Self]) = planes_relu::forward_here;
    planes_relu_sums(dy: &[Self], x: &[Self], length: usize, rows: &[[Self; 3]], out: &mut [Self]) = planes_relu::sums_here;
    planes_relu_combine(dy: &[Self], x: &[Self], length: usize, rows: (&[[Self; 3]], &[[Self; 4]]), out: &mut [Self]) = planes_relu::combine_here;
    planes_relu_gated_sums(sides: (&[Self], &[Self], &[Self]), length: usize, centres: &[Self], gated: &mut [Self], out: &mut [Self]) = planes_relu::gated_sums_here;
    pool_mean(w: &PoolWindows, divisor: Divisor, x: &[Self], y: &mut [Self]) = pool::mean_here;
    pool_spread(w: &PoolWindows, divisor: Divisor, y: &[Self], x: &mut [Self]) = pool::spread_here;
    softmax(x: &[Self], n: usize, out: &mut [Self]) = softmax::softmax_here;
    log_softmax(x: &[Self], n: usize, out: &mut [Self]) = softmax::log_softmax_here;
    logsumexp(x: &[Self], n: usize, out: &mut [Self]) = softmax::logsumexp_here;
    softmax_ce(x: &[Self], n: usize, targets: Targets<'_, Self>, losses: &mut [Self], lse: &mut [Self]) = softmax_ce::forward_here;
    softmax_ce_backward(x: &[Self], n: usize, targets: Targets<'_, Self>, lse: &[Self], scale: Scale<'_, Self>, grad: &mut [Self]) = softmax_ce::backward_here;
    softmax_ce_forward_backward(x: &[Self], n: usize, targets: Targets<'_, Self>, scale: Scale<'_, Self>, losses: &mut [Self], grad: &mut [Self]) = softmax_ce::forward_backward_here;
    strided_copy(source: &[Self], strides: &[usize], shape: &Shape, out: &mut [Self]) = strided::copy_here;
    linear_ready(x: &[Self], weight: (&[Self], &Ready<Self>), sizes: (usize, usize, usize), bias: Option<&[Self]>, relu: bool, y: &mut [Self]) = ready::linear_here;
    convolve_ready(g: &ConvGeometry, x: &[Self], weight: (&[Self], &Ready<Self>), finish: (Option<&[Self]>, Option<&[Self]>, bool), y: &mut [Self]) = ready::convolve_here;
    row_moments(x: &[Self], n: usize, out: &mut [Self]) = reduce::row_moments_here;
}
