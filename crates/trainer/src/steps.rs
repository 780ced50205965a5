//! The steps of one epoch.

use crate::callback::{Callback, View};
use crate::checkpoint::Position;
use crate::checks::finite;
use crate::evaluate::{LossSums, loss_error};
use crate::fit::Stopped;
use crate::rivals::rivals;
use crate::run::{Feed, Run};
use crate::trainer::Trainer;
use crate::{EpochOf, Phase, TrainError};
use kniff_autograd::{Gradients, Var};
use kniff_data::{Batch, Evidence, Targets};
use kniff_nn::{Head, Layer, ModuleExt};
use kniff_optim::OptimError;
use kniff_tensor::{Element, Tensor};
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// How the steps of an epoch ended.
pub(crate) enum Steps {
    /// All were made, or something ended the training.
    Done(Sums, Option<Stopped>),
    /// The epoch is to be gone on with another time.
    Interrupted(Stopped),
}

/// What the steps of an epoch add up to.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Sums {
    pub(crate) loss: LossSums,
    /// The mean losses of the batches, and their squares, for the error of the mean.
    batches: [f64; 2],
    steps: usize,
    pub(crate) examples: usize,
    pub(crate) norm: f64,
    pub(crate) norms: usize,
}

impl Sums {
    /// How many examples, steps and norms went in.
    pub(crate) fn counts(&self) -> [u64; 3] {
        [self.examples, self.steps, self.norms].map(|count| count as u64)
    }

    /// The standard error of the mean of the batches' losses.
    pub(crate) fn error(&self) -> Option<f64> {
        let n = self.steps as f64;
        let [sum, squares] = self.batches;
        (self.steps > 1).then(|| ((squares / n - (sum / n).powi(2)).max(0.0) / (n - 1.0)).sqrt())
    }
}

impl<L: Layer<E>, H: Head<E>, T: Targets, E: Element> Trainer<L, H, T, E> {
    /// The steps of an epoch that began at `started`, or went on then from a position; `stopped` is what had ended them already.
    pub(crate) fn steps(
        &mut self,
        run: &mut Run<E>,
        feed: &mut Feed<'_, E, T>,
        position: Option<Position>,
        stopped: Option<Stopped>,
        started: Instant,
    ) -> Result<Steps, TrainError> {
        let phase = Phase::Training;
        let first_epoch = self.history.epochs.is_empty();
        let keeps = self.keeper.is_some();
        let mut at = match position {
            Some(position) => self.resume_metrics(position)?,
            None => {
                self.metrics.iter_mut().for_each(|m| m.reset());
                let sampler_before = if keeps { feed.batches().memory() } else { Vec::new() };
                Position { sampler_before, ..Position::default() }
            }
        };
        let earlier = at.seconds;
        let batches = self.open_epoch(run, feed, &at)?;
        let mut stop = stopped;
        // A stop that was decided already has no steps after it.
        for batch in batches.take(if stop.is_some() { 0 } else { usize::MAX }) {
            let batch = match batch {
                Ok(batch) => batch,
                Err(source) => {
                    // All that went before is good.
                    at.seconds = earlier + started.elapsed().as_secs_f64();
                    run.safe = keeps.then(|| self.snapshot(run, feed, Some(self.position(&at)), None));
                    return Err(TrainError::Data { phase, source });
                }
            };
            if first_epoch {
                finite(phase, &batch)?;
            }
            if self.schedule.is_some() || self.closing.is_some() {
                run.rate = self.rate();
                self.optimizer.set_learning_rate(run.rate);
            }
            if let Some(momentum) = self.momentum() {
                self.optimizer.set_momentum(momentum);
            }
            self.replay_before(run, &batch);
            self.step(run, feed, &batch, &mut at.sums)?;
            let state = || self.model.state();
            if let Some(replay) = self.replaying(run) {
                replay.after = state();
                self.steps += 1;
                return Ok(Steps::Interrupted(Stopped::Done));
            }
            self.steps += 1;
            at.batch += 1;
            run.reporter.batch_end(run.loss);
            if !run.callbacks.is_empty() {
                let end = |callback: &mut dyn Callback<E>, view: &View<'_>| callback.batch_end(view, &self.model);
                stop = run.ask(&self.history, self.steps, end)?;
                if stop.is_some() {
                    break;
                }
            }
            let due = self.keeper.as_ref().is_some_and(|keeper| keeper.due_after_step(self.steps));
            let interrupted = run.interrupt.asked();
            if due || interrupted {
                at.seconds = earlier + started.elapsed().as_secs_f64();
                let position = Some(self.position(&at));
                if interrupted {
                    return Ok(Steps::Interrupted(self.interrupt(run, feed, position)?));
                }
                let content = self.snapshot(run, feed, position, None);
                self.write(run, &content, false, true)?;
            }
        }
        if keeps {
            // Should the validation or a callback fail, this is what there is to go on from.
            at.seconds = earlier + started.elapsed().as_secs_f64();
            run.safe = Some(self.snapshot(run, feed, Some(self.position(&at)), stop.as_ref()));
        }
        Ok(Steps::Done(at.sums, stop))
    }

    /// The epoch's batches from a position on: in the order that followed from what the sampler knew when the epoch began.
    fn open_epoch(&self, run: &Run<E>, feed: &mut Feed<'_, E, T>, at: &Position) -> Result<EpochOf<E, T>, TrainError> {
        // Counted from 0 there.
        let epoch = run.epoch as u64 - 1;
        if at.batch == 0 {
            return Ok(feed.batches().epoch(epoch));
        }
        let now = feed.batches().memory();
        feed.restore(&at.sampler_before)?;
        let batches = feed.batches().epoch_from(epoch, at.batch as usize);
        feed.restore(&now)?;
        Ok(batches)
    }

    /// Gives the metrics what they had gathered.
    fn resume_metrics(&mut self, position: Position) -> Result<Position, TrainError> {
        for (metric, state) in self.metrics.iter_mut().zip(&position.metrics) {
            let loaded = metric.load_state(state);
            loaded.map_err(|reason| TrainError::Metric { metric: metric.name().to_owned(), reason })?;
        }
        Ok(position)
    }

    /// The place with what the metrics have gathered.
    fn position(&self, at: &Position) -> Position {
        Position { metrics: self.metrics.iter().map(|m| m.state().unwrap_or_default()).collect(), ..at.clone() }
    }

    /// Forwards, backwards and the update.
    ///
    /// A batch of which nothing counts (all its labels are ignored, say) changes no parameter and has no part in the epoch's
    /// loss; it is a step for the schedule, whose plan counts them all.
    fn step(
        &mut self,
        run: &mut Run<E>,
        feed: &mut Feed<'_, E, T>,
        batch: &Batch<E, T>,
        sums: &mut Sums,
    ) -> Result<(), TrainError> {
        let phase = Phase::Training;
        sums.examples += batch.len();
        let mut rng = self.rng.keyed(self.steps as u64);
        let output = self.model.forward_train(&Var::constant(batch.inputs.clone()), &mut rng);
        let loss = self.loss.loss(&output, &batch.targets);
        let loss = loss.map_err(|source| loss_error(phase, source, &batch.indices))?;
        let weight = self.loss.weight(&batch.targets);
        if weight == 0.0 {
            return Ok(());
        }
        run.loss = loss.item().to_f64();
        let value = run.loss;
        if let Some(replay) = self.replaying(run) {
            replay.loss = value;
        }
        if !run.loss.is_finite() {
            finite(phase, batch)?;
            let origin = self.origin(batch);
            if let Some(replay) = self.replaying(run) {
                (replay.origin, replay.losses) = (origin.clone(), self.losses(&output, batch)?);
            }
            return Err(self.not_finite(run, phase, run.loss, origin.map(Box::new)));
        }
        self.metrics.iter_mut().for_each(|m| m.update(&output, &batch.targets));
        if let Feed::Learning(data) = feed {
            let losses = self.losses(&output, batch)?;
            let rivals = rivals::<E, _, _>(&output, &batch.targets);
            data.observe_evidence(&Evidence { indices: &batch.indices, losses: &losses, rivals: &rivals });
        }
        if let Some(replay) = self.replaying(run) {
            replay.losses = self.losses(&output, batch)?;
        }
        drop(output);
        let gradients = loss.backward();
        if let Some(replay) = self.replaying(run) {
            replay.gradients = self.named(&gradients);
        }
        if !gradients.iter().all(|gradient| gradient.all_finite()) {
            return Err(self.gradient_not_finite(run, batch, &gradients));
        }
        let report = match self.optimizer.step(&mut self.model, &mut run.path, &gradients) {
            Ok(report) => report,
            // Finite, but too large to have a norm.
            Err(OptimError::NonFiniteGradient { .. }) => {
                return Err(self.gradient_not_finite(run, batch, &gradients));
            }
            Err(source) => return Err(TrainError::Optimizer { epoch: run.epoch, step: self.steps + 1, source }),
        };
        let mean = sums.loss.add(self.loss.reduces_by(), run.loss, weight).unwrap_or(0.0);
        sums.batches[0] += mean;
        sums.batches[1] += mean * mean;
        sums.steps += 1;
        if let Some(norm) = report.gradient_norm {
            sums.norm += norm;
            sums.norms += 1;
        }
        Ok(())
    }

    /// The loss of each example.
    fn losses(&self, output: &H::Output, batch: &Batch<E, T>) -> Result<Vec<f64>, TrainError> {
        let losses = self.loss.per_example(output, &batch.targets);
        let losses = losses.map_err(|source| loss_error(Phase::Training, source, &batch.indices))?;
        Ok(losses.to_vec().iter().map(|l| l.to_f64()).collect())
    }

    /// The gradients by the paths of their parameters.
    fn named(&self, gradients: &Gradients<E>) -> Vec<(String, Tensor<E>)> {
        let all = self.model.parameters().into_iter();
        all.filter_map(|(path, parameter)| Some((path, gradients.get(parameter)?.clone()))).collect()
    }

    fn gradient_not_finite(&mut self, run: &mut Run<E>, batch: &Batch<E, T>, gradients: &Gradients<E>) -> TrainError {
        let parameter = self.first_gradient_not_finite(gradients).unwrap_or_default();
        let origin = self.origin(batch);
        if let Some(replay) = self.replaying(run) {
            replay.origin = origin.clone();
        }
        let (epoch, step, loss, learning_rate, kept) = (run.epoch, self.steps + 1, run.loss, run.rate, run.good.kept);
        let origin = origin.map(Box::new);
        TrainError::NonFiniteGradient { parameter, epoch, step, loss, learning_rate, origin, kept }
    }
}
