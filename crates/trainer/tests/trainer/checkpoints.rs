//! What is refused, what fails, and that the last good checkpoint stays.

use crate::folder::Folder;
use crate::networks::{Classifier, clouds, network, trainer};
use kniff_data::{Batch, DataError, Dataset, Loader};
use kniff_init::HeNormal;
use kniff_nn::layers::{Linear, Relu, Sequential};
use kniff_nn::{Model, Module, ModuleExt, losses::CrossEntropy};
use kniff_optim::{Cosine, Momentum, Optimizer, PlateauTest};
use kniff_tensor::{Indices, Precision, Rng, Shape, Tensor};
use kniff_trainer::metrics::Accuracy;
use kniff_trainer::{
    Callback, Checkpoint, Checkpoints, ClosingPolicy, Control, EarlyStopping, Every, FileError, Metric, Monitor,
    Progress, Stopped, TrainError, Trainer, View,
};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

fn data() -> Loader<crate::networks::Data> {
    crate::networks::loader(clouds(96, 1))
}

fn in_folder(folder: &Folder) -> Checkpoints {
    Checkpoints::in_folder(folder.file("checkpoints"))
}

/// The names in the checkpoints' folder.
fn names(folder: &Folder) -> Vec<String> {
    let all = std::fs::read_dir(folder.file("checkpoints")).unwrap();
    let mut names: Vec<String> = all.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// What a training of three epochs ends with when nothing goes wrong.
fn expected() -> Vec<(String, Tensor)> {
    let mut trainer = trainer().epochs(3);
    trainer.fit(&data(), None).unwrap();
    trainer.model().state()
}

#[test]
fn everything_that_differs_is_named_at_once_and_nothing_is_changed() {
    let folder = Folder::new("checkpoint-differs");
    trainer().epochs(1).checkpoints(in_folder(&folder)).fit(&data(), None).unwrap();
    let mut rng = Rng::new(0);
    let other: Sequential = Sequential::new()
        .with(Linear::new(2, 8, HeNormal, &mut rng))
        .with(Relu)
        .named("head", Linear::new(8, 3, HeNormal, &mut rng));
    let model = Model::classifier(other).unwrap();
    let mut other =
        Trainer::new(model, CrossEntropy::new(), Optimizer::new(Momentum::default(), 0.5).weight_decay(0.1))
            .seed(9)
            .precision(Precision::Bf16)
            .schedule(Every::Step, Cosine::new(10))
            .metric(Accuracy::new())
            .early_stopping(EarlyStopping::new(Monitor::TrainLoss));
    let before = other.model().state();
    let error = other.resume(folder.file("checkpoints")).unwrap_err();
    let TrainError::Resume { differences, .. } = &error else { panic!("{error}") };
    let text = error.to_string();
    for part in [
        "step-000000006.kniff",
        "layer `1`: BatchNorm1d in the checkpoint, Relu here",
        "layer `head`: none in the checkpoint, Linear here",
        "shape of `0.weight`: [16, 2] in the checkpoint, [8, 2] here",
        "shape of `out.bias`: [3] in the checkpoint, none here",
        "optimiser: rule: Adam",
        "optimiser: learning rate: 0.01 in the checkpoint, 0.5 here",
        "optimiser: weight decay",
        "schedule: none in the checkpoint, Cosine by the Step",
        "precision of products: none in the checkpoint, Bf16 here",
        "generator of the dropout",
        "metrics:",
        "callbacks:",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(differences.iter().all(|d| d.then != d.now));
    assert_eq!(other.model().state(), before);
    assert!(other.history().epochs.is_empty());
}

#[test]
fn other_data_are_refused_before_the_first_step_with_every_difference() {
    let folder = Folder::new("checkpoint-data");
    let mut first = trainer().epochs(1).checkpoints(in_folder(&folder).every_steps(2).keep(9));
    first.fit(&data(), None).unwrap();
    let mut again = trainer().epochs(1);
    again.resume(folder.file("checkpoints/step-000000004.kniff")).unwrap();
    let other = Loader::new(clouds(90, 2)).batch_size(15).shuffle(&Rng::new(6)).drop_last(true);
    let error = again.fit(&other, Some(&data())).unwrap_err().to_string();
    for part in [
        "examples: 96 in the checkpoint, 90 here",
        "batch size: 16 in the checkpoint, 15 here",
        "generator of the order",
        "labels",
        "some of the inputs",
        "validation data: none in the checkpoint, some here",
    ] {
        assert!(error.contains(part), "{part} in {error}");
    }
    // The right ones are still taken.
    again.fit(&data(), None).unwrap();
    assert_eq!(again.model().state(), first.model().state());
}

#[test]
fn a_folder_with_another_trainings_checkpoints_is_not_written_to() {
    let folder = Folder::new("checkpoint-occupied");
    let mut first = trainer().epochs(1).checkpoints(in_folder(&folder));
    first.fit(&data(), None).unwrap();
    let before = names(&folder);
    let error = trainer().checkpoints(in_folder(&folder)).fit(&data(), None).unwrap_err();
    assert!(matches!(&error, TrainError::Occupied { file } if file.ends_with("step-000000006.kniff")), "{error}");
    assert_eq!(names(&folder), before);
    // The same training goes on in it.
    first.fit(&data(), None).unwrap();
    assert!(names(&folder).contains(&"step-000000012.kniff".to_owned()));
}

#[test]
fn a_folder_that_cannot_be_written_is_known_before_the_first_step() {
    let folder = Folder::new("checkpoint-folder");
    std::fs::write(folder.file("file"), "").unwrap();
    let mut trainer = trainer().checkpoints(Checkpoints::in_folder(folder.file("file/checkpoints")));
    let before = trainer.model().state();
    let error = trainer.fit(&data(), None).unwrap_err();
    assert!(matches!(&error, TrainError::File(FileError::Io { .. })), "{error}");
    assert_eq!(trainer.model().state(), before);
}

/// Does something after a step.
struct After(usize, Box<dyn FnMut() + Send>);

impl Callback for After {
    fn batch_end(&mut self, view: &View<'_>, _: &dyn Module) -> Result<Control, TrainError> {
        if view.step == self.0 {
            (self.1)();
        }
        Ok(Control::Continue)
    }
}

fn nothing() -> After {
    After(0, Box::new(|| {}))
}

#[test]
#[cfg(target_os = "linux")]
fn on_a_full_disk_the_training_ends_with_the_systems_word_and_the_last_good_checkpoint_stays() {
    let folder = Folder::new("checkpoint-full");
    let checkpoints = folder.file("checkpoints");
    // Where the draft would be written stands the device that is always full.
    let fill = move || {
        let pid = std::process::id();
        let drafts = (0..2000).map(|n| format!("{pid}.{n}")).chain([pid.to_string()]);
        for draft in drafts {
            let draft = checkpoints.join(format!(".step-000000008.kniff.{draft}.partial"));
            std::os::unix::fs::symlink("/dev/full", draft).unwrap();
        }
    };
    let mut full =
        trainer().epochs(3).callback(After(7, Box::new(fill))).checkpoints(in_folder(&folder).every_steps(4));
    let error = full.fit(&data(), None).unwrap_err();
    let TrainError::File(FileError::Io { source, file }) = &error else { panic!("{error}") };
    assert_eq!(source.kind(), std::io::ErrorKind::StorageFull);
    assert!(file.ends_with("step-000000008.kniff"));
    let whole: Vec<String> = names(&folder).into_iter().filter(|name| name.starts_with("step")).collect();
    assert_eq!(whole, ["step-000000000.kniff", "step-000000004.kniff"]);

    let mut again = trainer().epochs(3).callback(nothing()).checkpoints(in_folder(&folder));
    again.resume(folder.file("checkpoints")).unwrap();
    again.fit(&data(), None).unwrap();
    assert_eq!(again.model().state(), expected());
    // What the failure left is gone.
    assert!(names(&folder).iter().all(|name| name.starts_with("step")));
}

#[test]
fn a_damaged_checkpoint_is_passed_over_for_the_one_before_it() {
    let folder = Folder::new("checkpoint-damaged");
    trainer().epochs(3).checkpoints(in_folder(&folder)).fit(&data(), None).unwrap();
    let damage = |name: &str| {
        let path = folder.file(&format!("checkpoints/{name}"));
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(path, bytes).unwrap();
    };
    damage("step-000000018.kniff");
    assert_eq!(Checkpoint::<f32>::load(folder.file("checkpoints")).unwrap().step(), 12);
    let mut again = trainer().epochs(3);
    again.resume(folder.file("checkpoints")).unwrap();
    again.fit(&data(), None).unwrap();
    assert_eq!(again.model().state(), expected());
    damage("step-000000012.kniff");
    let error = Checkpoint::<f32>::load(folder.file("checkpoints")).unwrap_err();
    assert!(matches!(&error, FileError::Damaged { file, .. } if file.ends_with("step-000000018.kniff")), "{error}");
    std::fs::create_dir(folder.file("empty")).unwrap();
    let error = trainer().resume(folder.file("empty")).unwrap_err().to_string();
    assert!(error.contains("there is no checkpoint in this folder"), "{error}");
    assert_eq!(Checkpoint::<f32>::newest_in(folder.file("nowhere")).unwrap(), None);
}

#[test]
fn a_model_file_is_no_checkpoint_and_another_type_or_version_is_told_apart() {
    let folder = Folder::new("checkpoint-kinds");
    kniff_trainer::ModelFile::of(&network(1)).save(folder.file("model.kniff")).unwrap();
    let error = trainer().resume(folder.file("model.kniff")).unwrap_err().to_string();
    assert!(error.contains("expected a checkpoint") && error.contains("found a model file"), "{error}");

    trainer().epochs(1).checkpoints(in_folder(&folder)).fit(&data(), None).unwrap();
    let path = folder.file("checkpoints/step-000000006.kniff");
    let error = Checkpoint::<f64>::load(&path).unwrap_err();
    assert!(matches!(&error, FileError::Element { expected: "f64", found, .. } if found == "f32"), "{error}");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[5] = 9;
    std::fs::write(&path, bytes).unwrap();
    let error = Checkpoint::<f32>::load(&path).unwrap_err();
    let version = env!("CARGO_PKG_VERSION");
    assert!(matches!(&error, FileError::Version { found: 9, kniff, .. } if kniff == version), "{error}");
}

/// Clouds that panic when they are asked for after the flag was raised.
struct Faulty(crate::networks::Data, Arc<AtomicBool>);

impl Dataset for Faulty {
    type Target = Indices;
    fn len(&self) -> usize {
        self.0.len()
    }
    fn input_shape(&self) -> Shape {
        Dataset::input_shape(&self.0)
    }
    fn batch(&self, indices: &[usize]) -> Result<Batch<f32, Indices>, DataError> {
        assert!(!self.1.load(Ordering::SeqCst), "the cable was pulled");
        self.0.batch(indices)
    }
}

fn faulty(flag: &Arc<AtomicBool>, workers: usize) -> Loader<Faulty> {
    let loader = Loader::new(Faulty(clouds(96, 1), flag.clone())).batch_size(16).shuffle(&Rng::new(5)).drop_last(true);
    loader.prefetch(workers, 2)
}

#[test]
fn data_that_panic_end_the_training_with_their_message_and_a_checkpoint_of_the_last_step() {
    let expected = expected();
    for workers in [0, 2] {
        let folder = Folder::new(&format!("checkpoint-data-panic-{workers}"));
        let flag = Arc::new(AtomicBool::new(false));
        let raise = flag.clone();
        let raise = After(8, Box::new(move || raise.store(true, Ordering::SeqCst)));
        let mut trainer = trainer().epochs(3).callback(raise).checkpoints(in_folder(&folder));
        let error = trainer.fit(&faulty(&flag, workers), None).unwrap_err();
        assert!(error.to_string().contains("the cable was pulled"), "{error}");

        let newest = Checkpoint::<f32>::load(folder.file("checkpoints")).unwrap();
        // What was made ahead is still trained on.
        assert!((8..=8 + 4).contains(&newest.step()), "{}", newest.step());
        flag.store(false, Ordering::SeqCst);
        let mut again = crate::networks::trainer().epochs(3).callback(nothing());
        again.resume(newest.file()).unwrap();
        again.fit(&faulty(&flag, 0), None).unwrap();
        assert_eq!(again.model().state(), expected);
    }
}

/// Panics at one of its turns.
struct Panics {
    at_batch: Option<usize>,
    at_epoch: Option<usize>,
}

impl Callback for Panics {
    fn name(&self) -> &str {
        "Panics"
    }
    fn batch_end(&mut self, view: &View<'_>, _: &dyn Module) -> Result<Control, TrainError> {
        assert!(Some(view.step) != self.at_batch, "no patience");
        Ok(Control::Continue)
    }
    fn epoch_end(&mut self, view: &View<'_>, _: &dyn Module) -> Result<Control, TrainError> {
        assert!(Some(view.epoch) != self.at_epoch, "no patience");
        Ok(Control::Continue)
    }
}

#[test]
fn a_callback_that_panics_ends_the_training_with_its_message_and_the_checkpoint_goes_on_without_a_difference() {
    let expected = expected();
    let never = || Panics { at_batch: None, at_epoch: None };
    for (panics, newest) in [
        (Panics { at_batch: Some(11), ..never() }, "step-000000010.kniff"),
        // The epoch's steps are not lost: the checkpoint is of the moment before its end.
        (Panics { at_epoch: Some(2), ..never() }, "step-000000012.kniff"),
    ] {
        let folder = Folder::new("checkpoint-callback-panic");
        let mut trainer = trainer().epochs(3).callback(panics).checkpoints(in_folder(&folder).every_steps(5));
        let error = trainer.fit(&data(), None).unwrap_err();
        let TrainError::Callback { callback, reason } = &error else { panic!("{error}") };
        assert_eq!((callback.as_str(), reason.as_str()), ("Panics", "it panicked: no patience"));
        let mut again = crate::networks::trainer().epochs(3).callback(never());
        assert!(Checkpoint::<f32>::newest_in(folder.file("checkpoints")).unwrap().unwrap().ends_with(newest));
        again.resume(folder.file("checkpoints")).unwrap();
        again.fit(&data(), None).unwrap();
        assert_eq!(again.model().state(), expected);
    }
}

/// More epochs than it takes.
const MANY: usize = 200;

/// A training whose end is decided by what it sees.
fn decided(policy: bool) -> Classifier {
    let trainer = trainer().epochs(MANY).metric(Accuracy::new());
    if policy {
        // Content with less than others are, so that it does not take long.
        let test = PlateauTest { worth: 0.1, significance: 0.1, max_window: 10, ..PlateauTest::default() };
        trainer.closing(ClosingPolicy::new().cuts(2).epochs_each(2).test(test).monitor(Monitor::TrainLoss))
    } else {
        trainer.early_stopping(EarlyStopping::new(Monitor::TrainLoss).patience(3))
    }
}

#[test]
fn what_was_decided_stays_decided_and_what_was_seen_is_remembered() {
    for policy in [false, true] {
        let folder = Folder::new(&format!("checkpoint-decided-{policy}"));
        let mut whole = decided(policy).checkpoints(in_folder(&folder).every_steps(1).keep(9999));
        let report = whole.fit(&data(), None).unwrap();
        assert!(matches!(report.stopped, Stopped::Early { .. }) && report.epochs < MANY, "{report:?}");
        let last = 6 * report.epochs;
        let some = (1..=6).map(|k| k * last / 7).chain([last - 6, last - 1, last]);
        for step in some {
            let mut again = decided(policy);
            again.resume(folder.file(&format!("checkpoints/step-{step:09}.kniff"))).unwrap();
            let resumed = again.fit(&data(), None).unwrap();
            assert_eq!((&resumed.stopped, resumed.restored), (&report.stopped, report.restored), "step {step}");
            assert_eq!(again.model().state(), whole.model().state(), "step {step}");
            let closings =
                |trainer: &Classifier| trainer.history().epochs.iter().map(|e| e.closing).collect::<Vec<_>>();
            assert_eq!(closings(&again), closings(&whole));
        }
    }
}

#[test]
fn notes_are_kept_and_the_weights_can_begin_another_training() {
    let folder = Folder::new("checkpoint-notes");
    let mut trainer = trainer().epochs(2).note("configuration", &("digits", 16)).unwrap();
    trainer = trainer.checkpoints(in_folder(&folder));
    trainer.fit(&data(), None).unwrap();
    let checkpoint = Checkpoint::<f32>::load(folder.file("checkpoints")).unwrap();
    assert_eq!(checkpoint.note::<(String, usize)>("configuration").unwrap(), ("digits".to_owned(), 16));
    assert!(checkpoint.note::<usize>("config").unwrap_err().to_string().contains("it has: configuration"));
    assert_eq!((checkpoint.step(), checkpoint.epoch(), checkpoint.kniff_version()), (12, 2, env!("CARGO_PKG_VERSION")));
    assert_eq!(&checkpoint.history(), trainer.history());
    let mut other = network(9);
    checkpoint.load_into(&mut other).unwrap();
    assert_eq!(other.state(), trainer.model().state());
}

/// A metric that forgets to tell its state.
struct Forgetful;

impl<O> Metric<f32, O, Indices> for Forgetful {
    fn name(&self) -> &str {
        "forgetful"
    }
    fn reset(&mut self) {}
    fn update(&mut self, _: &O, _: &Indices) {}
    fn value(&self) -> f64 {
        0.0
    }
}

#[test]
fn settings_that_cannot_be_are_refused() {
    let folder = Folder::new("checkpoint-settings");
    for checkpoints in
        [in_folder(&folder).every_steps(0), in_folder(&folder).every_epochs(0), in_folder(&folder).keep(0)]
    {
        let error = trainer().checkpoints(checkpoints).fit(&data(), None).unwrap_err();
        assert!(matches!(&error, TrainError::Setting { what, .. } if what.starts_with("Checkpoints::")), "{error}");
    }
    let error = trainer().metric(Forgetful).checkpoints(in_folder(&folder)).fit(&data(), None).unwrap_err();
    assert!(error.to_string().contains("forgetful"), "{error}");
    let error = trainer().checkpoints(in_folder(&folder).keep_best(Monitor::ValidLoss)).fit(&data(), None).unwrap_err();
    assert!(matches!(error, TrainError::Monitor { .. }), "{error}");
    assert!(!folder.file("checkpoints").exists());
}

/// A training with everything in its file, on numbers that any system computes the same.
fn of_every_kind() -> (Classifier, Loader<crate::networks::Data>) {
    let labels: Vec<usize> = (0..24).map(|i| i % 3).collect();
    let inputs = Tensor::from_fn([24, 2], |i| ((7 * i) % 11) as f32 - 5.0);
    let data = crate::networks::Data::new(inputs, Indices::from_vec(labels.clone())).unwrap();
    let sampler = kniff_data::samplers::Surprise::new(&Indices::from_vec(labels)).warm_up(1);
    let data = Loader::new(data).batch_size(8).sampler(sampler, &Rng::new(5));
    let trainer = trainer()
        .epochs(3)
        .schedule(Every::Step, Cosine::new(9))
        .closing(ClosingPolicy::new())
        .metric(Accuracy::new())
        .callback(kniff_trainer::AveragedWeights::exponential(0.5))
        .early_stopping(EarlyStopping::new(Monitor::TrainLoss))
        .note("configuration", &"version 1")
        .unwrap()
        .progress(Progress::Silent);
    (trainer, data)
}

fn fixture(version: u32) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/checkpoint-{version}.kniff"))
}

/// One file of every version there was; a file that is checked in is never written again.
#[test]
fn files_of_every_version_are_read_and_gone_on_from() {
    let checkpoint = Checkpoint::<f32>::load(fixture(1)).unwrap();
    assert_eq!((checkpoint.step(), checkpoint.epoch(), checkpoint.kniff_version()), (5, 2, "0.1.0"));
    assert_eq!(checkpoint.note::<String>("configuration").unwrap(), "version 1");
    assert_eq!(checkpoint.state().len(), 8);
    let (mut trainer, mut data) = of_every_kind();
    trainer.resume(fixture(1)).unwrap();
    assert_eq!(trainer.model().state(), checkpoint.state());
    assert_eq!(trainer.history().epochs.len(), 1);
    let report = trainer.fit_observing(&mut data, None).unwrap();
    assert_eq!((report.epochs, trainer.history().epochs.len()), (2, 3));
}

#[test]
#[ignore = "writes the file of the present version, once"]
fn write_the_file_of_this_version() {
    let folder = Folder::new("checkpoint-fixture");
    let (trainer, mut data) = of_every_kind();
    trainer.checkpoints(in_folder(&folder).every_steps(1).keep(99)).fit_observing(&mut data, None).unwrap();
    assert!(!fixture(1).exists());
    std::fs::copy(folder.file("checkpoints/step-000000005.kniff"), fixture(1)).unwrap();
}
