//! Averaged weights: gathered along the training, put into the model at its end.

use crate::callback::{Callback, Control, View};
use crate::metric::MOST;
use crate::{Memory, TrainError};
use kniff_nn::{Module, ModuleExt};
use kniff_optim::WeightAverage;
use kniff_tensor::Element;

/// Averages the weights while the model trains, and leaves the average in it.
///
/// - [`AveragedWeights::exponential`] takes in the weights after every step.
/// - [`AveragedWeights::mean_from`] takes in those at the end of every epoch from one on (stochastic weight averaging);
///   a training that ends before that epoch keeps its own.
///
/// The average stays, whatever else would bring back the weights of an epoch: early stopping, the closing policy.
///
/// See [`WeightAverage`]. The epochs' metrics are those of the weights that train, not of the average. Buffers are not
/// averaged: a batch norm keeps the statistics that it gathered with the weights that trained, and should gather them anew.
///
/// ```
/// use kniff_trainer::AveragedWeights;
/// let every_step: AveragedWeights = AveragedWeights::exponential(0.999);
/// let last_epochs: AveragedWeights = AveragedWeights::mean_from(75);
/// ```
#[derive(Clone, Debug)]
pub struct AveragedWeights<E: Element = f32> {
    fresh: WeightAverage<E>,
    average: WeightAverage<E>,
    /// From which epoch on one update is made an epoch; otherwise one a step.
    from_epoch: Option<usize>,
}

impl<E: Element> AveragedWeights<E> {
    /// `a = decay a + (1 - decay) w` after every step, from the weights after the first step on.
    ///
    /// # Panics
    /// Unless `decay` is within 0..1.
    #[track_caller]
    pub fn exponential(decay: f64) -> Self {
        Self::of(WeightAverage::exponential(decay), None)
    }

    /// The mean of the weights at the end of `epoch` (counted from 1) and of every one after it.
    pub fn mean_from(epoch: usize) -> Self {
        Self::of(WeightAverage::mean(), Some(epoch))
    }

    fn of(fresh: WeightAverage<E>, from_epoch: Option<usize>) -> Self {
        Self { average: fresh.clone(), fresh, from_epoch }
    }

    fn update(&mut self, model: &dyn Module<E>) {
        self.average.update(model.parameters().iter().map(|(path, p)| (path, p.value())));
    }
}

impl<E: Element> Callback<E> for AveragedWeights<E> {
    fn name(&self) -> &str {
        "AveragedWeights"
    }

    fn fit_start(&mut self, _: &View<'_>, _: &dyn Module<E>) -> Result<(), TrainError> {
        self.average = self.fresh.clone();
        Ok(())
    }

    fn memory(&self) -> Memory<E> {
        let (updates, sums) = self.average.state();
        Memory::default().with("updates", &updates).with_weights("sums", sums)
    }

    fn resume(&mut self, memory: &Memory<E>, view: &View<'_>, model: &dyn Module<E>) -> Result<(), TrainError> {
        self.fit_start(view, model)?;
        let updates: u64 = memory.get("updates")?;
        if updates == 0 {
            return Ok(());
        }
        let fail = |reason: &str| TrainError::Memory { name: "updates".into(), reason: reason.into() };
        if updates > MOST {
            return Err(fail("it is no number of updates"));
        }
        let now: Vec<_> = model.parameters().iter().map(|(path, p)| (path.clone(), p.value().clone())).collect();
        let sums = memory.weights_of("sums", &now)?;
        self.average.load_state(updates, sums.ok_or_else(|| fail("the sums that belong to it are not there"))?);
        Ok(())
    }

    fn batch_end(&mut self, _: &View<'_>, model: &dyn Module<E>) -> Result<Control, TrainError> {
        if self.from_epoch.is_none() {
            self.update(model);
        }
        Ok(Control::Continue)
    }

    fn epoch_end(&mut self, view: &View<'_>, model: &dyn Module<E>) -> Result<Control, TrainError> {
        if self.from_epoch.is_some_and(|from| view.epoch >= from) {
            self.update(model);
        }
        Ok(Control::Continue)
    }

    fn replaces(&self) -> bool {
        self.average.updates() > 0
    }

    fn fit_end(&mut self, _: &View<'_>, model: &mut dyn Module<E>) -> Result<Option<usize>, TrainError> {
        if self.average.updates() > 0 {
            self.average.swap_in(model.parameters_mut());
        }
        Ok(None)
    }
}
