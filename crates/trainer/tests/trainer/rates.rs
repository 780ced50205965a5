//! The learning rate tried out and watched: neither touches the model.

use kniff_autograd::Var;
use kniff_data::{Loader, TensorDataset, digits};
use kniff_init::{GlorotNormal, HeNormal};
use kniff_nn::layers::{BatchNorm1d, Dropout, Linear, Relu, Sequential};
use kniff_nn::losses::CrossEntropy;
use kniff_nn::{ClassHead, Loss, Model, ModuleExt};
use kniff_optim::{Momentum, OneCycle, Optimizer, Schedule, Sgd};
use kniff_tensor::{Indices, Rng, Tensor};
use kniff_trainer::curvature::Surface;
use kniff_trainer::{CurvatureWatch, Every, Progress, RangeTest, TrainError, Trainer};

fn model(hidden: usize) -> Model<Sequential, ClassHead> {
    let mut rng = Rng::new(1);
    let net = Sequential::new()
        .with(Linear::new(64, hidden, HeNormal, &mut rng))
        .with(BatchNorm1d::new(hidden))
        .with(Relu)
        .with(Dropout::new(0.2))
        .with(Linear::new(hidden, 10, GlorotNormal, &mut rng));
    Model::classifier(net).unwrap()
}

fn bits(model: &Model<Sequential, ClassHead>) -> Vec<Vec<u32>> {
    model.state().iter().map(|(_, t)| t.to_vec().iter().map(|x| x.to_bits()).collect()).collect()
}

fn data() -> Loader<TensorDataset<f32, Indices>> {
    let all = digits();
    let some = all.select(&(0..512).collect::<Vec<_>>()).unwrap();
    Loader::new(some.map_inputs(|x| Ok(x.mul_scalar(1.0 / 16.0))).unwrap()).batch_size(64).shuffle(&Rng::new(2))
}

#[test]
fn the_range_test_finds_where_the_loss_falls_and_where_it_diverges() {
    let mut model = model(32);
    let before = bits(&model);
    let mut optimizer = Optimizer::new(Momentum::default(), 123.0);
    let loss = CrossEntropy::new();
    let test = RangeTest::new(1e-5, 1e3, 120);
    let report = test.run(&mut model, &loss, &optimizer, &data()).unwrap();
    assert_eq!(bits(&model), before, "weights and running statistics are as they were");
    assert_eq!(optimizer.learning_rate(), 123.0);
    assert!(report.diverged && report.points.len() < 120, "{}", report.points.len());
    let (steepest, tenth) = (report.steepest().unwrap(), report.tenth_of_minimum().unwrap());
    assert!((1e-4..1.0).contains(&steepest) && (1e-4..1.0).contains(&tenth), "{steepest} {tenth}");
    assert_eq!(report.to_csv().lines().count(), report.points.len() + 1);
    // Twice the same.
    assert_eq!(test.run(&mut model, &loss, &optimizer, &data()).unwrap(), report);
    // The rate that it names does train.
    optimizer.set_learning_rate(steepest);
    let mut trainer = Trainer::new(model, loss, optimizer).epochs(5).progress(Progress::Silent);
    let history = trainer.fit(&data(), None).unwrap().history;
    assert!(history.last().unwrap().train_loss < 0.5 * report.points[0].loss);
}

#[test]
fn rates_grow_by_equal_factors_or_by_equal_amounts() {
    let exponential = RangeTest::new(1e-4, 1.0, 5);
    for (step, rate) in [1e-4, 1e-3, 1e-2, 1e-1, 1.0].into_iter().enumerate() {
        assert!((exponential.rate(step) / rate - 1.0).abs() < 1e-12);
    }
    let linear = RangeTest::new(0.5, 2.5, 5).linear();
    assert_eq!((0..5).map(|s| linear.rate(s)).collect::<Vec<_>>(), [0.5, 1.0, 1.5, 2.0, 2.5]);
}

#[test]
fn settings_that_cannot_be_and_data_that_do_not_fit_leave_the_model_alone() {
    let mut model = model(8);
    let before = bits(&model);
    let (loss, optimizer) = (CrossEntropy::new(), Optimizer::new(Sgd, 1.0));
    for test in [
        RangeTest::new(0.0, 1.0, 10),
        RangeTest::new(1.0, 0.1, 10),
        RangeTest::new(0.1, f64::INFINITY, 10),
        RangeTest::new(0.1, 1.0, 1),
        RangeTest::new(0.1, 1.0, 10).smoothing(1.0),
        RangeTest::new(0.1, 1.0, 10).stop_at(f64::NAN),
    ] {
        let error = test.run(&mut model, &loss, &optimizer, &data()).unwrap_err();
        assert!(matches!(error, TrainError::Setting { .. }), "{error}");
    }
    // The second batch has a label that names no class: by then a step has been made.
    let labels = Indices::from_vec((0..8).map(|i| if i == 7 { 10 } else { i }).collect());
    let bad = TensorDataset::new(Tensor::randn([8, 64], &mut Rng::new(3)), labels).unwrap();
    let bad = Loader::new(bad).batch_size(4);
    let error = RangeTest::new(0.1, 1.0, 10).run(&mut model, &loss, &optimizer, &bad).unwrap_err();
    assert!(error.to_string().contains("example 7"), "{error}");
    assert_eq!(bits(&model), before);
}

#[test]
fn a_range_test_takes_what_a_training_takes() {
    let (loss, optimizer) = (CrossEntropy::new().ignore_index(10), Optimizer::new(Sgd, 1.0));
    let mut model = model(8);
    let before = bits(&model);
    let with = |labels: Vec<usize>| {
        let n = labels.len();
        TensorDataset::new(Tensor::randn([n, 64], &mut Rng::new(3)), Indices::from_vec(labels)).unwrap()
    };
    let test = RangeTest::new(1e-6, 1e-5, 20);
    // Every third batch has ignored labels only: it is passed over, and is no divergence.
    let mixed = Loader::new(with((0..24).map(|i| if i / 4 % 3 == 2 { 10 } else { i % 10 }).collect())).batch_size(4);
    let report = test.run(&mut model, &loss, &optimizer, &mixed).unwrap();
    assert!(!report.diverged && report.points.len() == 20);
    let none = Loader::new(with(vec![10; 8])).batch_size(4);
    let error = test.run(&mut model, &loss, &optimizer, &none).unwrap_err();
    assert!(matches!(error, TrainError::NothingCounts { .. }), "{error}");
    let odd = Loader::new(with(vec![1; 9])).batch_size(4);
    let error = test.run(&mut model, &loss, &optimizer, &odd).unwrap_err();
    assert!(matches!(error, TrainError::BatchTooSmall { .. }), "{error}");
    let flat = TensorDataset::new(Tensor::zeros([8, 63]), Indices::from_vec(vec![0; 8])).unwrap();
    let error = test.run(&mut model, &loss, &optimizer, &Loader::new(flat).batch_size(4)).unwrap_err();
    assert!(matches!(error, TrainError::Shape { .. }), "{error}");
    assert_eq!(bits(&model), before);
    let surface = Surface::on_batch(&mut model, &loss, Tensor::zeros([2, 63]), Indices::from_vec(vec![0, 1]));
    assert!(matches!(surface.value_and_gradient(), Err(TrainError::Shape { .. })));
}

fn watch(hidden: usize) -> CurvatureWatch<Sequential, ClassHead, Indices> {
    let batch = digits().select(&(0..64).collect::<Vec<_>>()).unwrap();
    CurvatureWatch::new(
        model(hidden),
        CrossEntropy::new(),
        batch.inputs().mul_scalar(1.0 / 16.0),
        batch.targets().clone(),
    )
}

#[test]
fn a_watched_training_has_the_same_weights() {
    let train = |watched: bool| {
        let optimizer = Optimizer::new(Sgd, 0.05);
        let mut trainer = Trainer::new(model(16), CrossEntropy::new(), optimizer).epochs(3).progress(Progress::Silent);
        let watch = watch(16).every(2);
        let log = watch.log();
        if watched {
            trainer = trainer.callback(watch);
        }
        trainer.fit(&data(), None).unwrap();
        (bits(trainer.model()), log)
    };
    let (weights, log) = train(true);
    assert_eq!(weights, train(false).0);
    let records = log.records();
    assert_eq!(records.iter().map(|(epoch, _)| *epoch).collect::<Vec<_>>(), [2]);
    let report = &records[0].1;
    assert!(report.converged && report.rate == Some(0.05) && report.largest > 0.0, "{report}");
    assert_eq!(log.to_csv().lines().count(), 2);
}

#[test]
fn a_twin_of_another_build_is_refused_before_the_first_step() {
    let optimizer = Optimizer::new(Sgd, 0.05);
    let mut trainer = Trainer::new(model(16), CrossEntropy::new(), optimizer).epochs(1).progress(Progress::Silent);
    trainer = trainer.callback(watch(17));
    let before = bits(trainer.model());
    let error = trainer.fit(&data(), None).unwrap_err();
    assert!(error.to_string().contains("twin"), "{error}");
    assert_eq!(bits(trainer.model()), before);
}

#[test]
fn a_schedules_momentum_is_that_of_the_steps() {
    let steps = (512 / 64) as u64;
    let cycle = OneCycle { base_momentum: 0.3, max_momentum: 0.9, ..OneCycle::new(steps) };
    let dense = || Model::classifier(Linear::new(64, 10, GlorotNormal, &mut Rng::new(3))).unwrap();
    let optimizer = Optimizer::new(Momentum::default(), 0.05);
    let mut trainer = Trainer::new(dense(), CrossEntropy::new(), optimizer.clone())
        .schedule(Every::Step, cycle)
        .epochs(1)
        .progress(Progress::Silent);
    trainer.fit(&data(), None).unwrap();

    let (mut model, mut optimizer) = (dense(), optimizer);
    for (step, batch) in data().epoch(0).enumerate() {
        let batch = batch.unwrap();
        let output = model.forward_train(&Var::constant(batch.inputs), &mut Rng::new(0));
        let gradients = CrossEntropy::new().loss(&output, &batch.targets).unwrap().backward();
        optimizer.set_learning_rate(cycle.learning_rate(0.05, step as u64));
        assert!(optimizer.set_momentum(cycle.momentum(step as u64).unwrap()));
        optimizer.step(model.parameters_mut(), &gradients).unwrap();
    }
    assert_eq!(trainer.model().state(), model.state());
}
