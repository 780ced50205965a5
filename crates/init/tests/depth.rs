//! What thirty layers do to a signal, by initialisation: the lecture's argument, measured.

use kniff_init::{Activation, Initializer, TorchUniform, for_activation};
use kniff_tensor::{Rng, Tensor};

const WIDTH: usize = 512;
const LAYERS: usize = 30;
const SAMPLES: usize = 8;

#[allow(clippy::cast_possible_truncation)]
fn apply(activation: Activation, z: &[f32]) -> Vec<f32> {
    let map = |f: &dyn Fn(f32) -> f32| z.iter().map(|&z| f(z)).collect();
    match activation {
        Activation::Linear => z.to_vec(),
        Activation::Sigmoid => map(&|z| 1.0 / (1.0 + (-z).exp())),
        Activation::Tanh => map(&|z| z.tanh()),
        Activation::ScaledTanh => map(&|z| 1.7159 * (2.0 * z / 3.0).tanh()),
        Activation::HardTanh => map(&|z| z.clamp(-1.0, 1.0)),
        Activation::Relu => map(&|z| z.max(0.0)),
        Activation::LeakyRelu(a) => map(&|z| if z > 0.0 { z } else { a as f32 * z }),
        Activation::Elu(a) => map(&|z| if z > 0.0 { z } else { a as f32 * z.exp_m1() }),
        Activation::Selu => map(&|z| 1.050_701 * if z > 0.0 { z } else { 1.673_263_2 * z.exp_m1() }),
        Activation::Gelu => map(&|z| 0.5 * z * (1.0 + (0.797_884_6 * (z + 0.044_715 * z * z * z)).tanh())),
        Activation::Silu => map(&|z| z / (1.0 + (-z).exp())),
        Activation::Softplus => map(&|z| z.max(0.0) + (-z.abs()).exp().ln_1p()),
        Activation::Maxout(k) => z.chunks(k).map(|c| c.iter().copied().fold(f32::NEG_INFINITY, f32::max)).collect(),
    }
}

/// The root mean square of the pre-activations of the last layer, for standard normal inputs.
fn last_scale(activation: Activation, scheme: impl Initializer, layers: usize, seed: u64) -> f64 {
    let root = Rng::new(seed);
    let pieces = if let Activation::Maxout(k) = activation { k } else { 1 };
    let mut x: Vec<Vec<f32>> = vec![Tensor::randn([WIDTH], &mut root.stream("x")).to_vec(); 1];
    x.extend((1..SAMPLES).map(|i| Tensor::randn([WIDTH], &mut root.keyed(i as u64)).to_vec()));
    let mut rng = root.stream("weights");
    let mut square = 0.0;
    for _ in 0..layers {
        let w: Tensor = scheme.init(&[WIDTH * pieces, WIDTH], &mut rng);
        let w = w.to_vec();
        square = 0.0;
        for x in &mut x {
            let z: Vec<f32> = w.chunks(WIDTH).map(|row| dot(row, x)).collect();
            square += z.iter().map(|&z| f64::from(z).powi(2)).sum::<f64>() / (z.len() * SAMPLES) as f64;
            *x = apply(activation, &z);
        }
    }
    square.sqrt()
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0; 8];
    for (a, b) in a.chunks_exact(8).zip(b.chunks_exact(8)) {
        for l in 0..8 {
            lanes[l] += a[l] * b[l];
        }
    }
    lanes.iter().sum()
}

#[test]
fn each_activation_keeps_its_scale_over_thirty_layers() {
    for activation in [
        Activation::Linear,
        Activation::Sigmoid,
        Activation::Tanh,
        Activation::ScaledTanh,
        Activation::HardTanh,
        Activation::Relu,
        Activation::LeakyRelu(0.1),
        Activation::Elu(1.0),
        Activation::Selu,
        Activation::Softplus,
        Activation::Maxout(2),
        Activation::Maxout(3),
    ] {
        for seed in 20..22 {
            let scale = last_scale(activation, for_activation(activation), LAYERS, seed);
            assert!((0.1..10.0).contains(&scale), "{activation:?}: {scale}");
        }
    }
}

/// Size 1 is no stable point for these two under any gain, so that no initialisation holds it for thirty layers.
#[test]
fn gelu_and_silu_keep_their_scale_over_ten() {
    for activation in [Activation::Gelu, Activation::Silu] {
        for seed in 20..26 {
            let scale = last_scale(activation, for_activation(activation), 10, seed);
            assert!((0.1..10.0).contains(&scale), "{activation:?}: {scale}");
        }
    }
}

#[test]
fn the_torch_uniform_rule_fades() {
    let scale = last_scale(Activation::Relu, TorchUniform, LAYERS, 21);
    assert!((1e-13..2e-11).contains(&scale), "{scale}");
}
