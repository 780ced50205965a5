//! The best weights: kept through the training, given back at its end, written to a file if wanted.

use super::early_stopping::restore;
use crate::callback::{Callback, Control, View};
use crate::monitor::Watch;
use crate::{Memory, ModelFile, Monitor, TrainError};
use kniff_nn::{Module, ModuleExt};
use kniff_tensor::{Element, Tensor};
use std::path::PathBuf;

/// Puts the best epoch's weights back at the end, without ending the training early.
#[derive(Clone, Debug)]
pub struct BestWeights<E: Element = f32> {
    watch: Watch,
    file: Option<PathBuf>,
    best: Option<Vec<(String, Tensor<E>)>>,
}

impl<E: Element> BestWeights<E> {
    /// Watches this; whether more or less of it is better, the metric knows.
    pub fn new(monitor: Monitor) -> Self {
        Self { watch: Watch::new(monitor), file: None, best: None }
    }

    /// Also writes a [`ModelFile`] after every epoch that is the best so far, so that a crash loses nothing.
    #[must_use]
    pub fn save_to(mut self, path: impl Into<PathBuf>) -> Self {
        self.file = Some(path.into());
        self
    }
}

impl<E: Element> Callback<E> for BestWeights<E> {
    fn name(&self) -> &str {
        "BestWeights"
    }

    fn fit_start(&mut self, view: &View<'_>, _: &dyn Module<E>) -> Result<(), TrainError> {
        self.best = None;
        self.watch.start("BestWeights", view)
    }

    fn memory(&self) -> Memory<E> {
        self.best.iter().fold(self.watch.memory(), |memory, best| memory.with_weights("best", best.clone()))
    }

    fn resume(&mut self, memory: &Memory<E>, view: &View<'_>, model: &dyn Module<E>) -> Result<(), TrainError> {
        self.fit_start(view, model)?;
        self.watch.load(memory)?;
        self.best = memory.weights_of("best", &model.state())?;
        Ok(())
    }

    fn epoch_end(&mut self, view: &View<'_>, model: &dyn Module<E>) -> Result<Control, TrainError> {
        if self.watch.look(view) {
            self.best = Some(model.state());
            if let Some(file) = &self.file {
                ModelFile::of(model).with("epoch", &view.epoch)?.save(file)?;
            }
        }
        Ok(Control::Continue)
    }

    fn fit_end(&mut self, view: &View<'_>, model: &mut dyn Module<E>) -> Result<Option<usize>, TrainError> {
        restore(&self.watch, self.best.take(), view, model)
    }
}
