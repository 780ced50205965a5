//! From a training to a checkpoint: what is written, and when.

use crate::TrainError;
use crate::callback::{Callback, Control, View};
use crate::checkpoint::{Content, Position};
use crate::fit::Stopped;
use crate::run::{Feed, Run};
use crate::trainer::Trainer;
use kniff_data::Targets;
use kniff_nn::{Head, Layer, ModuleExt, summary};
use kniff_tensor::{Element, Precision, Shape, Tensor};
use std::path::PathBuf;

impl<L: Layer<E>, H: Head<E>, T: Targets, E: Element> Trainer<L, H, T, E> {
    /// All that the training is made of now. Nothing is copied until it changes.
    pub(crate) fn snapshot(
        &self,
        run: &Run<E>,
        feed: &Feed<'_, E, T>,
        position: Option<Position>,
        stopped: Option<&Stopped>,
    ) -> Content<E> {
        let stopped = match stopped {
            Some(Stopped::Early { by, reason }) => Some((by.clone(), reason.clone())),
            _ => None,
        };
        let input = feed.batches().input_shape();
        Content {
            kniff: env!("CARGO_PKG_VERSION").to_owned(),
            element: E::NAME.to_owned(),
            notes: self.notes.clone(),
            trainer: self.describe(&input, &run.callbacks),
            data: run.data.clone(),
            input: input.to_vec(),
            model: self.model.state(),
            optimizer: self.optimizer.state(),
            schedule: self.schedule.as_ref().map(|(_, schedule)| schedule.state()),
            closing: self.closing.as_ref().map(|closer| closer.memory()),
            callbacks: run.callbacks.iter().map(|callback| callback.memory()).collect(),
            sampler: feed.batches().memory(),
            provenance: self.provenance,
            history: self.history.to_json(),
            steps: self.steps as u64,
            before: run.before as u64,
            loss: run.loss,
            rate: run.rate,
            stopped,
            position,
            best: self.keeper.as_ref().and_then(|keeper| keeper.best),
        }
    }

    /// Model, optimiser and settings in words, by name: what must be the same for a training to go on as if it had not stopped.
    pub(crate) fn describe(&self, input: &Shape, callbacks: &[Box<dyn Callback<E>>]) -> Vec<(String, String)> {
        let mut all = vec![("elements".to_owned(), E::NAME.to_owned()), ("head".to_owned(), H::NAME.to_owned())];
        match summary(self.model.network(), *input) {
            Ok(summary) => {
                let row = |row: kniff_nn::SummaryRow| (format!("layer `{}`", row.path), row.layer.to_owned());
                all.extend(summary.rows.into_iter().map(row));
            }
            Err(error) => all.push(("layers".to_owned(), error.to_string())),
        }
        let state = self.model.state();
        all.extend(state.iter().map(|(path, tensor)| (format!("shape of `{path}`"), tensor.shape().to_string())));
        for (path, parameter) in self.model.parameters() {
            if !parameter.requires_grad() {
                all.push((format!("`{path}` is trained"), "no".to_owned()));
            }
        }
        all.push(("loss".to_owned(), self.loss.name().to_owned()));
        all.extend(self.optimizer_settings.iter().map(|(name, value)| (format!("optimiser: {name}"), value.clone())));
        // What a checkpoint of the full precision does not say, an older one does not know.
        if self.precision != Precision::Full {
            all.push(("precision of products".to_owned(), format!("{:?}", self.precision)));
        }
        all.extend(self.schedule_settings.iter().map(|value| ("schedule".to_owned(), value.clone())));
        all.extend(self.schedule_monitor.iter().map(|monitor| ("schedule's monitor".to_owned(), monitor.to_string())));
        all.extend(self.closing.iter().map(|closer| ("closing policy".to_owned(), closer.describe())));
        all.push(("generator of the dropout".to_owned(), self.rng_fingerprint()));
        let metrics: Vec<&str> = self.metrics.iter().map(|metric| metric.name()).collect();
        all.push(("metrics".to_owned(), metrics.join(", ")));
        let callbacks: Vec<&str> = callbacks.iter().map(|callback| callback.name()).collect();
        all.push(("callbacks".to_owned(), callbacks.join(", ")));
        all
    }

    /// The seed's, known again; nothing is drawn from it.
    fn rng_fingerprint(&self) -> String {
        let mut bytes = [0; 8];
        self.rng.stream("fingerprint").fill_random_bytes(&mut bytes);
        format!("{:016x}", u64::from_le_bytes(bytes))
    }

    /// Makes the folder for the checkpoints and writes the first one, if there are to be any.
    pub(crate) fn start_checkpoints(&mut self, run: &mut Run<E>, feed: &Feed<'_, E, T>) -> Result<(), TrainError> {
        let Some(keeper) = &mut self.keeper else { return Ok(()) };
        keeper.settings.check()?;
        for metric in &self.metrics {
            if metric.state().is_none() {
                let (what, expected) = ("a metric in a training with checkpoints", "one that has Metric::state");
                return Err(TrainError::Setting { what, expected, found: metric.name().to_owned() });
            }
        }
        keeper.start(&run.view(&self.history, self.steps))?;
        run.interrupt = crate::interrupt::Interrupt::of(&keeper.settings)?;
        if run.resumed.is_none() {
            let content = self.snapshot(run, feed, None, None);
            self.write(run, &content, false, true)?;
        }
        Ok(())
    }

    /// Writes a checkpoint: under its number if it is due, and as the best one if it is that.
    pub(crate) fn write(
        &self,
        run: &Run<E>,
        content: &Content<E>,
        best: bool,
        due: bool,
    ) -> Result<Option<PathBuf>, TrainError> {
        let Some(keeper) = &self.keeper else { return Ok(None) };
        if !(best || due) {
            return Ok(None);
        }
        if let Some((parameter, _)) = first_not_finite(&content.model) {
            return Err(self.not_finite_weights(run, parameter));
        }
        Ok(Some(keeper.write(content, best, due)?))
    }

    /// The checkpoint of an epoch that has just ended; the path if it is due.
    pub(crate) fn write_after_epoch(
        &mut self,
        run: &Run<E>,
        feed: &Feed<'_, E, T>,
        stopped: Option<&Stopped>,
    ) -> Result<(), TrainError> {
        let Some(keeper) = &mut self.keeper else { return Ok(()) };
        let view = run.view(&self.history, self.steps);
        let best = keeper.look(&view);
        let due = stopped.is_some() || run.epoch == run.epochs || keeper.due_after_epoch(run.epoch);
        let due = due || keeper.due_after_step(self.steps);
        if best || due {
            let content = self.snapshot(run, feed, None, stopped);
            self.write(run, &content, best, due)?;
        }
        Ok(())
    }

    /// Ends the training at a place that is written down.
    pub(crate) fn interrupt(
        &self,
        run: &Run<E>,
        feed: &Feed<'_, E, T>,
        position: Option<Position>,
    ) -> Result<Stopped, TrainError> {
        let content = self.snapshot(run, feed, position, None);
        let checkpoint = self.write(run, &content, false, true)?.unwrap_or_default();
        run.reporter.tell(&format!(
            "interrupted in epoch {} after step {}; the checkpoint is {}; Trainer::resume goes on from there",
            run.epoch,
            self.steps,
            checkpoint.display()
        ));
        Ok(Stopped::Interrupted { step: self.steps, checkpoint })
    }

    /// After a failure: writes what was put by before it.
    pub(crate) fn rescue(&self, run: &mut Run<E>) {
        let Some(content) = run.safe.take() else { return };
        let told = match self.write(run, &content, false, true) {
            Ok(Some(file)) => format!("the checkpoint of before the failure is {}", file.display()),
            Ok(None) => return,
            Err(error) => format!("no checkpoint of before the failure: {error}"),
        };
        run.reporter.tell(&told);
    }

    /// The callbacks before the first epoch: at their start, or where the training was.
    pub(crate) fn fit_start(&mut self, run: &mut Run<E>, resumed: Option<&Content<E>>) -> Result<(), TrainError> {
        let mut at = 0;
        let start = |callback: &mut dyn Callback<E>, view: &View<'_>| {
            let memory = resumed.and_then(|content| content.callbacks.get(at));
            at += 1;
            match memory {
                Some(memory) => callback.resume(memory, view, &self.model),
                None => callback.fit_start(view, &self.model),
            }
            .map(|()| Control::Continue)
        };
        run.ask(&self.history, self.steps, start).map(|_| ())
    }
}

/// The first tensor that is not finite.
pub(crate) fn first_not_finite<E: Element>(state: &[(String, Tensor<E>)]) -> Option<&(String, Tensor<E>)> {
    state.iter().find(|(_, tensor)| !tensor.all_finite())
}
