//! A training that goes well.

use crate::networks::{clouds, loader, network, trainer};
use kniff_data::{DataError, Loader, Sampler, TensorDataset};
use kniff_init::GlorotNormal;
use kniff_nn::layers::{Linear, Sequential};
use kniff_nn::{BinaryLogits, Model, losses};
use kniff_optim::{Clip, CutOnPlateau, Linear as LinearRate, Optimizer, Sgd};
use kniff_tensor::{Indices, Rng, Tensor};
use kniff_trainer::metrics::{Accuracy, BinaryAccuracy, ConfusionMatrix, MeanLoss, R2, TopK};
use kniff_trainer::{Every, Metric, Monitor, Progress, Stopped, TrainError, Trainer};
use std::sync::{Arc, Mutex};

#[test]
fn the_clouds_are_told_apart() {
    let (train, valid) = (loader(clouds(240, 1)), loader(clouds(90, 2)));
    let mut trainer = trainer()
        .epochs(12)
        .metric(Accuracy::new())
        .metric(TopK::new(2))
        .metric(MeanLoss::new("smoothed", losses::CrossEntropy::new().label_smoothing(0.1)));
    let report = trainer.fit(&train, Some(&valid)).unwrap();
    assert_eq!((report.epochs, report.stopped, report.restored), (12, Stopped::Done, None));
    assert_eq!(report.history.epochs.len(), 12);
    let (first, last) = (&report.history.epochs[0], report.history.last().unwrap());
    assert!(last.train_loss < 0.5 * first.train_loss, "{} to {}", first.train_loss, last.train_loss);
    assert_eq!((last.epoch, last.examples), (12, 240));
    assert!(last.get(&Monitor::valid("accuracy")).unwrap() > 0.9);
    assert!(last.get(&Monitor::valid("top-2 accuracy")) >= last.get(&Monitor::valid("accuracy")));
    assert!(last.get(&Monitor::valid("smoothed")).unwrap() > last.valid_loss.unwrap());

    // Evaluating the validation data again gives what the last epoch measured.
    let again = trainer.evaluate(&valid).unwrap();
    assert_eq!(Some(again.loss), last.valid_loss);
    assert_eq!(again.metric("accuracy"), last.get(&Monitor::valid("accuracy")));
    let mut matrix = ConfusionMatrix::new(3);
    let evaluation = trainer.evaluate_with(&valid, &mut [&mut matrix]).unwrap();
    assert_eq!((matrix.examples() as usize, evaluation.examples), (80, 80));
    assert_eq!(Some(matrix.accuracy()), again.metric("accuracy"));
}

#[test]
fn two_calls_go_on_where_one_would() {
    let train = loader(clouds(96, 1));
    let mut once = trainer().epochs(4);
    once.fit(&train, None).unwrap();
    let mut twice = trainer().epochs(2);
    twice.fit(&train, None).unwrap();
    let report = twice.fit(&train, None).unwrap();
    assert_eq!((report.epochs, report.history.last().unwrap().epoch), (2, 4));
    let (a, b) = (once.history(), twice.history());
    assert_eq!(a.last().unwrap().train_loss, b.last().unwrap().train_loss);
}

#[test]
fn the_evaluation_does_not_depend_on_the_batches() {
    let mut trainer = trainer().metric(Accuracy::new());
    trainer.fit(&loader(clouds(96, 1)), None).unwrap();
    let data = clouds(100, 3);
    let whole = trainer.evaluate(&Loader::new(data.clone()).batch_size(100)).unwrap();
    let parts = trainer.evaluate(&Loader::new(data).batch_size(7)).unwrap();
    assert!((whole.loss - parts.loss).abs() < 1e-6);
    assert_eq!(whole.metric("accuracy"), parts.metric("accuracy"));
}

#[test]
fn schedules_count_steps_or_epochs_and_follow_a_metric() {
    let train = loader(clouds(96, 1)); // Six batches.
    let log = kniff_trainer::LearningRateLog::new();
    let mut trainer_ = trainer().epochs(2).schedule(Every::Step, LinearRate::new(1.0, 0.0, 12)).callback(log.clone());
    trainer_.fit(&train, None).unwrap();
    let rates = log.rates();
    assert_eq!(rates.len(), 12);
    assert!((rates[0] - 1e-2).abs() < 1e-15 && (rates[6] - 5e-3).abs() < 1e-15, "{rates:?}");

    // No improvement counts as one: a cut after every epoch but the first, and then an end.
    let never = kniff_optim::Threshold::Absolute(1e9);
    let plateau = CutOnPlateau { patience: 0, max_cuts: 2, threshold: never, ..CutOnPlateau::default() };
    let mut trainer_ = trainer().epochs(10).schedule(Every::Epoch, plateau);
    let report = trainer_.fit(&train, Some(&loader(clouds(48, 2)))).unwrap();
    let rates: Vec<f64> = report.history.epochs.iter().map(|e| e.learning_rate).collect();
    assert_eq!(rates.len(), 4);
    assert!((rates[3] / 1e-4 - 1.0).abs() < 1e-12, "{rates:?}");
    assert!(matches!(report.stopped, Stopped::Early { by, .. } if by == "CutOnPlateau"));
}

#[test]
fn the_gradient_norm_is_in_the_history_where_it_is_known() {
    let train = loader(clouds(96, 1));
    let fit = |optimizer| {
        let model = Model::classifier(network(1)).unwrap();
        let mut trainer =
            Trainer::new(model, losses::CrossEntropy::new(), optimizer).epochs(1).progress(Progress::Silent);
        trainer.fit(&train, None).unwrap().history.epochs[0].gradient_norm
    };
    assert_eq!(fit(Optimizer::new(Sgd, 0.1)), None);
    assert!(fit(Optimizer::new(Sgd, 0.1).measure_norm()).unwrap() > 0.0);
    assert!(fit(Optimizer::new(Sgd, 0.1).clip(Clip::GlobalNorm(1.0))).unwrap() > 0.0);
}

/// Notes what it is told.
struct Attentive(Arc<Mutex<Vec<(usize, f64)>>>);

impl Sampler for Attentive {
    fn order(&self, examples: usize, rng: &mut Rng) -> Result<Vec<usize>, DataError> {
        Ok(rng.permutation(examples))
    }
    fn observe(&mut self, indices: &[usize], losses: &[f64]) {
        self.0.lock().unwrap().extend(indices.iter().copied().zip(losses.iter().copied()));
    }
}

#[test]
fn a_sampler_is_told_the_losses() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let sampler = Attentive(told.clone());
    let mut train = Loader::new(clouds(96, 1)).batch_size(16).sampler(sampler, &Rng::new(1));
    let report = trainer().epochs(1).fit_observing(&mut train, None).unwrap();
    let mut told = told.lock().unwrap().clone();
    let mean = told.iter().map(|(_, loss)| loss).sum::<f64>() / 96.0;
    assert!((mean - report.history.epochs[0].train_loss).abs() < 1e-6);
    told.sort_by_key(|(i, _)| *i);
    assert!(told.iter().enumerate().all(|(i, (example, _))| i == *example));
}

#[test]
fn numbers_and_answers_are_learnt_too() {
    let inputs = Tensor::<f64>::randn([64, 2], &mut Rng::new(3));
    let targets = Tensor::from_fn([64, 1], |i| 2.0 * inputs.at(&[i, 0]) - inputs.at(&[i, 1]) + 0.5);
    let data = Loader::new(TensorDataset::new(inputs.clone(), targets).unwrap()).batch_size(16);
    let dense = || Sequential::new().with(Linear::<f64>::new(2, 1, GlorotNormal, &mut Rng::new(1)));
    let model = Model::regressor(dense()).unwrap();
    let mut trainer = Trainer::new(model, losses::MeanSquaredError::new(), Optimizer::new(Sgd, 0.1))
        .epochs(40)
        .metric(R2::new())
        .progress(Progress::Silent);
    let report = trainer.fit(&data, None).unwrap();
    assert!(report.history.last().unwrap().get(&Monitor::train("R2")).unwrap() > 0.999);

    let answers = Tensor::from_fn([64, 1], |i| f64::from(u8::from(inputs.at(&[i, 0]) > 0.0)));
    let data = Loader::new(TensorDataset::new(inputs, answers).unwrap()).batch_size(16);
    let mut trainer =
        Trainer::new(Model::binary(dense()).unwrap(), losses::BinaryCrossEntropy::new(), Optimizer::new(Sgd, 0.5))
            .epochs(40)
            .metric(BinaryAccuracy::new())
            .progress(Progress::Silent);
    trainer.fit(&data, None).unwrap();
    assert!(trainer.evaluate(&data).unwrap().metric("accuracy").unwrap() > 0.9);
    let name = |m: &dyn Metric<f64, BinaryLogits<f64>, Tensor<f64>>| m.name().to_owned();
    assert_eq!(name(&BinaryAccuracy::new()), "accuracy");
}

#[test]
fn ignored_labels_are_no_error() {
    let mut labels: Vec<usize> = clouds(48, 1).targets().as_slice().to_vec();
    labels[7] = 255;
    let data = TensorDataset::new(clouds(48, 1).inputs().clone(), Indices::from_vec(labels)).unwrap();
    let train = Loader::new(data).batch_size(16);
    let refused = trainer().fit(&train, None).unwrap_err();
    assert!(matches!(refused, TrainError::Loss { example: Some(7), .. }), "{refused}");
    let model = Model::classifier(network(1)).unwrap();
    let loss = losses::CrossEntropy::new().ignore_index(255);
    let mut trainer =
        Trainer::<_, _, Indices>::new(model, loss, Optimizer::new(Sgd, 0.1)).epochs(1).progress(Progress::Silent);
    trainer.fit(&train, None).unwrap();
}
