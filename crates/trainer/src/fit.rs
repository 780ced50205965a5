//! The loop: checks, epochs of steps, validation, and what is done when it fails.

use crate::callback::{Callback, Control, View};
use crate::checks::{Checks, check_contract};
use crate::evaluate::mean_loss;
use crate::interrupt::Interrupt;
use crate::origin::Origin;
use crate::progress::Reporter;
use crate::run::{Feed, Good, Resumed, Run};
use crate::snapshot::first_not_finite;
use crate::steps::Steps;
use crate::trainer::{Every, Trainer};
use crate::{Batches, EpochRecord, History, Kept, MetricRecord, Monitor, Phase, TrainError};
use kniff_data::{Provenance, Targets};
use kniff_nn::{Head, Layer, Module, ModuleExt, Path};
use kniff_optim::{Action, ClosingRecord, Reaction};
use kniff_tensor::{Element, Tensor, with_precision};
use std::path::PathBuf;
use std::time::Instant;

/// How a training went.
#[derive(Clone, Debug)]
pub struct FitReport {
    /// Every epoch, of earlier calls too.
    pub history: History,
    /// How many epochs this call had.
    pub epochs: usize,
    /// Why it ended.
    pub stopped: Stopped,
    /// The epoch whose weights the model was given back, where it was not left with the last ones.
    pub restored: Option<usize>,
    /// How long it took in all.
    pub seconds: f64,
}

/// Why a training ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// All epochs were done.
    Done,
    /// A callback or a schedule ended it.
    Early {
        /// Its name.
        by: String,
        /// Its reason.
        reason: String,
    },
    /// Someone wanted it to end: see [`Checkpoints::on_interrupt`](crate::Checkpoints::on_interrupt). To go on, resume it from the checkpoint.
    Interrupted {
        /// How many steps had been made.
        step: usize,
        /// What was written.
        checkpoint: PathBuf,
    },
}

impl<L: Layer<E>, H: Head<E>, T: Targets, E: Element> Trainer<L, H, T, E> {
    /// Trains on the batches of `train`; after every epoch measures on those of `valid`.
    ///
    /// Called again, it goes on from where it was: the epochs count on, in the history, in the schedule and in the loader.
    ///
    /// # Errors
    /// What is wrong with model, data or settings, before the first step; then what goes wrong on the way ([`TrainError`]). After
    /// that the model holds the weights of the last epoch that ended well, or of the best one if something keeps it; after a
    /// loss or weights that were not finite the optimiser has forgotten its averages too, which they have spoilt.
    pub fn fit(
        &mut self,
        train: &dyn Batches<E, T>,
        valid: Option<&dyn Batches<E, T>>,
    ) -> Result<FitReport, TrainError> {
        self.run(Feed::Fixed(train), valid)
    }

    /// [`Trainer::fit`] with an order that learns: the loader's sampler is told the loss of every example of every step.
    ///
    /// # Errors
    /// As [`Trainer::fit`].
    pub fn fit_observing(
        &mut self,
        train: &mut dyn Batches<E, T>,
        valid: Option<&dyn Batches<E, T>>,
    ) -> Result<FitReport, TrainError> {
        self.run(Feed::Learning(train), valid)
    }

    fn run(&mut self, feed: Feed<'_, E, T>, valid: Option<&dyn Batches<E, T>>) -> Result<FitReport, TrainError> {
        with_precision(self.precision, || self.train(feed, valid))
    }

    fn train(&mut self, mut feed: Feed<'_, E, T>, valid: Option<&dyn Batches<E, T>>) -> Result<FitReport, TrainError> {
        let started = Instant::now();
        // Settings may follow from the data: a schedule of no steps is the loader's to explain.
        feed.batches().check().map_err(|source| TrainError::Data { phase: Phase::Training, source })?;
        let before = self.history.epochs.len();
        // The checkpoint is taken once nothing more can be refused; until then other data may be tried.
        let resumed = self.resumed.clone();
        let mut run = self.prepare(&mut feed, valid)?;
        let start = self
            .fit_start(&mut run, resumed.as_ref().map(|checkpoint| &checkpoint.content))
            .and_then(|()| self.start_checkpoints(&mut run, &feed));
        match &start {
            Ok(()) => drop(resumed),
            Err(_) => self.resumed = resumed,
        }
        let mut result = start.and_then(|()| {
            let mut stopped = run.ended();
            while stopped.is_none() && run.epoch < run.epochs {
                stopped = self.epoch(&mut run, &mut feed, valid)?;
            }
            Ok(stopped.unwrap_or(Stopped::Done))
        });
        if let Err(error) = &result {
            self.rescue(&mut run);
            self.go_back(&run.good, error);
        }
        let restored = self.fit_end(&mut run, &mut result);
        if let Some(keeper) = &mut self.keeper {
            keeper.end();
        }
        self.callbacks = std::mem::take(&mut run.callbacks);
        let stopped = result?;
        let epochs = self.history.epochs.len() - before;
        if let Stopped::Early { reason, .. } = &stopped {
            let kept =
                restored.map(|epoch| format!("; the model has the weights of epoch {epoch}")).unwrap_or_default();
            run.reporter.tell(&format!("stopped after {epochs} epochs: {reason}{kept}"));
        }
        let seconds = started.elapsed().as_secs_f64();
        Ok(FitReport { history: self.history.clone(), epochs, stopped, restored, seconds })
    }

    /// Checks what can be, and puts the training where it begins or goes on.
    pub(crate) fn prepare(
        &mut self,
        feed: &mut Feed<'_, E, T>,
        valid: Option<&dyn Batches<E, T>>,
    ) -> Result<Run<E>, TrainError> {
        self.check_settings()?;
        let mut data = Vec::new();
        if self.keeper.is_some() || self.resumed.is_some() {
            data = feed.batches().describe();
            data.push(("validation data".to_owned(), if valid.is_some() { "some" } else { "none" }.to_owned()));
            self.resume_data(feed, &data)?;
        }
        self.check_data(feed.batches(), valid, matches!(feed, Feed::Fixed(_)))?;
        let mut run = self.begin(feed.batches().batches(), valid.is_some(), data);
        if let Err(error) = self.start_monitors(&mut run) {
            self.callbacks = run.callbacks;
            return Err(error);
        }
        if let Some(checkpoint) = self.resumed.take() {
            self.resume_run(&mut run, &checkpoint.content);
        }
        Ok(run)
    }

    fn check_settings(&self) -> Result<(), TrainError> {
        if self.epochs == 0 {
            let (what, expected) = ("the number of epochs", "at least 1");
            return Err(TrainError::Setting { what, expected, found: "0".into() });
        }
        for (i, metric) in self.metrics.iter().enumerate() {
            if self.metrics[..i].iter().any(|other| other.name() == metric.name()) {
                let (what, expected) = ("a metric's name", "another than those of the metrics before it");
                return Err(TrainError::Setting { what, expected, found: metric.name().to_owned() });
            }
        }
        self.optimizer.validate().map_err(TrainError::Settings)?;
        if let Some((_, schedule)) = &self.schedule {
            schedule.validate().map_err(TrainError::Settings)?;
            if self.closing.is_some() && schedule.follows_metric() {
                let what = "the schedule beside a closing policy";
                let expected = "one that follows no metric: the policy cuts the rate itself";
                return Err(TrainError::Setting { what, expected, found: schedule.name().to_owned() });
            }
        }
        if let Some(closer) = &self.closing {
            closer.policy.closing().validate().map_err(TrainError::Settings)?;
        }
        let rate = self.rate();
        if !(rate.is_finite() && rate >= 0.0) {
            let (what, expected) = ("the first learning rate", "finite and not negative");
            return Err(TrainError::Setting { what, expected, found: rate.to_string() });
        }
        Ok(())
    }

    fn check_data(
        &mut self,
        train: &dyn Batches<E, T>,
        valid: Option<&dyn Batches<E, T>>,
        feed_is_fixed: bool,
    ) -> Result<(), TrainError> {
        check_contract(Phase::Training, None, train.provenance())?;
        if let Some(valid) = valid {
            check_contract(Phase::Validation, train.provenance(), valid.provenance())?;
        }
        self.check_normalizer(train.provenance())?;
        if feed_is_fixed && train.learns() {
            let (what, expected) =
                ("the training's method", "fit_observing, since the loader's sampler learns from the losses");
            return Err(TrainError::Setting { what, expected, found: "fit".to_owned() });
        }
        let mut checks = Checks { model: &mut self.model, loss: &*self.loss };
        let first = checks.data(Phase::Training, train)?;
        checks.metrics(&first, &self.metrics)?;
        if let Some(valid) = valid {
            checks.data(Phase::Validation, valid)?;
        }
        checks.batch_sizes(&first, train)?;
        checks.classes(train)?;
        if self.check_coverage {
            checks.coverage(&first, &mut self.rng.stream("coverage"))?;
        }
        self.provenance = train.provenance();
        Ok(())
    }

    /// Whether the data are normalised as those of earlier calls were, from which the model has learnt.
    fn check_normalizer(&self, train: Option<Provenance>) -> Result<(), TrainError> {
        let of = |p: Option<Provenance>| p.and_then(|p| p.normalizer);
        if self.history.epochs.is_empty() || of(self.provenance) == of(train) {
            return Ok(());
        }
        let name = |p| of(p).map_or_else(|| "none that is known".to_owned(), |n| n.to_string());
        let (before, now) = (name(self.provenance), name(train));
        let reason = format!(
            "their normaliser is {now}, that of the epochs before was {before}; go on with the same, or begin with a new \
             trainer"
        );
        Err(TrainError::Contract { phase: Phase::Training, reason })
    }

    fn begin(&mut self, batches: usize, validates: bool, data: Vec<(String, String)>) -> Run<E> {
        let epoch = self.history.last().map_or(0, |last| last.epoch);
        let kept = if epoch == 0 { Kept::Start } else { Kept::Epoch(epoch) };
        let monitor = if validates { Monitor::ValidLoss } else { Monitor::TrainLoss };
        Run {
            callbacks: std::mem::take(&mut self.callbacks),
            reporter: Reporter::new(self.progress, batches),
            good: Good { kept, state: self.model.state() },
            metrics: self.metrics.iter().map(|m| (m.name().to_owned(), m.higher_is_better())).collect(),
            validates,
            monitor: self.schedule_monitor.clone().unwrap_or(monitor),
            epoch,
            epochs: epoch.saturating_add(self.epochs),
            before: epoch,
            loss: f64::NAN,
            rate: self.rate(),
            path: Path::root(),
            data,
            resumed: None,
            safe: None,
            interrupt: Interrupt::default(),
            replay: None,
        }
    }

    /// Sees to it that what a schedule or the closing policy goes by is there.
    fn start_monitors(&mut self, run: &mut Run<E>) -> Result<(), TrainError> {
        if let Some((_, schedule)) = &self.schedule
            && schedule.follows_metric()
        {
            let name = schedule.name();
            run.view(&self.history, self.steps).higher_is_better(name, &run.monitor)?;
        }
        if let Some(closer) = &mut self.closing {
            closer.start(&run.view(&self.history, self.steps), self.resumed.is_some())?;
            run.rate = self.rate();
        }
        Ok(())
    }

    /// Lets every callback end, whatever happened; gives the epoch whose weights the model has.
    fn fit_end(&mut self, run: &mut Run<E>, result: &mut Result<Stopped, TrainError>) -> Option<usize> {
        // What ended last, and not what failed.
        run.epoch = self.history.last().map_or(0, |last| last.epoch);
        let replacing = run.callbacks.iter().any(|callback| callback.replaces());
        let as_trained = replacing.then(|| self.model.state());
        let mut restored = None;
        if let Some((best, epoch)) = self.closing.as_ref().and_then(|closer| closer.best_before(run.epoch)) {
            // The same names and shapes as when they were taken.
            let loaded = self.model.load_state(best);
            debug_assert!(loaded.is_ok());
            restored = Some(epoch);
        }
        let (model, history) = (&mut self.model as &mut dyn Module<E>, &self.history);
        for last in [false, true] {
            // What replaces the weights does so on the model that was trained: its running statistics stay too.
            if let Some(trained) = as_trained.as_ref().filter(|_| last) {
                let loaded = model.load_state(trained);
                debug_assert!(loaded.is_ok());
                restored = None;
            }
            let end = |callback: &mut dyn Callback<E>, view: &View<'_>| {
                if callback.replaces() == last {
                    restored = callback.fit_end(view, model)?.or(restored);
                }
                Ok(Control::Continue)
            };
            if let Err(error) = run.ask(history, self.steps, end)
                && result.is_ok()
            {
                *result = Err(error);
            }
        }
        if let (Some(epoch), Err(error)) = (restored, result)
            && let TrainError::NonFiniteLoss { kept, .. }
            | TrainError::NonFiniteGradient { kept, .. }
            | TrainError::NonFiniteWeights { kept, .. } = error
        {
            *kept = Kept::Epoch(epoch);
        }
        restored
    }

    /// Puts the last good weights back.
    fn go_back(&mut self, good: &Good<E>, error: &TrainError) {
        // The same names and shapes as when they were taken.
        let restored = self.model.load_state(&good.state);
        debug_assert!(restored.is_ok());
        if error.is_non_finite() {
            self.optimizer.reset();
        }
    }

    /// The learning rate of the next step.
    pub(crate) fn rate(&self) -> f64 {
        let rate = match &self.schedule {
            None if self.closing.is_some() => self.base_rate,
            None => self.optimizer.learning_rate(),
            Some((every, schedule)) => schedule.learning_rate(self.base_rate, self.count(*every)),
        };
        self.closing.as_ref().map_or(rate, |closer| closer.rate(rate))
    }

    /// The momentum of the next step, if the schedule prescribes one.
    pub(crate) fn momentum(&self) -> Option<f64> {
        let (every, schedule) = self.schedule.as_ref()?;
        schedule.momentum(self.count(*every))
    }

    /// Where a schedule stands that counts in this unit: the steps or epochs that are done.
    fn count(&self, every: Every) -> u64 {
        match every {
            Every::Step => self.steps as u64,
            Every::Epoch => self.history.epochs.len() as u64,
        }
    }

    /// One epoch with its validation.
    pub(crate) fn epoch(
        &mut self,
        run: &mut Run<E>,
        feed: &mut Feed<'_, E, T>,
        valid: Option<&dyn Batches<E, T>>,
    ) -> Result<Option<Stopped>, TrainError> {
        let started = Instant::now();
        run.epoch += 1;
        run.reporter.epoch_start(run.epoch, run.epochs);
        let Resumed { position, stopped } = match run.resumed.take() {
            Some(resumed) => resumed,
            None => {
                let start =
                    |c: &mut dyn Callback<E>, v: &View<'_>| c.epoch_start(v, &self.model).map(|()| Control::Continue);
                run.ask(&self.history, self.steps, start)?;
                Resumed::default()
            }
        };
        let earlier = position.as_ref().map_or(0.0, |position| position.seconds);
        let (sums, mut stop) = match self.steps(run, feed, position, stopped, started)? {
            Steps::Done(sums, stop) => (sums, stop),
            Steps::Interrupted(stop) => return Ok(Some(stop)),
        };
        let train_loss = sums.loss.mean().ok_or(TrainError::NothingCounts { phase: Phase::Training })?;
        let mut metrics: Vec<MetricRecord> = self
            .metrics
            .iter()
            .map(|m| MetricRecord { name: m.name().to_owned(), train: known(m.value()), valid: None })
            .collect();
        let state = self.finite_state(run)?;
        let valid_loss = match valid {
            Some(valid) => Some(self.validate(run, valid, &mut metrics)?),
            None => None,
        };
        run.good = Good { kept: Kept::Epoch(run.epoch), state };
        self.history.epochs.push(EpochRecord {
            epoch: run.epoch,
            train_loss,
            valid_loss,
            metrics,
            learning_rate: run.rate,
            gradient_norm: (sums.norms > 0).then(|| sums.norm / sums.norms as f64),
            examples: sums.examples,
            seconds: earlier + started.elapsed().as_secs_f64(),
            train_loss_error: sums.error(),
            closing: None,
        });
        if let Some(record) = self.history.last() {
            run.reporter.epoch_end(record, run.epochs);
        }
        let plateau = self.show_schedule(run)?;
        let decided = self.ask_closing(run)?;
        let end = |callback: &mut dyn Callback<E>, view: &View<'_>| callback.epoch_end(view, &self.model);
        let callback = run.ask(&self.history, self.steps, end)?;
        stop = stop.or(callback).or(plateau).or(self.close(run, decided));
        run.safe = None;
        self.write_after_epoch(run, feed, stop.as_ref())?;
        if stop.is_none() && run.epoch < run.epochs && run.interrupt.asked() {
            stop = Some(self.interrupt(run, feed, None)?);
        }
        Ok(stop)
    }

    /// Shows the closing policy the epoch, and writes what it decides into the history.
    fn ask_closing(&mut self, run: &Run<E>) -> Result<Option<ClosingRecord>, TrainError> {
        let Some(closer) = &mut self.closing else { return Ok(None) };
        let refused = |source| TrainError::Optimizer { epoch: run.epoch, step: self.steps, source };
        let record = closer.look(&run.view(&self.history, self.steps), &run.good.state).map_err(refused)?;
        if let Some(last) = self.history.epochs.last_mut() {
            last.closing = Some(record);
        }
        Ok(Some(record))
    }

    /// Does what the closing policy decided: the best weights go back into the model before a cut; the end gives the reason.
    fn close(&mut self, run: &mut Run<E>, decided: Option<ClosingRecord>) -> Option<Stopped> {
        let (closer, record) = (self.closing.as_ref()?, decided?);
        if let Some(line) = closer.line(&record) {
            run.reporter.tell(&line);
        }
        if record.action == Action::Cut
            && let Some((best, _)) = closer.best_before(run.epoch)
        {
            // The same names and shapes as when they were taken.
            let restored = self.model.load_state(best);
            debug_assert!(restored.is_ok());
        }
        let reason = || format!("the closing policy has made its {} cuts, and their epochs are over", record.cuts);
        (record.action == Action::Stop).then(|| Stopped::Early { by: "ClosingPolicy".into(), reason: reason() })
    }

    pub(crate) fn not_finite(&self, run: &Run<E>, phase: Phase, loss: f64, origin: Option<Box<Origin>>) -> TrainError {
        let (epoch, learning_rate, kept) = (run.epoch, run.rate, run.good.kept);
        let step = if phase == Phase::Training { self.steps + 1 } else { self.steps };
        TrainError::NonFiniteLoss { phase, epoch, step, loss, learning_rate, origin, kept }
    }

    /// Parameters and buffers after an epoch, if they are finite.
    fn finite_state(&self, run: &Run<E>) -> Result<Vec<(String, Tensor<E>)>, TrainError> {
        let state = self.model.state();
        match first_not_finite(&state) {
            None => Ok(state),
            Some((parameter, _)) => Err(self.not_finite_weights(run, parameter)),
        }
    }

    pub(crate) fn not_finite_weights(&self, run: &Run<E>, parameter: &str) -> TrainError {
        let (parameter, kept) = (parameter.to_owned(), run.good.kept);
        TrainError::NonFiniteWeights { parameter, epoch: run.epoch, learning_rate: run.rate, kept }
    }

    /// The loss on the validation data; the metrics' values go into their records.
    fn validate(
        &mut self,
        run: &Run<E>,
        data: &dyn Batches<E, T>,
        records: &mut [MetricRecord],
    ) -> Result<f64, TrainError> {
        let phase = Phase::Validation;
        let metrics = &mut self.metrics;
        metrics.iter_mut().for_each(|m| m.reset());
        let mut update = |output: &H::Output, target: &T| {
            metrics.iter_mut().for_each(|m| m.update(output, target));
            Ok(())
        };
        let (loss, _) = mean_loss(&self.model, &*self.loss, data, phase, &mut update)?;
        for (record, metric) in records.iter_mut().zip(&self.metrics) {
            record.valid = known(metric.value());
        }
        if loss.is_finite() { Ok(loss) } else { Err(self.not_finite(run, phase, loss, None)) }
    }

    /// Shows the schedule what it follows.
    fn show_schedule(&mut self, run: &Run<E>) -> Result<Option<Stopped>, TrainError> {
        let Some((every, schedule)) = &self.schedule else { return Ok(None) };
        if !schedule.follows_metric() {
            return Ok(None);
        }
        let done = self.count(*every).saturating_sub(1);
        let Some((_, schedule)) = &mut self.schedule else { return Ok(None) };
        let value = self.history.last().and_then(|last| last.get(&run.monitor)).unwrap_or(f64::NAN);
        let refused = |source| TrainError::Optimizer { epoch: run.epoch, step: self.steps, source };
        Ok(match schedule.observe(done, value).map_err(refused)? {
            Reaction::Exhausted => Some(Stopped::Early {
                by: schedule.name().to_owned(),
                reason: format!("{} is on a plateau and the rate has been cut as often as it may", run.monitor),
            }),
            _ => None,
        })
    }
}

fn known(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}
