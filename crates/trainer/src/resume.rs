//! From a checkpoint back to a training.

use crate::checkpoint::Content;
use crate::error::Difference;
use crate::fit::Stopped;
use crate::run::{Feed, Resumed, Run};
use crate::trainer::Trainer;
use crate::{Checkpoint, FileError, Phase, TrainError};
use kniff_data::Targets;
use kniff_nn::{Head, Layer, ModuleExt};
use kniff_tensor::{Element, Shape};
use std::path::Path;

impl<L: Layer<E>, H: Head<E>, T: Targets, E: Element> Trainer<L, H, T, E> {
    /// Goes back to where a checkpoint was written: a file, or a folder whose newest one is meant. The next call of [`Trainer::fit`]
    /// goes on from there, within the epoch if need be, and ends where the interrupted one would have: with the same bytes in the model.
    ///
    /// Build the trainer and the data as they were, then call this, then `fit`. Threads and prefetching may differ, and there may be more
    /// epochs; everything else that changes the bytes is compared, and a difference refused. What cannot be compared is up to the caller: settings inside layers
    /// and losses (a dropout's probability, label smoothing), the closures of callbacks and augmentations. To train on with other settings, begin a
    /// new training with [`Checkpoint::load_into`].
    ///
    /// ```
    /// use kniff_data::{Loader, digits};
    /// use kniff_init::GlorotNormal;
    /// use kniff_nn::{Model, ModuleExt, layers::Linear, losses::CrossEntropy};
    /// use kniff_optim::{Adam, Optimizer};
    /// use kniff_tensor::Rng;
    /// use kniff_trainer::{Checkpoints, Progress, Trainer};
    /// let folder = std::env::temp_dir().join("kniff-resume-example");
    /// let train = Loader::new(digits()).batch_size(256).shuffle(&Rng::new(1));
    /// let trainer = || -> Result<_, Box<dyn std::error::Error>> {
    ///     let model = Model::classifier(Linear::new(64, 10, GlorotNormal, &mut Rng::new(1)))?;
    ///     Ok(Trainer::new(model, CrossEntropy::new(), Optimizer::new(Adam::default(), 1e-2)).progress(Progress::Silent))
    /// };
    /// let mut first = trainer()?.epochs(2).checkpoints(Checkpoints::in_folder(&folder).every_steps(3));
    /// first.fit(&train, None)?;
    ///
    /// let mut second = trainer()?.epochs(2);
    /// second.resume(folder.join("step-000000015.kniff"))?;
    /// second.fit(&train, None)?;
    /// assert_eq!(second.model().state(), first.model().state());
    /// # std::fs::remove_dir_all(&folder)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the file cannot be read ([`FileError`]), or model, optimiser or settings are not those of the checkpoint
    /// ([`TrainError::Resume`] with every difference); nothing has changed then. Differences in the data are told by `fit`, all at once.
    pub fn resume(&mut self, path: impl AsRef<Path>) -> Result<(), TrainError> {
        let checkpoint = Checkpoint::<E>::load(path)?;
        let Content { input, trainer, .. } = &checkpoint.content;
        let input = Shape::try_new(input).unwrap_or(Shape::SCALAR);
        let mut differences = differences(trainer, &self.describe(&input, &self.callbacks));
        // With the same settings, only a file that was made to fit its checksum differs in these.
        if differences.is_empty() {
            differences = self.misfits(&checkpoint.content);
        }
        if !differences.is_empty() {
            return Err(TrainError::Resume { file: checkpoint.file, differences });
        }
        let before = (self.optimizer.state(), self.schedule.as_ref().map(|(_, schedule)| schedule.state()));
        self.take(&checkpoint).inspect_err(|_| {
            // Taken from there a moment ago.
            let _ = self.optimizer.load_state(before.0);
            if let (Some((_, schedule)), Some(state)) = (&mut self.schedule, before.1) {
                let _ = schedule.load_state(&state);
            }
        })?;
        self.resumed = Some(Box::new(checkpoint));
        Ok(())
    }

    fn take(&mut self, checkpoint: &Checkpoint<E>) -> Result<(), TrainError> {
        let Content { model, optimizer, schedule, closing, position, provenance, steps, best, .. } =
            &checkpoint.content;
        let history = checkpoint.history();
        // All of these have been compared: a refusal is a file that was made to fit its checksum.
        if let Some(position) = position {
            self.try_metrics(&position.metrics)?;
        }
        if let (Some(closer), Some(memory)) = (&self.closing, closing) {
            closer.check(memory).map_err(TrainError::Settings)?;
        }
        self.optimizer.load_state(optimizer.clone()).map_err(TrainError::Settings)?;
        if let (Some((_, schedule)), Some(state)) = (&mut self.schedule, schedule) {
            schedule.load_state(state).map_err(TrainError::Settings)?;
        }
        self.model.load_state(model).map_err(|source| FileError::State { file: checkpoint.file.clone(), source })?;
        (self.history, self.steps, self.provenance) = (history, *steps as usize, *provenance);
        if let Some(keeper) = &mut self.keeper {
            keeper.best = *best;
            keeper.own = checkpoint.file.parent().is_some_and(|folder| same_folder(folder, keeper.settings.folder()));
        }
        Ok(())
    }

    /// Whether the data are those of the checkpoint; gives the sampler its memory back.
    pub(crate) fn resume_data(
        &mut self,
        feed: &mut Feed<'_, E, T>,
        data: &[(String, String)],
    ) -> Result<(), TrainError> {
        let Some(checkpoint) = &self.resumed else { return Ok(()) };
        let Content { position, sampler, data: then, .. } = &checkpoint.content;
        let mut differences = differences(then, data);
        let (done, batches) = (position.as_ref().map_or(0, |position| position.batch), feed.batches().batches() as u64);
        if differences.is_empty() && done > batches {
            let (then, now) = (format!("{done} done"), format!("{batches} in an epoch"));
            differences.push(Difference { what: "batches".to_owned(), then, now });
        }
        if !differences.is_empty() {
            return Err(TrainError::Resume { file: checkpoint.file.clone(), differences });
        }
        let before = feed.batches().memory();
        let restored = match position {
            // Tried now: where the epoch is opened again it would be too late to refuse it.
            Some(position) if done > 0 => feed.restore(&position.sampler_before).and_then(|()| feed.restore(sampler)),
            _ => feed.restore(sampler),
        };
        // What it was a moment ago.
        restored.inspect_err(|_| drop(feed.restore(&before)))
    }

    /// Puts the run where the checkpoint says.
    pub(crate) fn resume_run(&mut self, run: &mut Run<E>, content: &Content<E>) {
        run.before = content.before as usize;
        run.epochs = run.before.saturating_add(self.epochs);
        (run.loss, run.rate) = (content.loss, content.rate);
        run.good.kept = crate::Kept::Step(content.steps as usize);
        if let (Some(closer), Some(memory)) = (&mut self.closing, &content.closing) {
            closer.load(memory);
        }
        let stopped = content.stopped.clone().map(|(by, reason)| Stopped::Early { by, reason });
        run.resumed = Some(Resumed { position: content.position.clone(), stopped });
    }
}

impl<E: Element, T> Feed<'_, E, T> {
    /// Gives the sampler a memory, if it has not got it already.
    pub(crate) fn restore(&mut self, memory: &[f64]) -> Result<(), TrainError> {
        let phase = Phase::Training;
        match self {
            Self::Learning(data) => data.restore(memory).map_err(|source| TrainError::Data { phase, source }),
            Self::Fixed(data) if same_bits(&data.memory(), memory) => Ok(()),
            Self::Fixed(_) => {
                let (what, expected) =
                    ("the training's method", "fit_observing, since the checkpoint holds a sampler's memory");
                Err(TrainError::Setting { what, expected, found: "fit".to_owned() })
            }
        }
    }
}

fn same_bits(a: &[f64], b: &[f64]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits())
}

fn same_folder(a: &Path, b: &Path) -> bool {
    let whole = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    // The parent of a bare file name is an empty path.
    let here = |path: &Path| if path.as_os_str().is_empty() { whole(Path::new(".")) } else { whole(path) };
    here(a) == here(b)
}

/// Every name whose value is another, or that only one side has.
fn differences(then: &[(String, String)], now: &[(String, String)]) -> Vec<Difference> {
    let find =
        |all: &[(String, String)], name: &str| all.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone());
    let mut found: Vec<Difference> = Vec::new();
    let names = then.iter().chain(now.iter().filter(|(name, _)| find(then, name).is_none())).map(|(name, _)| name);
    for name in names {
        let (a, b) = (find(then, name), find(now, name));
        if a != b {
            let none = || "none".to_owned();
            found.push(Difference { what: name.clone(), then: a.unwrap_or_else(none), now: b.unwrap_or_else(none) });
        }
    }
    found
}
