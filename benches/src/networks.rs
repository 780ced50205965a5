//! The networks of the side-by-side comparison.

use kniff_init::{GlorotNormal, HeNormal};
use kniff_nn::layers::{
    AdaptiveAvgPool2d, BatchNorm1d, BatchNorm2d, Conv2d, Dropout, Flatten, Linear, MaxPool2d, Relu, Residual,
    Sequential, Tanh,
};
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

/// As many hidden layers of one width as `depth` says, with ReLU, from an input of that width too.
pub fn mlp(width: usize, depth: usize, outputs: usize, rng: &mut Rng) -> Sequential {
    let hidden = (0..depth)
        .fold(Sequential::new(), |network, _| network.with(Linear::new(width, width, HeNormal, rng)).with(Relu));
    hidden.with(Linear::new(width, outputs, GlorotNormal, rng))
}

/// Two convolutions, a pooling and two dense layers, on digits.
pub fn lenet(rng: &mut Rng) -> Sequential {
    Sequential::new()
        .with(Conv2d::new(1, 32, 3, HeNormal, rng))
        .with(Relu)
        .with(Conv2d::new(32, 64, 3, HeNormal, rng))
        .with(Relu)
        .with(MaxPool2d::new(2))
        .with(Flatten)
        .with(Linear::new(9216, 128, HeNormal, rng))
        .with(Relu)
        .with(Linear::new(128, 10, GlorotNormal, rng))
}

/// Six convolutions with batch norm in three stages, on colour pictures.
pub fn vgg_bn(rng: &mut Rng) -> Sequential {
    let mut network = Sequential::new();
    let mut inputs = 3;
    for outputs in [64, 128, 256] {
        for _ in 0..2 {
            network = normed(network, inputs, outputs, 1, rng).with(Relu);
            inputs = outputs;
        }
        network = network.with(MaxPool2d::new(2));
    }
    network.with(Flatten).with(Linear::new(4096, 10, GlorotNormal, rng))
}

/// A convolution, a pooling and a residual block with batch norm, on small colour pictures.
pub fn residual_small(rng: &mut Rng) -> Sequential {
    let network = normed(Sequential::new(), 3, 16, 1, rng).with(Relu).with(MaxPool2d::new(2));
    let body = normed(Sequential::new(), 16, 16, 1, rng).with(Relu);
    let block = Residual::new(normed(body, 16, 16, 1, rng));
    network.with(block).with(Relu).with(AdaptiveAvgPool2d::new(1)).with(Flatten).with(Linear::new(
        16,
        10,
        GlorotNormal,
        rng,
    ))
}

/// The residual network of twenty layers for CIFAR.
pub fn resnet20(rng: &mut Rng) -> Sequential {
    let mut network = normed(Sequential::new(), 3, 16, 1, rng).with(Relu);
    let mut inputs = 16;
    for outputs in [16, 32, 64] {
        for _ in 0..3 {
            let stride = outputs / inputs;
            let body = normed(Sequential::new(), inputs, outputs, stride, rng).with(Relu);
            let block = Residual::new(normed(body, outputs, outputs, 1, rng));
            network = if stride == 1 {
                network.with(block)
            } else {
                let shortcut = Conv2d::without_bias(inputs, outputs, 1, HeNormal, rng).with_stride(stride);
                network.with(block.with_shortcut(Sequential::new().with(shortcut).with(BatchNorm2d::new(outputs))))
            };
            network = network.with(Relu);
            inputs = outputs;
        }
    }
    network.with(AdaptiveAvgPool2d::new(1)).with(Flatten).with(Linear::new(64, 10, GlorotNormal, rng))
}

/// A convolution of 3x3 and batch norm.
fn normed(network: Sequential, inputs: usize, outputs: usize, stride: usize, rng: &mut Rng) -> Sequential {
    let conv = Conv2d::without_bias(inputs, outputs, 3, HeNormal, rng).with_stride(stride).with_padding(1);
    network.with(conv).with(BatchNorm2d::new(outputs))
}
