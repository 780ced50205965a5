//! A data set whose batches go through a function.

use crate::{Augment, Batch, DataError, Dataset, Provenance, Targets};
use kniff_tensor::{Element, Indices, Rng, Shape};
use std::marker::PhantomData;

/// A data set whose batches go through `f`; the function runs where the batch is made, so in the loader's threads.
///
/// Where the inputs come from stays known: the part of a split and its normaliser are those of the data set behind. Inputs that
/// were normalised there are augmented before the normaliser, and then go through the function; others go through it first.
///
/// The function must depend on its batch alone; what is random belongs into
/// [`Loader::augment`](crate::Loader::augment), which hands it a generator.
///
/// ```
/// use kniff_data::{Dataset, Map, digits};
/// let scaled = Map::new(digits(), |mut batch| {
///     batch.inputs = batch.inputs.mul_scalar(1.0 / 16.0);
///     Ok(batch)
/// })?;
/// assert!(scaled.batch(&[0])?.inputs.to_vec().iter().all(|&x| x <= 1.0));
/// # Ok::<(), kniff_data::DataError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Map<D, F, T> {
    dataset: D,
    f: F,
    shape: Shape,
    /// The function's own targets; what they are is known from its result only.
    targets: PhantomData<fn() -> T>,
}

impl<D, F, T: Targets> Map<D, F, T> {
    /// Puts `f` behind `dataset`. The function is tried on the first example, to know the shape that comes out.
    ///
    /// # Errors
    /// What the data set or the function says to the first example.
    pub fn new<E: Element>(dataset: D, f: F) -> Result<Self, DataError>
    where
        D: Dataset<E>,
        F: Fn(Batch<E, D::Target>) -> Result<Batch<E, T>, DataError> + Send + Sync,
    {
        let shape = match dataset.is_empty() {
            true => dataset.input_shape(),
            false => Shape::from(&f(dataset.batch(&[0])?)?.inputs.shape()[1..]),
        };
        Ok(Self { dataset, f, shape, targets: PhantomData })
    }
}

impl<D, F, T> Map<D, F, T> {
    fn is_normalized<E: Element>(&self) -> bool
    where
        D: Dataset<E>,
    {
        self.dataset.provenance().is_some_and(|p| p.normalizer.is_some())
    }
}

impl<E, D, F, T> Dataset<E> for Map<D, F, T>
where
    E: Element,
    D: Dataset<E>,
    T: Targets,
    F: Fn(Batch<E, D::Target>) -> Result<Batch<E, T>, DataError> + Send + Sync,
{
    type Target = T;

    fn len(&self) -> usize {
        self.dataset.len()
    }

    fn batch(&self, indices: &[usize]) -> Result<Batch<E, T>, DataError> {
        (self.f)(self.dataset.batch(indices)?)
    }

    fn input_shape(&self) -> Shape {
        self.shape
    }

    fn provenance(&self) -> Option<Provenance> {
        self.dataset.provenance()
    }

    fn augmented_batch(
        &self,
        indices: &[usize],
        augment: &Augment<E>,
        rng: &Rng,
        first: usize,
    ) -> Result<Batch<E, T>, DataError> {
        if self.is_normalized::<E>() {
            return (self.f)(self.dataset.augmented_batch(indices, augment, rng, first)?);
        }
        let mut batch = self.batch(indices)?;
        batch.inputs = augment.apply_from(&batch.inputs, rng, first)?;
        Ok(batch)
    }

    fn augmented_shape(&self, augment: &Augment<E>) -> Shape {
        if self.is_normalized::<E>() && self.shape == self.dataset.input_shape() {
            return self.dataset.augmented_shape(augment);
        }
        augment.shape_after(self.shape)
    }

    fn labels(&self) -> Option<Indices> {
        // The function may change the labels, so those of the data set behind it would be a guess.
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TensorDataset;
    use kniff_tensor::Tensor;

    #[test]
    fn shapes_and_targets_may_change() {
        let data: TensorDataset = TensorDataset::new(Tensor::arange(8).reshape([2, 4]), vec![0, 1].into()).unwrap();
        let map = Map::new(data, |b: Batch<f32, Indices>| {
            Ok(Batch { inputs: b.inputs.reshape([b.len(), 2, 2]), targets: b.inputs.clone(), indices: b.indices })
        })
        .unwrap();
        assert_eq!(map.input_shape(), [2, 2]);
        assert_eq!(map.batch(&[1]).unwrap().targets.to_vec(), [4.0, 5.0, 6.0, 7.0]);
    }
}
