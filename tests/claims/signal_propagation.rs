//! Thirty layers keep the size of what goes up and of what comes down, if their weights start as the activation wants it.

use kniff::init::{Activation, Critical, TorchUniform, for_activation};
use kniff::prelude::*;

const WIDTH: usize = 512;
const LAYERS: usize = 30;
const EXAMPLES: usize = 16;

/// The function of an activation, on pre-activations.
fn activate(activation: Activation, z: &Var) -> Var {
    match activation {
        Activation::Linear => z.clone(),
        Activation::Sigmoid => z.sigmoid(),
        Activation::Tanh => z.tanh(),
        Activation::ScaledTanh => z.scaled_tanh(),
        Activation::HardTanh => z.hard_tanh(),
        Activation::Relu => z.relu(),
        Activation::LeakyRelu(slope) => z.leaky_relu(slope as f32),
        Activation::Elu(alpha) => z.elu(alpha as f32),
        Activation::Selu => z.selu(),
        Activation::Gelu => z.gelu(),
        Activation::Silu => z.silu(),
        Activation::Softplus => z.softplus(),
        Activation::Maxout(_) => unreachable!("maxout is a layer of its own"),
    }
}

/// Root mean squares of the last pre-activations (the first are of size 1) and of the gradient that arrives at the
/// first pre-activations, for one of size 1 at the last.
fn scales(activation: Activation, weight: impl Initializer, bias: impl Initializer, seed: u64) -> (f64, f64) {
    let mut rng = Rng::new(seed);
    let pieces = if let Activation::Maxout(k) = activation { k } else { 1 };
    let first = Var::tracked(Tensor::randn([EXAMPLES, WIDTH * pieces], &mut rng));
    let mut z = first.clone();
    for _ in 1..LAYERS {
        let y = if pieces > 1 { z.maxout(pieces) } else { activate(activation, &z) };
        let layer = Linear::from_parts(
            weight.init(&[WIDTH * pieces, WIDTH], &mut rng),
            Some(bias.init(&[WIDTH * pieces], &mut rng)),
        );
        z = layer.forward(&y);
    }
    let cotangent = Var::constant(Tensor::randn([EXAMPLES, WIDTH * pieces], &mut rng));
    let up = rms(z.value());
    let gradients = z.mul(&cotangent).sum_all().backward();
    (up, rms(gradients.of(&first).unwrap()))
}

fn rms(x: &Tensor) -> f64 {
    (x.to_vec().iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / x.len() as f64).sqrt()
}

#[test]
fn thirty_layers_keep_activation_and_gradient_scale_for_every_activation() {
    let all = [
        Activation::Linear,
        Activation::Sigmoid,
        Activation::Tanh,
        Activation::ScaledTanh,
        Activation::HardTanh,
        Activation::Relu,
        Activation::LeakyRelu(0.1),
        Activation::Elu(1.0),
        Activation::Selu,
        Activation::Gelu,
        Activation::Silu,
        Activation::Softplus,
        Activation::Maxout(2),
        Activation::Maxout(3),
    ];
    for activation in all {
        let scheme = Critical::new(activation);
        let (up, down) = scales(activation, scheme, scheme.bias(), 30);
        assert!((0.1..10.0).contains(&up), "{activation:?}: activations {up}");
        assert!((0.1..10.0).contains(&down), "{activation:?}: gradients {down}");
    }
}

/// He's, LeCun's and the other schemes of `for_activation` need no biases, where they suffice.
#[test]
fn the_plain_schemes_keep_both_scales_for_relu_and_its_kin() {
    for activation in [
        Activation::Linear,
        Activation::ScaledTanh,
        Activation::Relu,
        Activation::LeakyRelu(0.1),
        Activation::Elu(1.0),
        Activation::Selu,
        Activation::Maxout(2),
    ] {
        let (up, down) = scales(activation, for_activation(activation), kniff::init::Zeros, 31);
        assert!((0.1..10.0).contains(&up), "{activation:?}: activations {up}");
        assert!((0.1..10.0).contains(&down), "{activation:?}: gradients {down}");
    }
}

/// Each layer multiplies the mean square by `fan_in / (3 fan_in) / 2 = 1/6`: after thirty, sizes are down by 6^-15 = 2e-12.
#[test]
fn torch_uniform_attenuates() {
    let (up, down) = scales(Activation::Relu, TorchUniform, kniff::init::Zeros, 32);
    // Twenty-nine layers: 6^-14.5 = 5e-12; chance moves it by some factor below 3.
    assert!((5e-13..2e-11).contains(&(up / 6.0_f64.sqrt())), "{up}");
    assert!((5e-13..2e-11).contains(&(down / 6.0_f64.sqrt())), "{down}");
}
