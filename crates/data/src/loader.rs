//! The loader: batches of an epoch, in an order that only the seed and the epoch decide, made ahead by threads if wanted.

use crate::samplers::{Sequential, Shuffled};
use crate::{Augment, Batch, DataError, Dataset, Evidence, Sampler, Suspect};
use kniff_tensor::{Element, Rng, Shape};
use std::sync::Arc;

mod describe;
mod epoch;

pub use epoch::Epoch;

type Change<E, T> = dyn Fn(&mut Batch<E, T>, &mut Rng) -> Result<(), DataError> + Send + Sync;

/// Cuts a data set into batches, epoch by epoch.
///
/// The batches of epoch `e` depend only on the data set, the settings, the generator that was handed in, and `e` (and, for a
/// sampler that learns, on what it observed); not on the number of threads and not on earlier epochs. So a run that was
/// stopped goes on exactly where it was: `loader.epoch(e).skip_to(k)`.
///
/// ```
/// use kniff_data::{Loader, digits};
/// use kniff_tensor::Rng;
/// let loader = Loader::new(digits()).batch_size(100).shuffle(&Rng::new(1)).prefetch(2, 4);
/// assert_eq!(loader.len(), 18);
/// for batch in loader.epoch(0) {
///     let batch = batch?;
///     assert_eq!(batch.inputs.shape()[1..], [64]);
/// }
/// # Ok::<(), kniff_data::DataError>(())
/// ```
pub struct Loader<D, E: Element = f32>
where
    D: Dataset<E>,
{
    dataset: Arc<D>,
    batch_size: usize,
    drop_last: bool,
    sampler: Box<dyn Sampler>,
    rng: Rng,
    workers: usize,
    depth: usize,
    images: Option<Arc<Augment<E>>>,
    augment: Option<Arc<Change<E, D::Target>>>,
}

impl<E: Element, D: Dataset<E> + 'static> Loader<D, E> {
    /// Batches of 32 in the order of the data set, made on the caller's thread, until told otherwise.
    pub fn new(dataset: D) -> Self {
        Self::shared(Arc::new(dataset))
    }

    /// [`Loader::new`] for a data set that others use too.
    pub fn shared(dataset: Arc<D>) -> Self {
        Self {
            dataset,
            batch_size: 32,
            drop_last: false,
            sampler: Box::new(Sequential),
            rng: Rng::new(0).stream("loader"),
            workers: 0,
            depth: 1,
            images: None,
            augment: None,
        }
    }

    /// How many examples a batch has; the last one of an epoch may have fewer.
    #[must_use]
    pub fn batch_size(mut self, examples: usize) -> Self {
        self.batch_size = examples;
        self
    }

    /// A new random order in every epoch, drawn from a child of `rng`; nothing is drawn from `rng` itself.
    #[must_use]
    pub fn shuffle(self, rng: &Rng) -> Self {
        self.sampler(Shuffled, rng)
    }

    /// An order of another kind; a sampler that draws does so from a child of `rng`.
    #[must_use]
    pub fn sampler(mut self, sampler: impl Sampler + 'static, rng: &Rng) -> Self {
        self.sampler = Box::new(sampler);
        self.rng = rng.stream("loader");
        self
    }

    /// Leaves out a last batch that is not full, as batch norm may want it.
    #[must_use]
    pub fn drop_last(mut self, drop: bool) -> Self {
        self.drop_last = drop;
        self
    }

    /// Makes batches ahead on `workers` threads, about `depth` of them in all; 0 workers make them on the caller's thread.
    ///
    /// The batches and their order are the same at any number of workers.
    #[must_use]
    pub fn prefetch(mut self, workers: usize, depth: usize) -> Self {
        (self.workers, self.depth) = (workers, depth);
        self
    }

    /// Changes every image by the steps of `augment`, each by its own draws; before what [`Loader::augment`] does to whole batches.
    ///
    /// What is drawn depends on the seed, the epoch and the example's place in it, and so neither on the batch size nor on prefetching. Bytes
    /// ([`ImageDataset`](crate::ImageDataset)) become numbers in the same pass.
    ///
    /// ```
    /// use kniff_data::{Augment, HorizontalFlip, ImageDataset, Loader, PadCrop};
    /// use kniff_tensor::{Indices, Rng};
    /// let data = ImageDataset::new(vec![0; 10 * 3 * 32 * 32], [3, 32, 32], Indices::from_vec(vec![0; 10]))?;
    /// let augment = Augment::new().then(PadCrop::new(4)?).then(HorizontalFlip::new(0.5)?);
    /// let loader: Loader<_> = Loader::new(data).batch_size(5).shuffle(&Rng::new(1)).augment_images(augment);
    /// assert_eq!(loader.epoch(0).next().unwrap()?.inputs.shape(), &[5, 3, 32, 32]);
    /// # Ok::<(), kniff_data::DataError>(())
    /// ```
    #[must_use]
    pub fn augment_images(mut self, augment: Augment<E>) -> Self {
        self.images = Some(Arc::new(augment));
        self
    }

    /// Changes every batch by `f`, at random if it likes: it gets a generator that belongs to the epoch and the batch.
    ///
    /// It runs in the prefetching threads. Differs from PyTorch: a worker has no generator of its own, so no two batches share one and
    /// the result does not depend on the number of workers.
    #[must_use]
    pub fn augment(
        mut self,
        f: impl Fn(&mut Batch<E, D::Target>, &mut Rng) -> Result<(), DataError> + Send + Sync + 'static,
    ) -> Self {
        self.augment = Some(Arc::new(f));
        self
    }

    /// The data set.
    pub fn dataset(&self) -> &Arc<D> {
        &self.dataset
    }

    /// The shape of one input as the batches have it: that of the data set, after [`Loader::augment_images`].
    pub fn input_shape(&self) -> Shape {
        let plain = || self.dataset.input_shape();
        // Images that do not fit are an error of the first batch.
        self.images.as_ref().map_or_else(plain, |augment| self.dataset.augmented_shape(augment))
    }

    /// How many batches an epoch has.
    pub fn len(&self) -> usize {
        let draws = self.sampler.draws(self.dataset.len());
        match (self.batch_size, self.drop_last) {
            (0, _) => 0,
            (size, true) => draws / size,
            (size, false) => draws.div_ceil(size),
        }
    }

    /// Whether an epoch has no batches.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the settings make sense for the data set; [`Loader::epoch`] would give the same error as its first item.
    ///
    /// # Errors
    /// [`DataError::Empty`] for a data set without examples, [`DataError::Setting`] for a batch size of 0, for a batch size
    /// that leaves no full batch under [`Loader::drop_last`], and for a prefetch depth of 0.
    pub fn check(&self) -> Result<(), DataError> {
        if self.dataset.is_empty() {
            return Err(DataError::Empty { what: "the data set" });
        }
        if self.batch_size == 0 {
            return Err(DataError::setting("batch size", "at least 1", 0));
        }
        if self.workers > 0 && self.depth == 0 {
            return Err(DataError::setting("prefetch depth", "at least 1", 0));
        }
        let draws = self.sampler.draws(self.dataset.len());
        if self.is_empty() {
            let expected =
                format!("at most the {draws} examples of an epoch, since the last batch is dropped unless full");
            return Err(DataError::setting("batch size", expected, self.batch_size));
        }
        self.dataset.check(&(0..self.dataset.len()).collect::<Vec<_>>())
    }

    /// The batches of epoch `epoch`. Nothing is read before the first is asked for.
    pub fn epoch(&self, epoch: u64) -> Epoch<D, E> {
        let order = self.check().and_then(|()| {
            let order = self.sampler.order(self.dataset.len(), &mut self.rng.stream("order").keyed(epoch))?;
            crate::dataset::check_indices(&order, self.dataset.len())?;
            Ok(order)
        });
        let rng = self.rng.stream("augment").keyed(epoch);
        Epoch::new(self, order, rng)
    }

    /// Tells the sampler the loss of each example of a training step; `indices` are those of the batch.
    pub fn observe(&mut self, indices: &[usize], losses: &[f64]) {
        self.sampler.observe(indices, losses);
    }

    /// Whether the sampler learns from what it observes.
    pub fn learns(&self) -> bool {
        self.sampler.learns()
    }

    /// [`Loader::observe`] with all that is known about the examples.
    pub fn observe_evidence(&mut self, evidence: &Evidence<'_>) {
        self.sampler.observe_evidence(evidence);
    }

    /// The examples that the sampler takes for outliers, the most suspicious first: likely mislabels.
    pub fn suspects(&self) -> Vec<Suspect> {
        self.sampler.suspects()
    }

    /// The sampler's memory, for a checkpoint.
    pub fn sampler_state(&self) -> Vec<f64> {
        self.sampler.state()
    }

    /// Takes back what [`Loader::sampler_state`] gave.
    ///
    /// # Errors
    /// If the numbers are not a state of this sampler.
    pub fn restore_sampler(&mut self, state: &[f64]) -> Result<(), DataError> {
        self.sampler.restore(state)
    }
}
