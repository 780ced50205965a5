//! What is for testing is not trained on, and what is normalised is normalised alike.

use crate::networks::{clouds, network, trainer};
use kniff_data::{
    Augment, Concat, Dataset, Fit, Fitted, Loader, Map, PadCrop, Part, Purpose, RandomCrop, Split, Subset,
    TensorDataset, TestTimePlan, Views,
};
use kniff_init::GlorotNormal;
use kniff_nn::layers::{Flatten, Linear, Sequential};
use kniff_nn::{Model, losses::CrossEntropy};
use kniff_optim::{Adam, Optimizer};
use kniff_tensor::{Indices, Rng, Tensor};
use kniff_trainer::{Average, FileError, ModelFile, Predictor, Progress, TrainError, Trainer};

type Data = Subset<crate::networks::Data>;

fn parts(seed: u64) -> Split<Data> {
    Split::stratified(clouds(120, 1), 0.2, 0.2, &mut Rng::new(seed)).unwrap()
}

fn load<P: Purpose, D: kniff_data::Dataset + 'static>(part: Part<P, D>) -> Loader<Part<P, D>> {
    Loader::new(part).batch_size(16).shuffle(&Rng::new(5)).drop_last(true)
}

fn reason(result: Result<kniff_trainer::FitReport, TrainError>) -> String {
    match result.unwrap_err() {
        TrainError::Contract { reason, .. } => reason,
        other => panic!("{other}"),
    }
}

#[test]
fn parts_are_used_for_what_they_are_for() {
    let split = parts(1);
    let why = reason(trainer().fit(&load(split.test.clone()), None));
    assert!(why.contains("the test part is not for training"), "{why}");
    let why = reason(trainer().fit(&load(split.train.clone()), Some(&load(split.test.clone()))));
    assert!(why.contains("the test part is not for validation"), "{why}");
    let why = reason(trainer().fit(&load(split.train.clone()), Some(&load(parts(2).valid))));
    assert!(why.contains("may share examples"), "{why}");
    let mut good = trainer().epochs(1);
    good.fit(&load(split.train), Some(&load(split.valid))).unwrap();
    assert!(good.evaluate(&load(split.test)).is_ok());
    assert!(good.evaluate(&load(parts(2).test)).is_err());
}

#[test]
fn raw_and_normalised_data_do_not_meet() {
    let split = parts(1);
    let fitted = Fitted::fit(&split.train, &[Fit::Standard]).unwrap();
    let other = Fitted::fit(&split.train, &[Fit::MinMax(0.0, 1.0)]).unwrap();
    let train = load(fitted.apply(split.train).unwrap());
    let why = reason(trainer().fit(&train, Some(&load(split.valid.clone()))));
    assert!(why.contains("their normaliser is none"), "{why}");
    let why = reason(trainer().fit(&train, Some(&load(other.apply(split.valid.clone()).unwrap()))));
    assert!(why.contains("apply the same one"), "{why}");
    let mut good = trainer().epochs(1);
    good.fit(&train, Some(&load(fitted.apply(split.valid).unwrap()))).unwrap();
    assert!(matches!(good.evaluate(&load(split.test)), Err(TrainError::Contract { .. })));
    assert!(matches!(Predictor::of(good, other), Err(TrainError::Normalizer { .. })));
}

#[test]
fn a_predictor_takes_raw_inputs_and_survives_its_file() {
    let split = parts(1);
    let fitted = Fitted::fit(&split.train, &[Fit::Standard]).unwrap();
    let mut trainer = trainer().epochs(2);
    trainer.fit(&load(fitted.apply(split.train).unwrap()), None).unwrap();
    let raw: Tensor = Tensor::from_slice(&[0.0, 3.0, 2.5, -2.0], [2, 2]);
    let expected = trainer.model().predict(&fitted.transform(&raw).unwrap()).var().value().to_vec();
    let path = std::env::temp_dir().join(format!("kniff-predictor-{}.kniff", std::process::id()));
    let predictor = Predictor::of(trainer, fitted.clone()).unwrap();
    predictor.save(&path).unwrap();
    let loaded = Predictor::load(&path, Model::classifier(network(9)).unwrap()).unwrap();
    assert_eq!(loaded.predict(&raw).unwrap().var().value().to_vec(), expected);
    assert_eq!(loaded.normalizer(), &fitted);
    assert!(loaded.predict(&Tensor::zeros([2, 3])).is_err());
    assert!(loaded.inspect(&Tensor::full([1, 2], 1e6)).unwrap().is_far());
    // A model alone is not enough.
    ModelFile::of(loaded.model()).save(&path).unwrap();
    let error = Predictor::load(&path, Model::classifier(network(9)).unwrap()).err().unwrap();
    assert!(matches!(error, FileError::Metadata { .. }), "{error}");
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn joined_and_mapped_parts_stay_what_they_are() {
    let split = parts(1);
    let joined = Concat::new(vec![split.test.clone()]).unwrap();
    let why = reason(trainer().fit(&Loader::new(joined).batch_size(16), None));
    assert!(why.contains("the test part is not for training"), "{why}");
    let mapped = Map::new(split.test.clone(), Ok).unwrap();
    let why = reason(trainer().fit(&Loader::new(mapped).batch_size(16), None));
    assert!(why.contains("the test part is not for training"), "{why}");
}

#[test]
fn one_model_learns_from_inputs_normalised_one_way() {
    let split = parts(1);
    let fitted = Fitted::fit(&split.train, &[Fit::Standard]).unwrap();
    let (raw, normalised) = (load(split.train.clone()), load(fitted.apply(split.train).unwrap()));
    let mut trainer_ = trainer().epochs(1);
    trainer_.fit(&raw, None).unwrap();
    let why = reason(trainer_.fit(&normalised, None));
    assert!(why.contains("that of the epochs before was none that is known"), "{why}");
    assert!(matches!(Predictor::of(trainer_, fitted.clone()), Err(TrainError::Normalizer { .. })));
    // A call that is refused leaves no trace of its data either.
    let mut trainer_ = trainer().epochs(0);
    assert!(trainer_.fit(&normalised, None).is_err());
    assert!(matches!(Predictor::of(trainer_, fitted), Err(TrainError::Normalizer { .. })));
}

#[test]
fn a_predictor_cuts_raw_images_as_the_training_did() {
    let labels = Indices::from_vec((0..24).map(|i| i % 3).collect());
    let images = Tensor::<f32>::randn([24, 3, 8, 8], &mut Rng::new(2));
    let split = Split::stratified(TensorDataset::new(images, labels).unwrap(), 0.0, 0.25, &mut Rng::new(1)).unwrap();
    let fitted = Fitted::fit(&split.train, &[Fit::PerChannel]).unwrap();
    let augment = Augment::new().then(RandomCrop::new(6, 6));
    let data = Loader::new(fitted.apply(split.train).unwrap()).batch_size(6).augment_images(augment.clone());
    let dense = Linear::new(3 * 36, 3, GlorotNormal, &mut Rng::new(4));
    let network: Sequential = Sequential::new().with(Flatten).with(dense);
    let optimizer = Optimizer::new(Adam::default(), 1e-2);
    let mut trainer = Trainer::new(Model::classifier(network).unwrap(), CrossEntropy::new(), optimizer)
        .epochs(1)
        .progress(Progress::Silent);
    trainer.fit(&data, None).unwrap();
    let predictor = Predictor::of(trainer, fitted.clone()).unwrap();
    let plan = TestTimePlan::of(&augment, [3, 8, 8], Views::default(), &Rng::new(0)).unwrap();
    let raw = split.test.data().all().unwrap().inputs;
    let found = predictor.predict_views(&raw, &plan, Average::Probabilities).unwrap();
    let cut = raw.slice(&[0..6, 0..3, 1..7, 1..7]).contiguous();
    // Channel by channel it does not matter which comes first, the cut or the normaliser.
    let normalised = fitted.transform(&raw).unwrap().slice(&[0..6, 0..3, 1..7, 1..7]).contiguous();
    let expected = predictor.model().predict(&normalised).probabilities();
    assert_eq!(&found, expected.tensor());
    assert!(predictor.predict_views(&cut, &plan, Average::Probabilities).is_err());
}

#[test]
fn joined_and_mapped_images_are_augmented_before_their_normaliser() {
    let images = Tensor::<f32>::rand_uniform([24, 3, 8, 8], 0.0, 1.0, &mut Rng::new(2));
    let data = TensorDataset::new(images, Indices::from_vec((0..24).map(|i| i % 3).collect())).unwrap();
    let split = Split::stratified(data, 0.0, 0.25, &mut Rng::new(1)).unwrap();
    let part = Fitted::fit(&split.train, &[Fit::PerChannel]).unwrap().apply(split.train).unwrap();
    // What is padded is black, which is not 0 once it is normalised.
    let augment = Augment::new().then(PadCrop::new(2).unwrap());
    let rows = [3, 9, 1, 17];
    let of = |batch: kniff_data::Batch<f32, Indices>| batch.inputs.to_vec();
    let expected = of(part.augmented_batch(&rows, &augment, &Rng::new(5), 7).unwrap());
    let mapped = Map::new(part.clone(), Ok).unwrap();
    assert_eq!(of(mapped.augmented_batch(&rows, &augment, &Rng::new(5), 7).unwrap()), expected);
    let joined = Concat::new(vec![part.clone(), part]).unwrap();
    // The second part's first example is number 18.
    let both = joined.augmented_batch(&[3, 27, 1, 35], &augment, &Rng::new(5), 7).unwrap();
    assert_eq!((of(both.clone()), both.indices), (expected, vec![3, 27, 1, 35]));
}
