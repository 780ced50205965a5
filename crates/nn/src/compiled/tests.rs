//! Compiled networks against the layers that they are made of.

use super::*;
use crate::Module;
use crate::layers::{
    AdaptiveAvgPool2d, BatchNorm1d, BatchNorm2d, Conv1d, Conv2d, Dropout, Flatten, Gelu, Linear, MaxPool2d,
    PaddingMode, Relu, Residual, Sequential, Tanh,
};
use kniff_init::HeNormal;
use kniff_tensor::Rng;

/// Trains the statistics of batch norm on some batches, so that they are not 0 and 1.
fn lived(mut network: Sequential<f64>, input: &[usize], rng: &mut Rng) -> Sequential<f64> {
    use crate::ModuleExt;
    for _ in 0..3 {
        network.forward_train(&Var::constant(Tensor::randn([&[6], input].concat(), rng).affine(2.0, 0.5)), rng);
    }
    for (_, parameter) in network.parameters_mut() {
        let noise = Tensor::randn(*parameter.value().shape(), rng).mul_scalar(0.3);
        *parameter.value_mut() = parameter.value().add(&noise);
    }
    network
}

#[track_caller]
fn agrees(network: &Sequential<f64>, input: &[usize], rng: &mut Rng) -> String {
    let compiled = Compiled::of(network);
    for n in [0, 1, 2, 7] {
        let x = Tensor::randn([&[n], input].concat(), rng);
        let expected = network.forward(&Var::inference(x.clone()));
        let found = compiled.forward(&x);
        assert_eq!(found.shape(), expected.shape());
        for (a, b) in found.to_vec().iter().zip(expected.value().to_vec()) {
            assert!((a - b).abs() < 1e-10 * b.abs().max(1.0), "{a} instead of {b}");
        }
    }
    compiled.to_string()
}

#[test]
fn a_dense_network_is_joined() {
    let mut rng = Rng::new(1);
    let network = Sequential::new()
        .with(Linear::new(5, 8, HeNormal, &mut rng))
        .with(BatchNorm1d::new(8))
        .with(Relu)
        .with(Dropout::new(0.5))
        .with(Linear::without_bias(8, 6, HeNormal, &mut rng))
        .with(BatchNorm1d::without_affine(6))
        .with(Tanh)
        .with(BatchNorm1d::new(6))
        .with(Relu)
        .with(Relu)
        .with(Linear::new(6, 3, HeNormal, &mut rng));
    let network = lived(network, &[5], &mut rng);
    let text = agrees(&network, &[5], &mut rng);
    assert_eq!(text, "Linear + BatchNorm1d + Relu\nLinear + BatchNorm1d\nTanh\nBatchNorm1d\nRelu\nRelu\nLinear\n");
}

#[test]
fn a_convolutional_network_is_joined() {
    let mut rng = Rng::new(2);
    let block = |rng: &mut Rng, relu: bool| {
        let body = Sequential::new()
            .with(Conv2d::without_bias(8, 8, 3, HeNormal, rng).with_padding(1))
            .with(BatchNorm2d::new(8))
            .with(Relu)
            .with(Conv2d::new(8, 8, 3, HeNormal, rng).with_padding(1))
            .with(BatchNorm2d::new(8));
        Residual::new(if relu { body.with(Relu) } else { body })
    };
    let halving = Residual::new(Conv2d::new(8, 4, 3, HeNormal, &mut rng).with_stride(2).with_padding(1)).with_shortcut(
        Sequential::new()
            .with(Conv2d::without_bias(8, 4, 1, HeNormal, &mut rng).with_stride(2))
            .with(BatchNorm2d::new(4)),
    );
    let network = Sequential::new()
        .with(Conv2d::new(3, 8, 3, HeNormal, &mut rng).with_padding_mode(PaddingMode::Reflect).with_padding(1))
        .with(Gelu)
        .with(block(&mut rng, false))
        .with(Relu)
        .with(block(&mut rng, true))
        .with(Relu)
        .with(halving)
        .with(Residual::new(Tanh))
        .with(Relu)
        .with(MaxPool2d::new(2))
        .with(AdaptiveAvgPool2d::new(1))
        .with(Flatten)
        .with(Linear::new(4, 3, HeNormal, &mut rng));
    let network = lived(network, &[3, 8, 9], &mut rng);
    let text = agrees(&network, &[3, 8, 9], &mut rng);
    let joined = "Conv2d\nGelu\nsum + Relu\n  Conv2d + BatchNorm2d + Relu\n  Conv2d + BatchNorm2d\nand\n  the input\n";
    assert!(text.starts_with(joined), "{text}");
    assert!(
        text.contains("sum + Relu\n  Conv2d + BatchNorm2d + Relu\n  Conv2d + BatchNorm2d\n  Relu\nand\n"),
        "{text}"
    );
    assert!(
        text.contains("sum\n  Conv2d\nand\n  Conv2d + BatchNorm2d\nsum + Relu\n  Tanh\nand\n  the input\n"),
        "{text}"
    );
}

#[test]
fn signals_and_sequences_are_joined() {
    let mut rng = Rng::new(3);
    let network = Sequential::new()
        .with(Conv1d::new(2, 4, 3, HeNormal, &mut rng).with_stride(2))
        .with(BatchNorm1d::new(4))
        .with(Relu)
        .with(Residual::new(Conv1d::new(4, 4, 3, HeNormal, &mut rng).with_padding(1)))
        .with(Relu);
    let network = lived(network, &[2, 11], &mut rng);
    agrees(&network, &[2, 11], &mut rng);
    // Batch norm along axis 1, which is not the axis of the linear layer's outputs, though as long.
    let network = Sequential::new().with(Linear::new(5, 4, HeNormal, &mut rng)).with(BatchNorm1d::new(4)).with(Relu);
    let network = lived(network, &[4, 5], &mut rng);
    agrees(&network, &[4, 5], &mut rng);
}

#[test]
fn a_layer_of_ones_own_is_called() {
    #[derive(Module)]
    #[module(crate = "crate")]
    struct Twice<E: kniff_tensor::Element> {
        inner: Sequential<E>,
    }
    impl<E: kniff_tensor::Element> Layer<E> for Twice<E> {
        fn forward(&self, x: &Var<E>) -> Var<E> {
            self.inner.forward(&self.inner.forward(x))
        }
    }
    let mut rng = Rng::new(4);
    let inner = Sequential::new().with(Linear::new(3, 3, HeNormal, &mut rng)).with(Relu);
    let network = Sequential::new().with(Twice { inner }).with(Relu);
    assert_eq!(agrees(&network, &[3], &mut rng), "Twice\nRelu\n");
}

#[test]
fn f32_agrees_with_f64_layers() {
    let mut rng = Rng::new(5);
    let mut network = Sequential::<f32>::new();
    let mut inputs = 3;
    for outputs in [16, 32] {
        let conv = Conv2d::without_bias(inputs, outputs, 3, HeNormal, &mut rng).with_padding(1);
        network = network.with(conv).with(BatchNorm2d::new(outputs)).with(Relu);
        inputs = outputs;
    }
    let network = network.with(MaxPool2d::new(2)).with(Flatten).with(Linear::new(32 * 16, 5, HeNormal, &mut rng));
    let compiled = Compiled::of(&network);
    for n in [1, 3, 40] {
        let x = Tensor::<f32>::randn([n, 3, 8, 8], &mut rng);
        let expected = network.forward(&Var::inference(x.clone())).value().to_vec();
        let found = compiled.forward(&x).to_vec();
        let size = expected.iter().map(|e| e * e).sum::<f32>().sqrt();
        let rest = found.iter().zip(&expected).map(|(f, e)| (f - e).powi(2)).sum::<f32>().sqrt();
        assert!(rest < 2e-5 * size, "{rest} beside {size}");
    }
    assert!(compiled.prepared_bytes() > 0);
}

#[test]
#[should_panic(expected = "Conv2d: an input of shape [3, 8] is not a batch of")]
fn a_wrong_input_is_named_by_the_layer() {
    let network = Sequential::<f32>::new().with(Conv2d::new(3, 4, 3, HeNormal, &mut Rng::new(0)));
    Compiled::of(&network).forward(&Tensor::zeros([3, 8]));
}
