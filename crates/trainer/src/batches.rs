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

    /// [`Batches::epoch`] from batch number `batch` on, counted from 0.
    fn epoch_from(&self, epoch: u64, batch: usize) -> EpochOf<E, T>
    where
        T: 'static,
    {
        Box::new(self.epoch(epoch).skip(batch))
    }

    /// What makes the batches what they are, by name, in words: a resumed training compares it.
    fn describe(&self) -> Vec<(String, String)> {
        let (batches, shape) = (self.batches().to_string(), self.input_shape().to_string());
        vec![("batches".to_owned(), batches), ("shape of an input".to_owned(), shape)]
    }

    /// What was observed so far, as numbers for a checkpoint; the order of an epoch follows from what it is when [`Batches::epoch`] is called.
    fn memory(&self) -> Vec<f64> {
        Vec::new()
    }

    /// Takes back what [`Batches::memory`] gave.
    ///
    /// # Errors
    /// If the numbers are not such a memory.
    fn restore(&mut self, memory: &[f64]) -> Result<(), DataError> {
        match memory {
            [] => Ok(()),
            _ => {
                let (what, expected) = ("memory", "none, since these batches have no memory".to_owned());
                Err(DataError::Setting { what, expected, found: format!("{} numbers", memory.len()) })
            }
        }
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

    fn epoch_from(&self, epoch: u64, batch: usize) -> EpochOf<E, D::Target> {
        Box::new(Loader::epoch(self, epoch).skip_to(batch))
    }

    fn describe(&self) -> Vec<(String, String)> {
        Loader::describe(self)
    }

    fn memory(&self) -> Vec<f64> {
        self.sampler_state()
    }

    fn restore(&mut self, memory: &[f64]) -> Result<(), DataError> {
        self.restore_sampler(memory)
    }

    fn observe(&mut self, indices: &[usize], losses: &[f64]) {
        Loader::observe(self, indices, losses);
    }

    fn observe_evidence(&mut self, evidence: &Evidence<'_>) {
        Loader::observe_evidence(self, evidence);
    }
}
