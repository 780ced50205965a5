//! Layers that are computed together in training give what they give one after the other, to the bit.

use kniff_autograd::Var;
use kniff_init::HeNormal;
use kniff_nn::layers::{BatchNorm1d, BatchNorm2d, Conv2d, Dropout, Linear, Relu, Residual, Sequential, Tanh};
use kniff_nn::{Layer, Module, ModuleExt, Path, Then};
use kniff_tensor::{Rng, Tensor, parallel};

fn conv(inputs: usize, outputs: usize, stride: usize, rng: &mut Rng) -> Conv2d {
    Conv2d::without_bias(inputs, outputs, 3, HeNormal, rng).with_stride(stride).with_padding(1)
}

/// Batch norm with weights and biases that are not all the same.
fn norm(channels: usize, rng: &mut Rng) -> BatchNorm2d {
    let mut norm = BatchNorm2d::new(channels);
    for (_, parameter) in norm.parameters_mut() {
        let drawn = Tensor::randn(*parameter.value().shape(), rng);
        let value = parameter.value().add(&drawn.mul_scalar(0.3));
        parameter.set(value);
    }
    norm
}

/// Rectifiers after norms, sums, dropout, a layer of one's own, at the start, at the end and in a row.
fn network(rng: &mut Rng) -> Sequential {
    let plain = |rng: &mut Rng| {
        let body = Sequential::new().with(conv(8, 8, 1, rng)).with(norm(8, rng)).with(Relu);
        body.with(Dropout::new(0.3)).with(conv(8, 8, 1, rng)).with(norm(8, rng))
    };
    let wider = Sequential::new().with(conv(8, 12, 2, rng)).with(norm(12, rng)).with(Relu);
    let shortcut = Conv2d::without_bias(8, 12, 1, HeNormal, rng).with_stride(2);
    let shortcut = Sequential::new().with(Dropout::new(0.2)).with(shortcut).with(norm(12, rng));
    Sequential::new()
        .with(Relu)
        .with(Relu)
        .with(conv(3, 8, 1, rng))
        .with(norm(8, rng))
        .with(Relu)
        .with(Residual::new(plain(rng)))
        .with(Relu)
        .with(Residual::new(Sequential::new().with(Tanh).with(Relu)))
        .with(Residual::new(plain(rng)))
        .with(Residual::new(Residual::new(plain(rng))))
        .with(Relu)
        .with(Residual::new(wider).with_shortcut(shortcut))
        .with(Relu)
        .with(Own { norm: norm(12, rng) })
        .with(Relu)
        .with(Sequential::new())
        .with(Sequential::new().with(norm(12, rng)))
        .with(Relu)
        .with(norm(12, rng))
        .with(Relu)
}

/// A layer of a user, who knows nothing of what may follow it.
#[derive(Module)]
struct Own {
    norm: BatchNorm2d,
}

impl Layer for Own {
    fn forward(&self, x: &Var) -> Var {
        self.norm.forward(x).mul_scalar(2.0)
    }
    fn forward_train(&mut self, x: &Var, rng: &mut Rng) -> Var {
        self.norm.forward_train(x, rng).mul_scalar(2.0)
    }
}

/// The output, every gradient and all that is saved, after a training pass of each kind.
fn trained(together: bool) -> Vec<Vec<f32>> {
    let mut rng = Rng::new(5);
    let mut network = network(&mut rng);
    let x = Var::tracked(Tensor::randn([6, 3, 10, 9], &mut rng));
    let mut draws = Rng::new(1);
    let y = if together {
        network.forward_train(&x, &mut draws)
    } else {
        network.forward_train_shown(&mut Path::root(), &x, &mut draws, &mut |_, _, _| {})
    };
    let weight = Var::constant(Tensor::randn(*y.shape(), &mut rng));
    let gradients = y.mul(&weight).sum_all().backward();
    let mut all = vec![y.value().to_vec(), gradients.of(&x).unwrap().to_vec(), vec![draws.uniform() as f32]];
    all.extend(network.parameters().into_iter().map(|(_, p)| gradients.get(p).unwrap().to_vec()));
    all.extend(network.state().into_iter().map(|(_, tensor)| tensor.to_vec()));
    all
}

#[test]
fn layers_together_are_layers_one_by_one_on_any_number_of_threads() {
    let alone = trained(false);
    assert!(alone.iter().flatten().all(|x| x.is_finite()) && alone[1].iter().any(|&x| x != 0.0));
    for threads in [1, 3] {
        parallel::with_threads(threads, || assert!(trained(true) == alone, "{threads} threads"));
    }
}

#[test]
fn features_are_rectified_and_joined_as_images_are() {
    let run = |together: bool| {
        let mut rng = Rng::new(5);
        let body = Sequential::new().with(Linear::new(4, 4, HeNormal, &mut rng)).with(BatchNorm1d::new(4));
        let mut network: Sequential = Sequential::new().with(Residual::new(body)).with(Relu);
        let x = Var::tracked(Tensor::randn([7, 4], &mut rng));
        let y = if together {
            network.forward_train(&x, &mut rng)
        } else {
            network.forward_train_shown(&mut Path::root(), &x, &mut rng, &mut |_, _, _| {})
        };
        (y.value().to_vec(), y.square().sum_all().backward().of(&x).unwrap().to_vec())
    };
    assert_eq!(run(true), run(false));
}

#[test]
#[should_panic(expected = "Residual: sides of shape [4, 5, 2, 2] and [4, 3, 2, 2] differ")]
fn sides_that_do_not_fit_are_refused_in_one_pass_too() {
    let mut rng = Rng::new(0);
    let body = Sequential::new().with(conv(3, 5, 1, &mut rng)).with(BatchNorm2d::new(5));
    let x = Var::constant(Tensor::zeros([4, 3, 2, 2]));
    let _ = Residual::new(body).forward_train_then(&x, Then::relu(), &mut rng);
}
