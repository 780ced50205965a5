//! A training that is stopped and resumed ends with the same bytes.

use crate::folder::Folder;
use kniff_data::samplers::Surprise;
use kniff_data::{Augment, DataError, Dataset, Evidence, Loader, PadCrop, TensorDataset, digits};
use kniff_init::{GlorotNormal, HeNormal};
use kniff_nn::layers::{BatchNorm1d, Dropout, Flatten, Linear, Relu, Sequential};
use kniff_nn::{ClassHead, Model, ModuleExt, losses::CrossEntropy};
use kniff_optim::{AdamW, Clip, CutOnPlateau, Optimizer};
use kniff_tensor::{Indices, Rng, Shape, parallel::with_threads};
use kniff_trainer::metrics::{Accuracy, TopK};
use kniff_trainer::{
    AveragedWeights, Batches, BestWeights, Checkpoint, Checkpoints, CsvLog, EarlyStopping, EpochOf, Every, History,
    JsonLinesLog, LearningRateLog, Monitor, Progress, Stopped, Trainer,
};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

type Digits = TensorDataset<f32, Indices>;
pub(crate) type Classifier = Trainer<Sequential, ClassHead>;

pub(crate) const BATCHES: usize = 12;
const EPOCHS: usize = 5;

fn images(from: usize, to: usize) -> Digits {
    let some = digits().select(&(from..to).collect::<Vec<_>>()).unwrap();
    some.map_inputs(|x| Ok(x.reshape([x.shape()[0], 1, 8, 8]).mul_scalar(1.0 / 16.0))).unwrap()
}

/// Augmented, by surprise, made ahead.
pub(crate) fn train(workers: usize) -> Loader<Digits> {
    let data = images(0, 240);
    let sampler = Surprise::new(&data.labels().unwrap()).warm_up(1).patience(1);
    let augment = Augment::new().then(PadCrop::new(1).unwrap());
    let loader = Loader::new(data).batch_size(20).sampler(sampler, &Rng::new(3)).augment_images(augment);
    loader.prefetch(workers, 3)
}

pub(crate) fn valid() -> Loader<Digits> {
    Loader::new(images(240, 340)).batch_size(50)
}

fn network() -> Sequential {
    let mut rng = Rng::new(7).stream("init");
    Sequential::new()
        .with(Flatten)
        .with(Linear::without_bias(64, 32, HeNormal, &mut rng))
        .with(BatchNorm1d::new(32))
        .with(Relu)
        .with(Dropout::new(0.2))
        .named("out", Linear::new(32, 10, GlorotNormal, &mut rng))
}

/// A training with everything that has a state, and what it leaves behind.
pub(crate) struct Everything {
    pub(crate) trainer: Classifier,
    rates: LearningRateLog,
}

/// With the log files in `folder`.
pub(crate) fn everything(folder: &Path) -> Everything {
    let rates = LearningRateLog::new();
    let optimizer = Optimizer::new(AdamW::default(), 1e-2).clip(Clip::GlobalNorm(1.0)).measure_norm();
    let plateau = CutOnPlateau { patience: 0, max_cuts: 9, ..CutOnPlateau::default() };
    let trainer = Trainer::new(Model::classifier(network()).unwrap(), CrossEntropy::new(), optimizer)
        .epochs(EPOCHS)
        .seed(11)
        .schedule(Every::Epoch, plateau)
        .metric(Accuracy::new())
        .metric(TopK::new(3))
        .callback(rates.clone())
        .callback(EarlyStopping::new(Monitor::valid("accuracy")).patience(4))
        .callback(BestWeights::new(Monitor::ValidLoss))
        .callback(AveragedWeights::exponential(0.9))
        .callback(CsvLog::new(folder.join("log.csv")))
        .callback(JsonLinesLog::new(folder.join("log.jsonl")))
        .progress(Progress::Silent);
    Everything { trainer, rates }
}

/// All that a training leaves, without its times.
#[derive(Debug, PartialEq)]
pub(crate) struct Left {
    weights: Vec<(String, Vec<u32>)>,
    history: History,
    rates: Vec<u64>,
    logs: [Vec<String>; 2],
}

impl Everything {
    pub(crate) fn left(&self, folder: &Path) -> Left {
        let lines = |name: &str| -> Vec<String> {
            let text = std::fs::read_to_string(folder.join(name)).unwrap();
            // The seconds come last in one and are a field of the other.
            let timeless = |line: &str| match line.split_once("\"seconds\"") {
                None => line.rsplit_once(',').unwrap().0.to_owned(),
                Some((start, rest)) => format!("{start}{}", rest.split_once(',').map_or("", |(_, rest)| rest)),
            };
            text.lines().map(timeless).collect()
        };
        Left {
            weights: bits(&self.trainer),
            history: timeless(self.trainer.history()),
            rates: self.rates.rates().iter().map(|rate| rate.to_bits()).collect(),
            logs: [lines("log.csv"), lines("log.jsonl")],
        }
    }
}

pub(crate) fn bits(trainer: &Classifier) -> Vec<(String, Vec<u32>)> {
    let state = trainer.model().state();
    state.iter().map(|(name, t)| (name.clone(), t.to_vec().iter().map(|x| x.to_bits()).collect())).collect()
}

fn timeless(history: &History) -> History {
    let mut history = history.clone();
    history.epochs.iter_mut().for_each(|epoch| epoch.seconds = 0.0);
    history
}

/// An unbroken training that leaves a checkpoint after every step.
fn unbroken(folder: &Folder) -> Left {
    let mut whole = everything(folder.path());
    let every = Checkpoints::in_folder(folder.file("checkpoints")).every_steps(1).keep(usize::MAX);
    whole.trainer = whole.trainer.checkpoints(every.keep_best(Monitor::ValidLoss));
    let report = whole.trainer.fit_observing(&mut train(2), Some(&valid())).unwrap();
    assert_eq!((report.epochs, report.stopped), (EPOCHS, Stopped::Done));
    whole.left(folder.path())
}

#[test]
fn at_twenty_random_steps_and_any_number_of_threads_the_bytes_are_those_of_the_unbroken_training() {
    let folder = Folder::new("resume-twenty");
    let whole = with_threads(2, || unbroken(&folder));
    let mut rng = Rng::new(2026);
    let mut steps: Vec<usize> = (0..18).map(|_| 1 + rng.below(EPOCHS * BATCHES - 1)).collect();
    // Two that are not left to chance: the end of an epoch, and the end of all.
    steps.extend([2 * BATCHES, EPOCHS * BATCHES]);
    for (i, step) in steps.into_iter().enumerate() {
        for threads in [1, 2, 4] {
            let left = with_threads(threads, || {
                let own = Folder::new(&format!("resume-twenty-{i}-{threads}"));
                let mut again = everything(own.path());
                again.trainer.resume(folder.file(&format!("checkpoints/step-{step:09}.kniff"))).unwrap();
                again.trainer.fit_observing(&mut train((i + threads) % 3), Some(&valid())).unwrap();
                again.left(own.path())
            });
            assert!(left == whole, "step {step}, {threads} threads: {left:?}\n{whole:?}");
        }
    }
}

#[test]
fn checkpoints_change_nothing_and_the_newest_and_the_best_are_kept() {
    let folder = Folder::new("resume-keeps");
    let mut plain = everything(folder.path());
    plain.trainer.fit_observing(&mut train(0), Some(&valid())).unwrap();
    let plain = plain.left(folder.path());

    let mut kept = everything(folder.path());
    let checkpoints = Checkpoints::in_folder(folder.file("kept")).every_steps(7).keep(3);
    kept.trainer = kept.trainer.checkpoints(checkpoints.keep_best(Monitor::valid("accuracy")));
    kept.trainer.fit_observing(&mut train(0), Some(&valid())).unwrap();
    assert!(kept.left(folder.path()) == plain);

    let mut names: Vec<String> = std::fs::read_dir(folder.file("kept"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["best.kniff", "step-000000049.kniff", "step-000000056.kniff", "step-000000060.kniff"]);
    let best = plain.history.best(&Monitor::valid("accuracy"), true).unwrap().epoch;
    assert_eq!(Checkpoint::<f32>::load(folder.file("kept/best.kniff")).unwrap().epoch(), best);
    let newest = Checkpoint::<f32>::newest_in(folder.file("kept")).unwrap().unwrap();
    assert!(newest.ends_with("step-000000060.kniff"));
}

#[test]
fn a_flag_ends_it_after_a_step_and_the_folder_goes_on_several_times() {
    let folder = Folder::new("resume-flag");
    let mut whole = everything(folder.path());
    whole.trainer.fit_observing(&mut train(0), Some(&valid())).unwrap();
    let whole = whole.left(folder.path());

    let (mut runs, mut done) = (0, false);
    while !done {
        let flag = Arc::new(AtomicBool::new(false));
        let mut part = everything(folder.path());
        let checkpoints = Checkpoints::in_folder(folder.file("checkpoints")).every_epochs(100).stop_when(flag.clone());
        part.trainer = part.trainer.checkpoints(checkpoints);
        // Not a callback, with which it would be another training.
        let mut counted = Raising { data: train(runs % 2), seen: 0, flag };
        if runs > 0 {
            part.trainer.resume(folder.file("checkpoints")).unwrap();
        }
        let report = part.trainer.fit_observing(&mut counted, Some(&valid())).unwrap();
        runs += 1;
        match report.stopped {
            Stopped::Interrupted { step, checkpoint } => {
                assert_eq!(step, 17 * runs);
                assert!(checkpoint.ends_with(format!("step-{step:09}.kniff")));
            }
            Stopped::Done => {
                done = true;
                assert!(part.left(folder.path()) == whole);
            }
            Stopped::Early { .. } => panic!("{:?}", report.stopped),
        }
    }
    assert_eq!(runs, 4);
}

/// Data that raise a flag in the 17th step.
struct Raising {
    data: Loader<Digits>,
    seen: usize,
    flag: Arc<AtomicBool>,
}

impl Batches<f32, Indices> for Raising {
    fn epoch(&self, epoch: u64) -> EpochOf<f32, Indices> {
        Batches::epoch(&self.data, epoch)
    }
    fn epoch_from(&self, epoch: u64, batch: usize) -> EpochOf<f32, Indices> {
        Batches::epoch_from(&self.data, epoch, batch)
    }
    fn batches(&self) -> usize {
        self.data.len()
    }
    fn input_shape(&self) -> Shape {
        self.data.input_shape()
    }
    fn learns(&self) -> bool {
        true
    }
    fn memory(&self) -> Vec<f64> {
        self.data.memory()
    }
    fn restore(&mut self, memory: &[f64]) -> Result<(), DataError> {
        self.data.restore(memory)
    }
    fn observe_evidence(&mut self, evidence: &Evidence<'_>) {
        self.data.observe_evidence(evidence);
        self.seen += 1;
        self.flag.fetch_or(self.seen == 17, Ordering::Relaxed);
    }
}
