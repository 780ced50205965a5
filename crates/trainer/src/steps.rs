//! The steps of one epoch.

use crate::callback::{Callback, View};
use crate::checks::finite;
use crate::evaluate::{LossSums, loss_error};
use crate::fit::{Feed, Run, Stopped};
use crate::rivals::rivals;
use crate::trainer::Trainer;
use crate::{Phase, TrainError};
use kniff_autograd::Var;
use kniff_data::{Batch, Evidence, Targets};
use kniff_nn::{Head, Layer};
use kniff_optim::OptimError;
use kniff_tensor::Element;

/// What the steps of an epoch add up to.
#[derive(Default)]
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
    /// The standard error of the mean of the batches' losses.
    pub(crate) fn error(&self) -> Option<f64> {
        let n = self.steps as f64;
        let [sum, squares] = self.batches;
        (self.steps > 1).then(|| ((squares / n - (sum / n).powi(2)).max(0.0) / (n - 1.0)).sqrt())
    }
}

impl<L: Layer<E>, H: Head<E>, T: Targets, E: Element> Trainer<L, H, T, E> {
    /// The steps of an epoch.
    pub(crate) fn steps(
        &mut self,
        run: &mut Run<E>,
        feed: &mut Feed<'_, E, T>,
    ) -> Result<(Sums, Option<Stopped>), TrainError> {
        let phase = Phase::Training;
        let first_epoch = self.history.epochs.is_empty();
        let mut sums = Sums::default();
        // Counted from 0 there.
        for batch in feed.batches().epoch(run.epoch as u64 - 1) {
            let batch = batch.map_err(|source| TrainError::Data { phase, source })?;
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
            self.step(run, feed, &batch, &mut sums)?;
            self.steps += 1;
            run.reporter.batch_end(run.loss);
            if !run.callbacks.is_empty() {
                let end = |callback: &mut dyn Callback<E>, view: &View<'_>| callback.batch_end(view, &self.model);
                if let Some(stop) = run.ask(&self.history, self.steps, end)? {
                    return Ok((sums, Some(stop)));
                }
            }
        }
        Ok((sums, None))
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
        if !run.loss.is_finite() {
            finite(phase, batch)?;
            return Err(self.not_finite(run, phase, run.loss));
        }
        self.metrics.iter_mut().for_each(|m| m.update(&output, &batch.targets));
        if let Feed::Learning(data) = feed {
            let losses = self.loss.per_example(&output, &batch.targets);
            let losses = losses.map_err(|source| loss_error(phase, source, &batch.indices))?;
            let losses: Vec<f64> = losses.to_vec().iter().map(|l| l.to_f64()).collect();
            let rivals = rivals::<E, _, _>(&output, &batch.targets);
            data.observe_evidence(&Evidence { indices: &batch.indices, losses: &losses, rivals: &rivals });
        }
        drop(output);
        let gradients = loss.backward();
        let report =
            self.optimizer.step(&mut self.model, &mut run.path, &gradients).map_err(|source| match source {
                OptimError::NonFiniteGradient { .. } => self.not_finite(run, phase, f64::NAN),
                source => TrainError::Optimizer { epoch: run.epoch, step: self.steps + 1, source },
            })?;
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
}
