//! The training that is killed: everything that has a state, with a checkpoint every few steps; it tells what it does on stdout.

use kniff::data::samplers::Surprise;
use kniff::prelude::*;
use std::error::Error;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::path::Path;
use std::time::Duration;

/// A checkpoint is written after so many steps.
pub const EVERY: usize = 4;
const EPOCHS: usize = 24;

/// Trains, or goes on with what it finds in the folder; without one, trains without checkpoints. Each batch ends with a sleep of `slow`.
///
/// Lines on stdout: `at STEP` where it begins, `write STEP` before a checkpoint is written and `safe STEP` after it,
/// `interrupted STEP`, and at the end `done HASH`, the hash of all weights and the history.
///
/// # Errors
/// What goes wrong with the training.
pub fn train(folder: Option<&Path>, slow: Duration) -> Result<(), Box<dyn Error>> {
    let rng = Rng::new(5);
    let (train, valid) = stratified_split(digits().targets(), 0.2, &mut rng.stream("split"))?;
    let images = |examples: &[usize]| {
        let some = digits().select(examples)?;
        some.map_inputs(|x| Ok(x.reshape([x.shape()[0], 1, 8, 8]).mul_scalar(1.0 / 16.0)))
    };
    let (train, valid) = (images(&train)?, images(&valid)?);
    let sampler = Surprise::new(train.targets()).warm_up(2);
    let mut train = Loader::new(train)
        .batch_size(64)
        .sampler(sampler, &rng)
        .augment_images(Augment::new().then(PadCrop::new(1)?))
        .prefetch(2, 4);
    let valid = Loader::new(valid).batch_size(256);

    let init = &mut rng.stream("init");
    let network: Sequential = Sequential::new()
        .with(Flatten)
        .with(Linear::without_bias(64, 128, HeNormal, init))
        .with(BatchNorm1d::new(128))
        .with(Relu)
        .with(Dropout::new(0.2))
        .with(Linear::new(128, 10, GlorotNormal, init));
    let mut trainer =
        Trainer::new(Model::classifier(network)?, CrossEntropy::new(), Optimizer::new(AdamW::default(), 5e-3))
            .epochs(EPOCHS)
            .seed(5)
            .schedule(Every::Step, Cosine::new((EPOCHS * train.len()) as u64))
            .metric(Accuracy::new())
            .callback(AveragedWeights::exponential(0.95))
            .callback(Tell { writing: None, checkpoints: folder.is_some(), slow })
            .progress(Progress::Silent);
    let mut at = 0;
    if let Some(folder) = folder {
        trainer = trainer.checkpoints(Checkpoints::in_folder(folder).every_steps(EVERY).on_interrupt());
        if Checkpoint::<f32>::newest_in(folder)?.is_some() {
            at = Checkpoint::<f32>::load(folder)?.step();
            trainer.resume(folder)?;
        }
    }
    say(&format!("at {at}"));
    let report = trainer.fit_observing(&mut train, Some(&valid))?;
    match report.stopped {
        Stopped::Interrupted { step, .. } => say(&format!("interrupted {step}")),
        _ => say(&format!("done {:016x}", hash(&trainer))),
    }
    Ok(())
}

/// Of all weights, statistics and epochs, without the times.
fn hash(trainer: &Trainer<Sequential, kniff::nn::ClassHead>) -> u64 {
    let mut hasher = DefaultHasher::new();
    for (name, tensor) in trainer.model().state() {
        name.hash(&mut hasher);
        tensor.to_vec().iter().for_each(|x| x.to_bits().hash(&mut hasher));
    }
    for epoch in &trainer.history().epochs {
        let metrics = epoch.metrics.iter().flat_map(|m| [m.train, m.valid]).flatten();
        let numbers = [epoch.train_loss, epoch.learning_rate].into_iter().chain(epoch.valid_loss).chain(metrics);
        numbers.for_each(|x| x.to_bits().hash(&mut hasher));
    }
    hasher.finish()
}

/// A line that is out before anything else happens.
fn say(line: &str) {
    let mut out = std::io::stdout();
    // Nobody listens any more: then nobody misses it.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Says when a checkpoint is about to be written, which comes right after the callbacks, and when it has been.
struct Tell {
    writing: Option<usize>,
    checkpoints: bool,
    slow: Duration,
}

impl Callback for Tell {
    fn name(&self) -> &str {
        "Tell"
    }
    fn batch_end(&mut self, view: &View<'_>, _: &dyn Module) -> Result<Control, TrainError> {
        if let Some(step) = self.writing.take() {
            say(&format!("safe {step}"));
        }
        std::thread::sleep(self.slow);
        if self.checkpoints && view.step.is_multiple_of(EVERY) {
            self.writing = Some(view.step);
            say(&format!("write {}", view.step));
        }
        Ok(Control::Continue)
    }
}
