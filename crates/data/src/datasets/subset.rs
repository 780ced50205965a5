//! A part of another data set.

use crate::dataset::check_indices;
use crate::{Augment, Batch, DataError, Dataset, Provenance, Targets};
use kniff_tensor::{Element, Indices, Rng, Shape};
use std::sync::Arc;

/// Some examples of a data set, in a given order; the data set itself is shared, not copied.
///
/// A batch's `indices` count within the subset; [`Subset::indices`] maps them back.
#[derive(Clone, Debug)]
pub struct Subset<D> {
    dataset: Arc<D>,
    indices: Arc<[usize]>,
}

impl<D> Subset<D> {
    /// The examples of `dataset` at `indices`.
    ///
    /// # Errors
    /// [`DataError::Index`] if one does not exist.
    pub fn new<E: Element>(dataset: impl Into<Arc<D>>, indices: Vec<usize>) -> Result<Self, DataError>
    where
        D: Dataset<E>,
    {
        let dataset = dataset.into();
        check_indices(&indices, dataset.len())?;
        Ok(Self { dataset, indices: indices.into() })
    }

    /// The numbers of the examples in the data set that this is a part of.
    pub fn indices(&self) -> &[usize] {
        &self.indices
    }

    /// The data set that this is a part of.
    pub fn dataset(&self) -> &D {
        &self.dataset
    }
}

impl<E: Element, D: Dataset<E>> Dataset<E> for Subset<D> {
    type Target = D::Target;

    fn len(&self) -> usize {
        self.indices.len()
    }

    fn batch(&self, indices: &[usize]) -> Result<Batch<E, D::Target>, DataError> {
        check_indices(indices, self.indices.len())?;
        let inner: Vec<usize> = indices.iter().map(|&i| self.indices[i]).collect();
        Ok(Batch { indices: indices.to_vec(), ..self.dataset.batch(&inner)? })
    }

    fn augmented_batch(
        &self,
        indices: &[usize],
        augment: &Augment<E>,
        rng: &Rng,
        first: usize,
    ) -> Result<Batch<E, D::Target>, DataError> {
        check_indices(indices, self.indices.len())?;
        let inner: Vec<usize> = indices.iter().map(|&i| self.indices[i]).collect();
        Ok(Batch { indices: indices.to_vec(), ..self.dataset.augmented_batch(&inner, augment, rng, first)? })
    }

    fn augmented_shape(&self, augment: &Augment<E>) -> Shape {
        self.dataset.augmented_shape(augment)
    }

    fn input_shape(&self) -> Shape {
        self.dataset.input_shape()
    }

    fn check(&self, indices: &[usize]) -> Result<(), DataError> {
        check_indices(indices, self.indices.len())?;
        let inner: Vec<usize> = indices.iter().map(|&i| self.indices[i]).collect();
        self.dataset.check(&inner).map_err(|error| match error {
            DataError::NotFinite { what, row, column, value } => {
                let row = indices.iter().copied().find(|&i| self.indices[i] == row).unwrap_or(row);
                DataError::NotFinite { what, row, column, value }
            }
            other => other,
        })
    }

    fn provenance(&self) -> Option<Provenance> {
        self.dataset.provenance()
    }

    fn labels(&self) -> Option<Indices> {
        self.dataset.labels().map(|labels| Targets::select(&labels, &self.indices))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TensorDataset;
    use kniff_tensor::Tensor;

    #[test]
    fn a_subset_counts_for_itself() {
        let data: TensorDataset =
            TensorDataset::new(Tensor::arange(4).reshape([4, 1]), vec![0, 1, 2, 3].into()).unwrap();
        let part = Subset::new(data, vec![3, 1]).unwrap();
        let batch = part.batch(&[1, 0]).unwrap();
        assert_eq!(batch.inputs.to_vec(), [1.0, 3.0]);
        assert_eq!((batch.indices.as_slice(), part.indices()), ([1, 0].as_slice(), [3, 1].as_slice()));
        assert_eq!(Dataset::<f32>::labels(&part).unwrap().as_slice(), [3, 1]);
        assert!(matches!(part.batch(&[2]), Err(DataError::Index { index: 2, len: 2 })));
    }
}
