//! Small data and small networks for the tests.

use kniff_data::{Loader, TensorDataset};
use kniff_init::{GlorotNormal, HeNormal};
use kniff_nn::layers::{BatchNorm1d, Dropout, Linear, Relu, Sequential};
use kniff_nn::{ClassHead, Model, losses::CrossEntropy};
use kniff_optim::{Adam, Optimizer};
use kniff_tensor::{Indices, Rng, Tensor};
use kniff_trainer::{Progress, Trainer};

pub(crate) type Data = TensorDataset<f32, Indices>;
pub(crate) type Classifier = Trainer<Sequential, ClassHead>;

/// Points of the plane in three clouds.
pub(crate) fn clouds(examples: usize, seed: u64) -> Data {
    let mut rng = Rng::new(seed).stream("clouds");
    let labels: Vec<usize> = (0..examples).map(|i| i % 3).collect();
    let centres = [(0.0, 3.0), (2.5, -2.0), (-2.5, -2.0)];
    let inputs = Tensor::from_fn([examples, 2], |i| {
        let (x, y) = centres[i / 2 % 3];
        (if i % 2 == 0 { x } else { y }) as f32 + rng.normal() as f32
    });
    TensorDataset::new(inputs, Indices::from_vec(labels)).unwrap()
}

pub(crate) fn loader(data: Data) -> Loader<Data> {
    Loader::new(data).batch_size(16).shuffle(&Rng::new(5)).drop_last(true)
}

/// Dense, batch norm, dropout.
pub(crate) fn network(seed: u64) -> Sequential {
    let mut rng = Rng::new(seed).stream("init");
    Sequential::new()
        .with(Linear::without_bias(2, 16, HeNormal, &mut rng))
        .with(BatchNorm1d::new(16))
        .with(Relu)
        .with(Dropout::new(0.2))
        .named("out", Linear::new(16, 3, GlorotNormal, &mut rng))
}

pub(crate) fn trainer_of(network: Sequential, rate: f64) -> Classifier {
    let model = Model::classifier(network).unwrap();
    Trainer::new(model, CrossEntropy::new(), Optimizer::new(Adam::default(), rate)).progress(Progress::Silent)
}

pub(crate) fn trainer() -> Classifier {
    trainer_of(network(1), 1e-2)
}
