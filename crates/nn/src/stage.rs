//! What a layer is at test time, so that neighbours can be joined.

use crate::Layer;
use kniff_tensor::{ConvOptions, Element, Tensor};

/// What a layer computes at test time, in terms that [`crate::Compiled`] can join with its neighbours.
///
/// A layer that says nothing is [`Stage::Layer`] and is called as it is. What is said here must be what
/// [`Layer::forward`] computes.
#[non_exhaustive]
pub enum Stage<'a, E: Element = f32> {
    /// Whatever [`Layer::forward`] does.
    Layer,
    /// The input itself: dropout.
    Identity,
    /// `x W^T + b` along the last axis; weight [out, in].
    Linear {
        /// [out, in].
        weight: &'a Tensor<E>,
        /// `[out]`.
        bias: Option<&'a Tensor<E>>,
    },
    /// The cross-correlation with a frame of zeros, of signals [n, in, length] or images [n, in, h, w].
    Conv {
        /// [out, in / groups, k] for signals, [out, in / groups, kh, kw] for images.
        weight: &'a Tensor<E>,
        /// `[out]`.
        bias: Option<&'a Tensor<E>>,
        /// For images; a signal is an image of one row.
        options: ConvOptions,
    },
    /// `scale x + shift` with a number of each for every channel, which is axis 1: batch norm.
    Scale {
        /// The factors.
        scale: Vec<f64>,
        /// What is added.
        shift: Vec<f64>,
    },
    /// `max(0, x)`.
    Relu,
    /// Layers one after the other.
    Chain(Vec<&'a dyn Layer<E>>),
    /// `body(x) + shortcut(x)`, or `body(x) + x`.
    Sum {
        /// The one side.
        body: &'a dyn Layer<E>,
        /// The other.
        shortcut: Option<&'a dyn Layer<E>>,
    },
}
