//! What is refused before the first step, and what is done when a training fails.

use crate::networks::{Data, clouds, loader, network, trainer, trainer_of};
use kniff_autograd::{Parameter, Reach, Var};
use kniff_data::{Batch, DataError, Loader, Map, TensorDataset};
use kniff_init::HeNormal;
use kniff_nn::layers::{Linear, Sequential};
use kniff_nn::{Layer, Model, Module, ModuleExt, losses};
use kniff_optim::{Adam, Clip, Cosine, Optimizer, Sgd};
use kniff_tensor::{Indices, Rng, Tensor};
use kniff_trainer::metrics::Accuracy;
use kniff_trainer::{EarlyStopping, Every, Kept, Monitor, Phase, Progress, TrainError, Trainer};

/// The error of a training with these data, which must leave the model as it was.
fn refusal(data: Data, change: impl FnOnce(Loader<Data>) -> Loader<Data>) -> TrainError {
    let mut trainer = trainer();
    let before = trainer.model().state();
    let error = trainer.fit(&change(Loader::new(data).batch_size(16)), None).unwrap_err();
    assert_eq!(trainer.model().state(), before);
    assert!(trainer.history().epochs.is_empty());
    error
}

fn with_inputs(data: &Data, inputs: Tensor) -> Data {
    TensorDataset::new(inputs, data.targets().clone()).unwrap()
}

#[test]
fn shapes_are_refused_with_the_layers_name() {
    let data = clouds(48, 1);
    let error = refusal(with_inputs(&data, Tensor::zeros([48, 5])), |l| l);
    assert!(matches!(error, TrainError::Shape { phase: Phase::Training, .. }));
    assert!(error.to_string().contains("Linear at `0` was given examples of shape [5]"), "{error}");
    let other = Loader::new(with_inputs(&data, Tensor::zeros([48, 1])));
    let error = trainer().fit(&loader(data), Some(&other)).unwrap_err();
    assert!(error.to_string().starts_with("the validation data do not fit the model"), "{error}");
}

#[test]
fn no_data_and_senseless_batches_are_refused() {
    let none = TensorDataset::new(Tensor::zeros([0, 2]), Indices::from_vec(vec![])).unwrap();
    assert!(matches!(refusal(none, |l| l), TrainError::Data { source: DataError::Empty { .. }, .. }));
    let error = refusal(clouds(12, 1), |l| l.drop_last(true));
    assert!(matches!(error, TrainError::Data { source: DataError::Setting { .. }, .. }), "{error}");
}

#[test]
fn labels_out_of_range_are_refused_with_their_example() {
    let mut labels = clouds(48, 1).targets().as_slice().to_vec();
    (labels[40], labels[44]) = (3, 3);
    let data = TensorDataset::new(clouds(48, 1).inputs().clone(), Indices::from_vec(labels)).unwrap();
    let error = refusal(data, |l| l.shuffle(&Rng::new(0)));
    let text = error.to_string();
    assert!(text.starts_with("the training data, example 40: ") && text.contains("has the label 3"), "{text}");
}

#[test]
fn numbers_that_are_none_are_refused_in_the_first_batch_and_found_later() {
    let bad = |example: usize, value: f32| {
        let data = clouds(48, 1);
        let mut inputs = data.inputs().clone();
        inputs.make_mut()[2 * example + 1] = value;
        with_inputs(&data, inputs)
    };
    // What is in memory is looked at before the first step, all of it.
    for (example, value) in [(3, f32::NAN), (47, f32::INFINITY)] {
        let error = refusal(bad(example, value), |l| l.shuffle(&Rng::new(1)));
        let TrainError::Data { source: DataError::NotFinite { row, column: 1, .. }, .. } = error else {
            panic!("{error}")
        };
        assert_eq!(row, example);
    }
    // What is made on the way is found when it is made: in the first batch before the first step ...
    let made = |example, value| {
        let map = Map::new(bad(example, 0.0), move |mut batch: Batch<f32, Indices>| {
            let at = batch.indices.iter().position(|&i| i == example);
            at.into_iter().for_each(|at| batch.inputs.make_mut()[2 * at + 1] = value);
            Ok(batch)
        });
        Loader::new(map.unwrap()).batch_size(16)
    };
    let mut trainer = trainer();
    let before = trainer.model().state();
    let error = trainer.fit(&made(3, f32::NAN), None).unwrap_err();
    assert!(matches!(error, TrainError::NonFiniteInput { example: 3, position: 1, .. }), "{error}");
    assert!(trainer.history().epochs.is_empty());
    // ... and in the last one later: the steps before it are taken back.
    let error = trainer.fit(&made(47, f32::INFINITY), None).unwrap_err();
    assert!(matches!(error, TrainError::NonFiniteInput { example: 47, position: 1, .. }), "{error}");
    assert_eq!(trainer.model().state(), before);
}

#[test]
fn one_class_is_refused_in_training() {
    let data = clouds(48, 1);
    let one = TensorDataset::new(data.inputs().clone(), Indices::from_vec(vec![2; 48])).unwrap();
    let error = refusal(one.clone(), |l| l);
    assert!(
        matches!(error, TrainError::Data { source: DataError::OneClass { class: 2, examples: 48 }, .. }),
        "{error}"
    );
    // To test or validate on it is to ask how it goes for that class.
    trainer().epochs(1).fit(&loader(data), Some(&loader(one))).unwrap();
}

#[test]
fn a_single_example_and_batch_norm_are_refused() {
    let error = refusal(clouds(33, 1), |l| l);
    assert!(matches!(error, TrainError::BatchTooSmall { batch: 3, batches: 3, examples: 1, needed: 2 }), "{error}");
    let mut trainer = trainer().epochs(1);
    trainer.fit(&Loader::new(clouds(33, 1)).batch_size(16).drop_last(true), None).unwrap();
    // Testing takes any batch.
    trainer.evaluate(&Loader::new(clouds(33, 1)).batch_size(1)).unwrap();
}

#[derive(Module)]
struct Forgetful {
    used: Linear,
    cut: Linear,
    forgotten: Parameter,
}

impl Layer for Forgetful {
    fn forward(&self, x: &Var) -> Var {
        self.used.forward(x) + self.cut.forward(x).detach()
    }
}

#[test]
fn parameters_that_no_gradient_reaches_are_named() {
    let mut rng = Rng::new(0);
    let network = Forgetful {
        used: Linear::new(2, 3, HeNormal, &mut rng),
        cut: Linear::without_bias(2, 3, HeNormal, &mut rng),
        forgotten: Parameter::new(Tensor::ones([2])),
    };
    let model = Model::classifier(network).unwrap();
    let mut trainer: Trainer<_, _, Indices> =
        Trainer::new(model, losses::CrossEntropy::new(), Optimizer::new(Sgd, 0.1)).epochs(1).progress(Progress::Silent);
    let train = loader(clouds(48, 1));
    let Err(TrainError::NotReached(error)) = trainer.fit(&train, None) else { panic!("it was not seen") };
    let expected = [("cut.weight".to_owned(), Reach::CutBy("detach")), ("forgotten".to_owned(), Reach::Unused)];
    assert_eq!(error.unreached, expected);
    let frozen = |(path, p): (String, &mut Parameter)| p.set_requires_grad(path.starts_with("used"));
    trainer.model_mut().parameters_mut().into_iter().for_each(frozen);
    trainer.fit(&train, None).unwrap();
}

#[test]
fn the_check_of_the_coverage_leaves_the_statistics() {
    let mut trainer = trainer_of(network(1), 0.0).epochs(1);
    let error = trainer.fit(&Loader::new(clouds(33, 1)).batch_size(16), None);
    assert!(error.is_err());
    let seen: Vec<f32> = trainer
        .model()
        .network()
        .state()
        .iter()
        .filter(|(n, _)| n.ends_with("tracked"))
        .map(|(_, t)| t.item())
        .collect();
    assert_eq!(seen, [0.0]);
    trainer.fit(&loader(clouds(48, 1)), None).unwrap();
    let seen: Vec<f32> = trainer
        .model()
        .network()
        .state()
        .iter()
        .filter(|(n, _)| n.ends_with("tracked"))
        .map(|(_, t)| t.item())
        .collect();
    assert_eq!(seen, [3.0]);
}

#[test]
fn settings_are_refused() {
    let train = loader(clouds(48, 1));
    let error = trainer().epochs(0).fit(&train, None).unwrap_err();
    assert_eq!(error.to_string(), "the number of epochs is 0, but must be at least 1");
    for rate in [-0.1, f64::NAN, f64::INFINITY] {
        assert!(matches!(trainer_of(network(1), rate).fit(&train, None), Err(TrainError::Settings(_))), "{rate}");
    }
    let schedule = Cosine { t_max: 0, eta_min: 0.0 };
    let error = trainer().schedule(Every::Step, schedule).fit(&train, None).unwrap_err();
    assert!(matches!(error, TrainError::Settings(_)), "{error}");
    let error = trainer().metric(Accuracy::new()).metric(Accuracy::new()).fit(&train, None).unwrap_err();
    assert!(error.to_string().contains("accuracy"), "{error}");
}

/// Without batch norm, which would hold the loss down.
fn fragile(rate: f64) -> crate::networks::Classifier {
    let mut rng = Rng::new(1);
    let network =
        Sequential::new().with(Linear::new(2, 16, HeNormal, &mut rng)).with(Linear::new(16, 3, HeNormal, &mut rng));
    let model = Model::classifier(network).unwrap();
    Trainer::new(model, losses::CrossEntropy::new(), Optimizer::new(Sgd, rate)).epochs(50).progress(Progress::Silent)
}

#[test]
fn a_loss_that_is_not_finite_leaves_good_weights_and_says_what_to_do() {
    let train = loader(clouds(48, 1));
    let mut trainer = fragile(1e30);
    let before = trainer.model().state();
    let error = trainer.fit(&train, None).unwrap_err();
    let TrainError::NonFiniteLoss { phase: Phase::Training, epoch: 1, kept: Kept::Start, learning_rate, .. } = error
    else {
        panic!("{error}")
    };
    assert_eq!(learning_rate, 1e30);
    let text = error.to_string();
    assert!(text.contains("lower the learning rate") && text.contains("the weights it started with"), "{text}");
    assert_eq!(trainer.model().state(), before);
}

#[test]
fn after_a_failure_the_best_epoch_comes_back_and_the_history_stays() {
    let (train, valid) = (loader(clouds(48, 1)), loader(clouds(48, 2)));
    // Good for three epochs, then far too fast.
    let schedule = kniff_optim::Lambda(|epoch| if epoch < 3 { 1.0 } else { 1e30 });
    let mut trainer =
        fragile(0.05).schedule(Every::Epoch, schedule).early_stopping(EarlyStopping::new(Monitor::ValidLoss));
    let error = trainer.fit(&train, Some(&valid)).unwrap_err();
    let history = trainer.history().clone();
    let best = history.best(&Monitor::ValidLoss, false).unwrap().clone();
    let TrainError::NonFiniteLoss { epoch, kept, .. } = &error else { panic!("{error}") };
    assert!(*epoch >= 4 && history.epochs.len() >= 3);
    assert_eq!(*kept, Kept::Epoch(best.epoch));
    assert_eq!(Some(trainer.evaluate(&valid).unwrap().loss), best.valid_loss);
}

#[test]
fn a_gradient_that_cannot_be_clipped_is_a_failure_of_the_same_kind() {
    let model = Model::classifier(network(1)).unwrap();
    let optimizer = Optimizer::new(Adam::default(), 1e-2).clip(Clip::GlobalNorm(1.0));
    let data = clouds(48, 1);
    let huge = with_inputs(&data, Tensor::full([48, 2], 1e38));
    let mut trainer: Trainer<_, _, Indices> =
        Trainer::new(model, losses::CrossEntropy::new(), optimizer).progress(Progress::Silent);
    let error = trainer.fit(&Loader::new(huge).batch_size(16), None).unwrap_err();
    assert!(error.is_non_finite(), "{error}");
    assert!(trainer.model().state().iter().all(|(_, t)| t.all_finite()));
}
