//! Where a training's batches come from: a loader, or anything that gives batches epoch by epoch.

use kniff_data::{Batch, DataError, Dataset, Evidence, Loader, Provenance};
use kniff_tensor::{Element, Indices, Shape};

/// The batches of one epoch, in order.
pub type EpochOf<E, T> = Box<dyn Iterator<Item = Result<Batch<E, T>, DataError>>>;

/// What gives batches epoch by epoch: a [`Loader`], or a source of one's own.
pub trait Batches<E: Element, T> {
    /// The batches of an epoch; the same epoch has the same batches whenever it is asked for.
    fn epoch(&self, epoch: u64) -> EpochOf<E, T>;

    /// How many batches an epoch has.
    fn batches(&self) -> usize;

    /// The shape of one input, without the axis that counts the examples.
    fn input_shape(&self) -> Shape;

    /// The class of every example, where that is known without reading the examples.
    fn labels(&self) -> Option<Indices> {
        None
    }

    /// Which part of which split the data are, and how they were normalised, where that is known.
    fn provenance(&self) -> Option<Provenance> {
        None
    }

    /// Whether there is anything to train on and the settings make sense.
    ///
    /// # Errors
    /// What is wrong.
    fn check(&self) -> Result<(), DataError> {
        Ok(())
    }

    /// The last batch of the first epoch, which is the smallest one.
    fn last_batch(&self) -> Option<Result<Batch<E, T>, DataError>> {
        self.epoch(0).last()
    }

    /// Whether the order depends on what is observed: then [`crate::Trainer::fit_observing`] is the one to train with.
    fn learns(&self) -> bool {
        false
    }

    /// Takes note of the loss that each example of a training step had, where the order depends on it.
    fn observe(&mut self, indices: &[usize], losses: &[f64]) {
        let _ = (indices, losses);
    }

    /// [`Batches::observe`] with all that is known about the examples of a step.
    fn observe_evidence(&mut self, evidence: &Evidence<'_>) {
        self.observe(evidence.indices, evidence.losses);
    }
}

impl<E: Element, D: Dataset<E> + 'static> Batches<E, D::Target> for Loader<D, E> {
    fn epoch(&self, epoch: u64) -> EpochOf<E, D::Target> {
        Box::new(Loader::epoch(self, epoch))
    }

    fn batches(&self) -> usize {
        self.len()
    }

    fn input_shape(&self) -> Shape {
        Loader::input_shape(self)
    }

    fn labels(&self) -> Option<Indices> {
        self.dataset().labels()
    }

    fn provenance(&self) -> Option<Provenance> {
        self.dataset().provenance()
    }

    fn check(&self) -> Result<(), DataError> {
        Loader::check(self)
    }

    fn last_batch(&self) -> Option<Result<Batch<E, D::Target>, DataError>> {
        Loader::epoch(self, 0).skip_to(self.len().saturating_sub(1)).next()
    }

    fn learns(&self) -> bool {
        Loader::learns(self)
    }

    fn observe(&mut self, indices: &[usize], losses: &[f64]) {
        Loader::observe(self, indices, losses);
    }

    fn observe_evidence(&mut self, evidence: &Evidence<'_>) {
        Loader::observe_evidence(self, evidence);
    }
}
