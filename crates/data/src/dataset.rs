//! A data set: examples that can be asked for by number, a batch at a time.

use crate::{Augment, DataError, Provenance, Targets};
use kniff_tensor::{Element, Indices, Rng, Shape, Tensor};
use std::sync::Arc;

/// Some examples and what they are to be mapped to.
#[derive(Clone, Debug)]
pub struct Batch<E: Element, T> {
    /// The inputs; the first axis counts the examples.
    pub inputs: Tensor<E>,
    /// The targets, one per example.
    pub targets: T,
    /// The numbers of the examples in the data set that the batch was asked from.
    pub indices: Vec<usize>,
}

impl<E: Element, T> Batch<E, T> {
    /// How many examples there are.
    pub fn len(&self) -> usize {
        self.inputs.shape().first().copied().unwrap_or(0)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Examples that can be asked for by number, from several threads at once.
///
/// A data set in memory is a [`TensorDataset`](crate::TensorDataset); one that reads from elsewhere implements three methods:
///
/// ```
/// use kniff_data::{Batch, DataError, Dataset};
/// use kniff_tensor::{Shape, Tensor};
///
/// /// Example i is the point i / 100 and its square.
/// struct Parabola;
///
/// impl Dataset for Parabola {
///     type Target = Tensor;
///     fn len(&self) -> usize {
///         100
///     }
///     fn input_shape(&self) -> Shape {
///         Shape::from([1])
///     }
///     fn batch(&self, indices: &[usize]) -> Result<Batch<f32, Tensor>, DataError> {
///         let inputs = Tensor::from_fn([indices.len(), 1], |i| indices[i] as f32 / 100.0);
///         Ok(Batch { targets: inputs.map(|x| x * x), inputs, indices: indices.to_vec() })
///     }
/// }
/// assert_eq!(Parabola.batch(&[50]).unwrap().targets.item(), 0.25);
/// ```
pub trait Dataset<E: Element = f32>: Send + Sync {
    /// What an example is to be mapped to: [`Indices`] for classes, [`Tensor`] for numbers.
    type Target: Targets;

    /// How many examples there are.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The examples at `indices`, in that order; the same example may be asked for twice.
    ///
    /// # Errors
    /// [`DataError::Index`] if one does not exist, and whatever goes wrong with reading it.
    fn batch(&self, indices: &[usize]) -> Result<Batch<E, Self::Target>, DataError>;

    /// The shape of one input, without the axis that counts the examples.
    fn input_shape(&self) -> Shape;

    /// Whether these examples are known to be unfit, from what is in memory: nothing is read or made for it. Asked before a training.
    ///
    /// # Errors
    /// [`DataError::NotFinite`] with the first input or target that is infinite or NaN.
    fn check(&self, _indices: &[usize]) -> Result<(), DataError> {
        Ok(())
    }

    /// The class of every example, for what needs to know it ahead: stratified splits and samplers.
    ///
    /// `None` unless the targets are class labels that are known without reading the examples.
    fn labels(&self) -> Option<Indices> {
        None
    }

    /// Which part of which split it is, and how it was normalised, where that is known: see [`Split`](crate::Split).
    fn provenance(&self) -> Option<Provenance> {
        None
    }

    /// [`Dataset::batch`] with every image changed by `augment`; the first of the indices has place `first` in the epoch of `rng`.
    ///
    /// A data set that holds bytes overrides this, so that they become numbers and are changed in one pass; one that normalises
    /// another's inputs, so that the images are changed before.
    ///
    /// # Errors
    /// As [`Dataset::batch`], and if the examples are no images or do not fit a step.
    fn augmented_batch(
        &self,
        indices: &[usize],
        augment: &Augment<E>,
        rng: &Rng,
        first: usize,
    ) -> Result<Batch<E, Self::Target>, DataError> {
        let mut batch = self.batch(indices)?;
        batch.inputs = augment.apply_from(&batch.inputs, rng, first)?;
        Ok(batch)
    }

    /// The shape of one input of [`Dataset::augmented_batch`]; where the images do not fit a step, that without.
    fn augmented_shape(&self, augment: &Augment<E>) -> Shape {
        augment.shape_after(self.input_shape())
    }

    /// All examples as one batch.
    ///
    /// # Errors
    /// As [`Dataset::batch`].
    fn all(&self) -> Result<Batch<E, Self::Target>, DataError> {
        self.batch(&(0..self.len()).collect::<Vec<_>>())
    }
}

impl<E: Element, D: Dataset<E> + ?Sized> Dataset<E> for Arc<D> {
    type Target = D::Target;

    fn len(&self) -> usize {
        (**self).len()
    }
    fn batch(&self, indices: &[usize]) -> Result<Batch<E, Self::Target>, DataError> {
        (**self).batch(indices)
    }
    fn input_shape(&self) -> Shape {
        (**self).input_shape()
    }
    fn check(&self, indices: &[usize]) -> Result<(), DataError> {
        (**self).check(indices)
    }
    fn labels(&self) -> Option<Indices> {
        (**self).labels()
    }
    fn provenance(&self) -> Option<Provenance> {
        (**self).provenance()
    }
    fn augmented_batch(
        &self,
        indices: &[usize],
        augment: &Augment<E>,
        rng: &Rng,
        first: usize,
    ) -> Result<Batch<E, Self::Target>, DataError> {
        (**self).augmented_batch(indices, augment, rng, first)
    }
    fn augmented_shape(&self, augment: &Augment<E>) -> Shape {
        (**self).augmented_shape(augment)
    }
    fn all(&self) -> Result<Batch<E, Self::Target>, DataError> {
        (**self).all()
    }
}

impl<E: Element, D: Dataset<E> + ?Sized> Dataset<E> for &D {
    type Target = D::Target;

    fn len(&self) -> usize {
        (**self).len()
    }
    fn batch(&self, indices: &[usize]) -> Result<Batch<E, Self::Target>, DataError> {
        (**self).batch(indices)
    }
    fn input_shape(&self) -> Shape {
        (**self).input_shape()
    }
    fn check(&self, indices: &[usize]) -> Result<(), DataError> {
        (**self).check(indices)
    }
    fn labels(&self) -> Option<Indices> {
        (**self).labels()
    }
    fn provenance(&self) -> Option<Provenance> {
        (**self).provenance()
    }
    fn augmented_batch(
        &self,
        indices: &[usize],
        augment: &Augment<E>,
        rng: &Rng,
        first: usize,
    ) -> Result<Batch<E, Self::Target>, DataError> {
        (**self).augmented_batch(indices, augment, rng, first)
    }
    fn augmented_shape(&self, augment: &Augment<E>) -> Shape {
        (**self).augmented_shape(augment)
    }
    fn all(&self) -> Result<Batch<E, Self::Target>, DataError> {
        (**self).all()
    }
}

/// Refuses a list of examples of which one does not exist.
pub(crate) fn check_indices(indices: &[usize], len: usize) -> Result<(), DataError> {
    match indices.iter().find(|&&i| i >= len) {
        Some(&index) => Err(DataError::Index { index, len }),
        None => Ok(()),
    }
}
