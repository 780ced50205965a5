//! One epoch's batches, one after the other, whoever makes them.

use super::{Change, Loader};
use crate::{Augment, Batch, DataError, Dataset};
use crossbeam_channel::{Receiver, bounded};
use kniff_tensor::{Element, Rng};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;

/// An iterator over the batches of one epoch, made by [`Loader::epoch`].
///
/// It ends after its last batch or its first error. Dropping it early stops its threads and waits for them.
pub struct Epoch<D, E: Element = f32>
where
    D: Dataset<E>,
{
    plan: Arc<Plan<D, E>>,
    /// What is wrong with the settings, until it is told.
    refusal: Option<DataError>,
    /// The number of the batch that comes next.
    position: usize,
    workers: usize,
    depth: usize,
    crew: Option<Crew<E, D::Target>>,
}

/// All that is needed to make any batch of the epoch.
struct Plan<D, E: Element>
where
    D: Dataset<E>,
{
    dataset: Arc<D>,
    order: Vec<usize>,
    batch_size: usize,
    batches: usize,
    rng: Rng,
    images: Option<Arc<Augment<E>>>,
    augment: Option<Arc<Change<E, D::Target>>>,
}

type Made<E, T> = Result<Batch<E, T>, DataError>;

/// Threads of which number w of W makes the batches w, w + W, w + 2 W, ..., each into a channel of its own.
///
/// Taking from the channels by turns restores the order without a buffer to sort in.
struct Crew<E: Element, T> {
    channels: Vec<Receiver<Made<E, T>>>,
    threads: Vec<JoinHandle<()>>,
    first: usize,
}

impl<E: Element, D: Dataset<E> + 'static> Epoch<D, E> {
    pub(super) fn new(loader: &Loader<D, E>, order: Result<Vec<usize>, DataError>, rng: Rng) -> Self {
        let (order, refusal) = match order {
            Ok(order) => (order, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        let size = loader.batch_size.max(1);
        let batches = if loader.drop_last { order.len() / size } else { order.len().div_ceil(size) };
        let plan = Plan {
            dataset: loader.dataset.clone(),
            order,
            batch_size: size,
            batches,
            rng,
            images: loader.images.clone(),
            augment: loader.augment.clone(),
        };
        let (workers, depth) = (loader.workers, loader.depth);
        Self { plan: Arc::new(plan), refusal, position: 0, workers, depth, crew: None }
    }

    /// Goes to batch number `batch` (counted from 0) without making those before it; beyond the end, nothing follows.
    #[must_use]
    pub fn skip_to(mut self, batch: usize) -> Self {
        self.crew = None;
        self.position = batch.min(self.plan.batches);
        self
    }

    /// The number of the batch that comes next.
    pub fn position(&self) -> usize {
        self.position
    }

    /// How many batches the whole epoch has.
    pub fn batches(&self) -> usize {
        self.plan.batches
    }

    fn end(&mut self) {
        self.position = self.plan.batches;
        self.crew = None;
    }
}

impl<E: Element, D: Dataset<E> + 'static> Iterator for Epoch<D, E> {
    type Item = Result<Batch<E, D::Target>, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.refusal.take() {
            self.end();
            return Some(Err(error));
        }
        if self.position >= self.plan.batches {
            // Joins the threads, which have nothing left to do.
            self.crew = None;
            return None;
        }
        if self.workers > 0 && self.crew.is_none() {
            self.crew = Crew::start(&self.plan, self.position, self.workers, self.depth);
            if self.crew.is_none() {
                // A system that gives no thread still gets its batches.
                self.workers = 0;
            }
        }
        let made = match &self.crew {
            None => self.plan.make(self.position),
            Some(crew) => crew.take(self.position),
        };
        match made {
            Ok(batch) => {
                self.position += 1;
                Some(Ok(batch))
            }
            Err(error) => {
                self.end();
                Some(Err(error))
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.plan.batches - self.position + usize::from(self.refusal.is_some());
        // An error ends the epoch early.
        (left.min(1), Some(left))
    }
}

impl<D: Dataset<E>, E: Element> Plan<D, E> {
    /// Makes one batch; a panic on the way becomes an error.
    fn make(&self, batch: usize) -> Made<E, D::Target> {
        let start = batch * self.batch_size;
        let indices = &self.order[start..(start + self.batch_size).min(self.order.len())];
        let work = || {
            let mut made = match &self.images {
                Some(images) => self.dataset.augmented_batch(indices, images, &self.rng.stream("images"), start)?,
                None => self.dataset.batch(indices)?,
            };
            if let Some(augment) = &self.augment {
                augment(&mut made, &mut self.rng.keyed(batch as u64))?;
            }
            Ok(made)
        };
        // Nothing of the epoch is used after a panic, so nothing half-done can be seen.
        catch_unwind(AssertUnwindSafe(work))
            .unwrap_or_else(|panic| Err(DataError::Panicked { batch, message: message(&*panic) }))
    }
}

impl<E: Element, T: Send + 'static> Crew<E, T> {
    fn start<D>(plan: &Arc<Plan<D, E>>, first: usize, workers: usize, depth: usize) -> Option<Self>
    where
        D: Dataset<E, Target = T> + 'static,
    {
        let workers = workers.min(plan.batches - first);
        let mut crew = Self { channels: Vec::new(), threads: Vec::new(), first };
        for worker in 0..workers {
            // No more batches can wait than there are.
            let (sender, receiver) = bounded(depth.min(plan.batches).div_ceil(workers).max(1));
            let plan = plan.clone();
            let work = move || {
                for batch in (first + worker..plan.batches).step_by(workers) {
                    let made = plan.make(batch);
                    let failed = made.is_err();
                    // Nobody listens any more when the iterator was dropped.
                    if sender.send(made).is_err() || failed {
                        return;
                    }
                }
            };
            let name = format!("kniff-loader-{worker}");
            crew.threads.push(std::thread::Builder::new().name(name).spawn(work).ok()?);
            crew.channels.push(receiver);
        }
        Some(crew)
    }

    fn take(&self, batch: usize) -> Made<E, T> {
        let worker = (batch - self.first) % self.channels.len();
        self.channels[worker].recv().unwrap_or_else(|_| {
            Err(DataError::Panicked { batch, message: "the prefetching thread ended without a word".into() })
        })
    }
}

impl<E: Element, T> Drop for Crew<E, T> {
    fn drop(&mut self) {
        // First the receivers: a thread that waits for room in its channel then wakes up and ends.
        self.channels.clear();
        for thread in self.threads.drain(..) {
            // A panic was handed over as an error already.
            let _ = thread.join();
        }
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".into())
}
