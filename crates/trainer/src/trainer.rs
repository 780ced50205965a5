//! The trainer: a model, a loss and an optimiser, and how they are to be trained.

use crate::callback::Callback;
use crate::callbacks::{EarlyStopping, OnEpochEnd};
use crate::checkpoints::Keeper;
use crate::checks::check_contract;
use crate::closing::Closer;
use crate::evaluate::{Evaluation, evaluate};
use crate::stepper::Stepper;
use crate::{
    Batches, Checkpoint, Checkpoints, ClosingPolicy, Control, FileError, History, Metric, Monitor, Phase, Progress,
    TrainError, View,
};
use kniff_data::Provenance;
use kniff_nn::{Head, Layer, Loss, Model};
use kniff_optim::{Optimizer, Rule, Schedule};
use kniff_tensor::{Element, Indices, Precision, Rng, with_precision};
use serde::Serialize;
use std::collections::BTreeMap;

/// Trains a model: epochs of steps, validation, metrics, a learning-rate schedule, callbacks, progress.
///
/// What can be seen to be wrong is refused before the first step, with what to do about it ([`TrainError`]). A loss that
/// becomes NaN ends the training and leaves the last good weights in the model. One seed decides everything: the same
/// seed gives the same weights, byte for byte, at any number of threads and with any prefetching.
///
/// ```
/// use kniff_data::{Loader, Normalizer, Standardizer, digits, stratified_split};
/// use kniff_init::{GlorotNormal, HeNormal};
/// use kniff_nn::{Model, layers::{Linear, Relu, Sequential}, losses::CrossEntropy};
/// use kniff_optim::{Adam, Optimizer};
/// use kniff_tensor::Rng;
/// use kniff_trainer::{EarlyStopping, Monitor, Progress, Trainer, metrics::Accuracy};
///
/// let rng = Rng::new(1);
/// let data = digits();
/// let (train, valid) = stratified_split(data.targets(), 0.2, &mut rng.stream("split"))?;
/// let (train, valid) = (data.select(&train)?, data.select(&valid)?);
/// let standardizer = Standardizer::fit(train.inputs())?;
/// let train = Loader::new(train.map_inputs(|x| standardizer.transform(x))?).batch_size(64).shuffle(&rng);
/// let valid = Loader::new(valid.map_inputs(|x| standardizer.transform(x))?).batch_size(256);
///
/// let init = &mut rng.stream("init");
/// let network: Sequential = Sequential::new()
///     .with(Linear::new(64, 32, HeNormal, init))
///     .with(Relu)
///     .with(Linear::new(32, 10, GlorotNormal, init));
/// let mut trainer = Trainer::new(Model::classifier(network)?, CrossEntropy::default(), Optimizer::new(Adam::default(), 5e-3))
///     .epochs(8)
///     .metric(Accuracy::new())
///     .early_stopping(EarlyStopping::new(Monitor::ValidLoss).patience(5))
///     .progress(Progress::Silent);
/// let report = trainer.fit(&train, Some(&valid))?;
/// assert_eq!(report.history.epochs.len(), 8);
/// assert!(trainer.evaluate(&valid)?.metric("accuracy").unwrap() > 0.9);
/// let model = trainer.into_model();
/// # let _ = model;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// It is sugar: nothing in it is out of reach. The same by hand:
///
/// ```
/// # use kniff_autograd::Var;
/// # use kniff_data::{Loader, digits};
/// # use kniff_init::GlorotNormal;
/// # use kniff_nn::{Loss, Model, ModuleExt, layers::{Linear, Sequential}, losses::CrossEntropy};
/// # use kniff_optim::{Adam, Optimizer};
/// # use kniff_tensor::Rng;
/// # let mut rng = Rng::new(1);
/// # let train = Loader::new(digits()).batch_size(256).shuffle(&rng);
/// # let network: Sequential = Sequential::new().with(Linear::new(64, 10, GlorotNormal, &mut rng));
/// # let mut model = Model::classifier(network)?;
/// # let (loss, mut optimizer) = (CrossEntropy::default(), Optimizer::new(Adam::default(), 1e-2));
/// let dropout = rng.stream("train");
/// for epoch in 0..3 {
///     for (step, batch) in train.epoch(epoch).enumerate() {
///         let batch = batch?;
///         let mut rng = dropout.keyed(epoch << 32 | step as u64);
///         let output = model.forward_train(&Var::constant(batch.inputs), &mut rng);
///         let gradients = loss.loss(&output, &batch.targets)?.backward();
///         optimizer.step(model.parameters_mut(), &gradients)?;
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Trainer<L, H: Head<E>, T = Indices, E: Element = f32> {
    pub(crate) model: Model<L, H, E>,
    pub(crate) loss: Box<dyn Loss<E, H::Output, T>>,
    pub(crate) optimizer: Box<dyn Stepper<E>>,
    /// The optimiser's rate before any schedule.
    pub(crate) base_rate: f64,
    pub(crate) schedule: Option<(Every, Box<dyn Schedule>)>,
    pub(crate) schedule_monitor: Option<Monitor>,
    pub(crate) closing: Option<Closer<E>>,
    pub(crate) metrics: Vec<Box<dyn Metric<E, H::Output, T>>>,
    pub(crate) callbacks: Vec<Box<dyn Callback<E>>>,
    pub(crate) progress: Progress,
    pub(crate) rng: Rng,
    pub(crate) epochs: usize,
    pub(crate) check_coverage: bool,
    pub(crate) history: History,
    pub(crate) steps: usize,
    /// Of the data that were trained on last.
    pub(crate) provenance: Option<Provenance>,
    pub(crate) keeper: Option<Keeper>,
    /// What is kept beside in every checkpoint, as JSON.
    pub(crate) notes: BTreeMap<String, String>,
    /// What the next call of fit goes on from.
    pub(crate) resumed: Option<Box<Checkpoint<E>>>,
    /// The optimiser and the schedule as they were given, in words.
    pub(crate) optimizer_settings: Vec<(String, String)>,
    pub(crate) schedule_settings: Option<String>,
    pub(crate) precision: Precision,
}

/// Where a schedule is asked for its rate, to know it again.
const PROBES: [u64; 8] = [0, 1, 2, 5, 10, 100, 1_000, 10_000];

/// What a schedule counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Every {
    /// Steps: the rate changes from batch to batch.
    Step,
    /// Epochs: the rate stays for an epoch.
    Epoch,
}

impl<L: Layer<E>, H: Head<E>, T: 'static, E: Element> Trainer<L, H, T, E> {
    /// Ten epochs with seed 0, until told otherwise.
    pub fn new<R: Rule>(
        model: Model<L, H, E>,
        loss: impl Loss<E, H::Output, T> + 'static,
        optimizer: Optimizer<R, E>,
    ) -> Self {
        Self {
            model,
            loss: Box::new(loss),
            base_rate: optimizer.learning_rate(),
            optimizer_settings: optimizer.describe(),
            optimizer: Box::new(optimizer),
            schedule: None,
            schedule_monitor: None,
            closing: None,
            metrics: Vec::new(),
            callbacks: Vec::new(),
            progress: Progress::Auto,
            rng: Rng::new(0).stream("train"),
            epochs: 10,
            check_coverage: true,
            history: History::default(),
            steps: 0,
            provenance: None,
            keeper: None,
            notes: BTreeMap::new(),
            resumed: None,
            schedule_settings: None,
            precision: Precision::Full,
        }
    }

    /// How many epochs a call of [`Trainer::fit`] has at most.
    #[must_use]
    pub fn epochs(mut self, epochs: usize) -> Self {
        self.epochs = epochs;
        self
    }

    /// The seed of what is drawn in training: dropout. The order of the examples has its own, in the loader.
    ///
    /// Each step draws from a stream of its own, so that nothing depends on what was drawn before.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.rng = Rng::new(seed).stream("train");
        self
    }

    /// In which precision products are made, in training and in evaluation: [`Precision::Bf16`] is faster where the processor
    /// has AMX. Weights, gradients, statistics and the optimiser's state stay what they are.
    ///
    /// A checkpoint knows the precision, and is not gone on with in another one.
    #[must_use]
    pub fn precision(mut self, precision: Precision) -> Self {
        self.precision = precision;
        self
    }

    /// The learning rate as a function of the step or the epoch, starting from the optimiser's.
    ///
    /// A schedule that follows a metric is shown it after every epoch: the validation loss, or the training loss where there
    /// are no validation data; see [`Trainer::schedule_monitor`]. When it has cut the rate as often as it may, the training ends.
    #[must_use]
    pub fn schedule(mut self, every: Every, schedule: impl Schedule + 'static) -> Self {
        // A schedule is known by its name and what it does, as far as any system computes the same.
        let rates: Vec<String> =
            PROBES.iter().map(|&step| format!("{:.9e}", schedule.learning_rate(self.base_rate, step))).collect();
        self.schedule_settings = Some(format!("{} by the {every:?}: {}", schedule.name(), rates.join(", ")));
        self.schedule = Some((every, Box::new(schedule)));
        self
    }

    /// What a schedule that follows a metric is shown.
    #[must_use]
    pub fn schedule_monitor(mut self, monitor: Monitor) -> Self {
        self.schedule_monitor = Some(monitor);
        self
    }

    /// How the training is brought to its end: cuts of the rate at proven plateaus, then a stop, with the best weights.
    #[must_use]
    pub fn closing(mut self, policy: ClosingPolicy) -> Self {
        self.closing = Some(Closer::new(policy));
        self
    }

    /// A metric, on the training batches (a running mean, as the weights were at each step) and on the validation data.
    #[must_use]
    pub fn metric(mut self, metric: impl Metric<E, H::Output, T> + 'static) -> Self {
        self.metrics.push(Box::new(metric));
        self
    }

    /// Ends the training when it no longer gets better.
    #[must_use]
    pub fn early_stopping(self, stopping: EarlyStopping<E>) -> Self {
        self.callback(stopping)
    }

    /// What sees the training and may end it; callbacks run in the order in which they were given.
    #[must_use]
    pub fn callback(mut self, callback: impl Callback<E> + 'static) -> Self {
        self.callbacks.push(Box::new(callback));
        self
    }

    /// A closure that runs after every epoch.
    #[must_use]
    pub fn on_epoch_end(self, f: impl FnMut(&View<'_>) -> Control + Send + 'static) -> Self {
        self.callback(OnEpochEnd::new(f))
    }

    /// What is told while the training runs.
    #[must_use]
    pub fn progress(mut self, progress: Progress) -> Self {
        self.progress = progress;
        self
    }

    /// Writes checkpoints, from which [`Trainer::resume`] goes on.
    ///
    /// ```
    /// # use kniff_init::GlorotNormal;
    /// # use kniff_nn::{Model, layers::Linear, losses::CrossEntropy};
    /// # use kniff_optim::{Adam, Optimizer};
    /// # use kniff_tensor::Rng;
    /// use kniff_trainer::{Checkpoints, Monitor, Trainer};
    /// # let model = Model::classifier(Linear::<f32>::new(64, 10, GlorotNormal, &mut Rng::new(1)))?;
    /// let trainer = Trainer::new(model, CrossEntropy::new(), Optimizer::new(Adam::default(), 1e-2))
    ///     .checkpoints(Checkpoints::in_folder("out/checkpoints").every_steps(500).keep_best(Monitor::ValidLoss).on_interrupt());
    /// # let _: Trainer<_, kniff_nn::ClassHead> = trainer;
    /// # Ok::<(), kniff_nn::HeadError>(())
    /// ```
    #[must_use]
    pub fn checkpoints(mut self, checkpoints: Checkpoints) -> Self {
        self.keeper = Some(Keeper::new(checkpoints));
        self
    }

    /// Keeps a value beside in every checkpoint, as JSON: the configuration, the fitted normaliser, the names of the classes.
    ///
    /// # Errors
    /// If the value cannot be written as JSON: a map whose keys are not texts, for instance.
    pub fn note(mut self, name: &str, value: &(impl Serialize + ?Sized)) -> Result<Self, FileError> {
        let file = "a training in memory".into();
        let fail = |e: serde_json::Error| FileError::Metadata { file, name: name.to_owned(), reason: e.to_string() };
        self.notes.insert(name.to_owned(), serde_json::to_string(value).map_err(fail)?);
        Ok(self)
    }

    /// Whether to make sure that a gradient reaches every parameter before the first step (yes).
    ///
    /// Turn it off for networks of which each batch uses another part.
    #[must_use]
    pub fn check_coverage(mut self, yes: bool) -> Self {
        self.check_coverage = yes;
        self
    }

    /// How good the model is on other data, by the loss and the trainer's metrics.
    ///
    /// # Errors
    /// If the data cannot be read or the targets do not fit the loss.
    pub fn evaluate(&mut self, data: &dyn Batches<E, T>) -> Result<Evaluation, TrainError> {
        check_contract(Phase::Evaluation, self.provenance, data.provenance())?;
        let mut metrics: Vec<&mut dyn Metric<E, H::Output, T>> =
            self.metrics.iter_mut().map(|m| &mut **m as &mut dyn Metric<E, H::Output, T>).collect();
        with_precision(self.precision, || evaluate(&self.model, &*self.loss, data, &mut metrics))
    }

    /// How good the model is on other data, by the loss and the given metrics, which hold their examples afterwards: a
    /// confusion matrix, to look at.
    ///
    /// # Errors
    /// As [`Trainer::evaluate`].
    pub fn evaluate_with(
        &self,
        data: &dyn Batches<E, T>,
        metrics: &mut [&mut dyn Metric<E, H::Output, T>],
    ) -> Result<Evaluation, TrainError> {
        check_contract(Phase::Evaluation, self.provenance, data.provenance())?;
        with_precision(self.precision, || evaluate(&self.model, &*self.loss, data, metrics))
    }

    /// What happened so far, over all calls of [`Trainer::fit`].
    pub fn history(&self) -> &History {
        &self.history
    }

    /// The model.
    pub fn model(&self) -> &Model<L, H, E> {
        &self.model
    }

    /// The model, to change it.
    pub fn model_mut(&mut self) -> &mut Model<L, H, E> {
        &mut self.model
    }

    /// The model alone.
    pub fn into_model(self) -> Model<L, H, E> {
        self.model
    }
}
