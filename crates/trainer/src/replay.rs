//! One step of a training made again, to be looked at.

use crate::error::Phase;
use crate::origin::Origin;
use crate::run::{Feed, Run};
use crate::trainer::Trainer;
use crate::{Batches, TrainError};
use kniff_data::{Batch, Targets};
use kniff_nn::{Head, Layer, ModuleExt};
use kniff_tensor::{Element, Tensor, with_precision};

/// A step that was made again, bit by bit as it was.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Replay<E: Element = f32> {
    /// The step within all of the training, counted from 1.
    pub step: usize,
    /// The epoch, counted from 1.
    pub epoch: usize,
    /// The numbers of the examples in the data set.
    pub indices: Vec<usize>,
    /// The inputs, augmented as they were.
    pub inputs: Tensor<E>,
    /// The loss.
    pub loss: f64,
    /// The loss of each example.
    pub losses: Vec<f64>,
    /// The learning rate.
    pub learning_rate: f64,
    /// Parameters and buffers before the step.
    pub before: Vec<(String, Tensor<E>)>,
    /// The gradients by path, before clipping; none if the loss was not finite.
    pub gradients: Vec<(String, Tensor<E>)>,
    /// Parameters and buffers after the step; none if it failed.
    pub after: Vec<(String, Tensor<E>)>,
    /// Where something that is not finite was seen first, if the step failed for that.
    pub origin: Option<Origin>,
}

impl<E: Element> Replay<E> {
    fn of(step: usize) -> Self {
        Self {
            step,
            epoch: 0,
            indices: Vec::new(),
            inputs: Tensor::zeros([0]),
            loss: f64::NAN,
            losses: Vec::new(),
            learning_rate: 0.0,
            before: Vec::new(),
            gradients: Vec::new(),
            after: Vec::new(),
            origin: None,
        }
    }
}

impl<L: Layer<E>, H: Head<E>, T: Targets, E: Element> Trainer<L, H, T, E> {
    /// Makes one step of a training again, exactly as it was: call [`Trainer::resume`] with a checkpoint from before it, then this with the same
    /// data. `step` is counted from 1 over all of the training, as errors count it.
    ///
    /// The steps between are made too, with the validation where an epoch ends; no callback is called and no checkpoint written. The trainer
    /// is left where the step left it; to train on, resume it again.
    ///
    /// ```
    /// # use kniff_data::{Loader, digits};
    /// # use kniff_init::GlorotNormal;
    /// # use kniff_nn::{Model, ModuleExt, layers::Linear, losses::CrossEntropy};
    /// # use kniff_optim::{Adam, Optimizer};
    /// # use kniff_tensor::Rng;
    /// # use kniff_trainer::{Checkpoints, Progress, Trainer};
    /// # let folder = std::env::temp_dir().join("kniff-replay-example");
    /// # let mut train = Loader::new(digits()).batch_size(256).shuffle(&Rng::new(1));
    /// # let model = Model::classifier(Linear::new(64, 10, GlorotNormal, &mut Rng::new(1)))?;
    /// # let mut trainer = Trainer::new(model, CrossEntropy::new(), Optimizer::new(Adam::default(), 1e-2))
    /// #     .progress(Progress::Silent)
    /// #     .epochs(2)
    /// #     .checkpoints(Checkpoints::in_folder(&folder).keep(9));
    /// # trainer.fit(&train, None)?;
    /// trainer.resume(folder.join("step-000000008.kniff"))?;
    /// let replay = trainer.replay(&mut train, None, 11)?;
    /// println!("loss {}, examples {:?}", replay.loss, replay.indices);
    /// # assert_eq!(replay.indices.len(), 256);
    /// # std::fs::remove_dir_all(&folder)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the trainer was not resumed, or not from before the step; if the training ends before it; and whatever else keeps a training from going
    /// on. A step that fails because something is not finite is a replay like others, with its [`Origin`].
    pub fn replay(
        &mut self,
        train: &mut dyn Batches<E, T>,
        valid: Option<&dyn Batches<E, T>>,
        step: usize,
    ) -> Result<Replay<E>, TrainError> {
        let refuse = |expected, found: String| Err(TrainError::Setting { what: "the step to replay", expected, found });
        if self.resumed.is_none() {
            return refuse("asked for right after Trainer::resume", step.to_string());
        }
        if step <= self.steps {
            return refuse(
                "after the checkpoint's",
                format!("{step}, the checkpoint is that after step {}", self.steps),
            );
        }
        let (callbacks, keeper) = (std::mem::take(&mut self.callbacks), self.keeper.take());
        let replayed = with_precision(self.precision, || self.replay_to(Feed::Learning(train), valid, step));
        (self.callbacks, self.keeper) = (callbacks, keeper);
        match replayed? {
            Some(replay) => Ok(replay),
            None => refuse("one that the training comes to", format!("{step}, it ended after step {}", self.steps)),
        }
    }

    fn replay_to(
        &mut self,
        mut feed: Feed<'_, E, T>,
        valid: Option<&dyn Batches<E, T>>,
        step: usize,
    ) -> Result<Option<Replay<E>>, TrainError> {
        feed.batches().check().map_err(|source| TrainError::Data { phase: Phase::Training, source })?;
        let mut run = self.prepare(&mut feed, valid)?;
        run.replay = Some(Replay::of(step));
        let mut stopped = run.ended();
        let mut result = Ok(());
        while stopped.is_none() && run.epoch < run.epochs && self.steps < step && result.is_ok() {
            match self.epoch(&mut run, &mut feed, valid) {
                Ok(stop) => stopped = stop,
                Err(error) => result = Err(error),
            }
        }
        // A failure of the very step is what was to be seen.
        match run.replay.take().filter(|replay| !replay.before.is_empty()) {
            Some(replay) => Ok(Some(replay)),
            None => result.map(|()| None),
        }
    }

    /// Notes what is known before the step, if it is the one.
    pub(crate) fn replay_before(&self, run: &mut Run<E>, batch: &Batch<E, T>) {
        let rate = run.rate;
        if let Some(replay) = run.replay.as_mut().filter(|replay| replay.step == self.steps + 1) {
            (replay.epoch, replay.learning_rate) = (run.epoch, rate);
            (replay.indices, replay.inputs) = (batch.indices.clone(), batch.inputs.clone());
            replay.before = self.model.state();
        }
    }

    /// The replay, if this is the step.
    pub(crate) fn replaying<'r>(&self, run: &'r mut Run<E>) -> Option<&'r mut Replay<E>> {
        run.replay.as_mut().filter(|replay| replay.step == self.steps + 1)
    }
}
