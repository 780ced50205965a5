//! The networks of the side-by-side comparison.

use kniff_init::{GlorotNormal, HeNormal};
use kniff_nn::layers::{BatchNorm1d, Dropout, Linear, Relu, Sequential, Tanh};
use kniff_tensor::Rng;

/// 784-128-10 with tanh.
pub fn mlp_small(rng: &mut Rng) -> Sequential {
    Sequential::new().with(Linear::new(784, 128, GlorotNormal, rng)).with(Tanh).with(Linear::new(
        128,
        10,
        GlorotNormal,
        rng,
    ))
}

/// 784-512-256-10; hidden layers with batch norm, ReLU and dropout.
pub fn mlp_bn(rng: &mut Rng) -> Sequential {
    Sequential::new()
        .with(Linear::new(784, 512, HeNormal, rng))
        .with(BatchNorm1d::new(512))
        .with(Relu)
        .with(Dropout::new(0.5))
        .with(Linear::new(512, 256, HeNormal, rng))
        .with(BatchNorm1d::new(256))
        .with(Relu)
        .with(Dropout::new(0.5))
        .with(Linear::new(256, 10, GlorotNormal, rng))
}
