//! A data set whose class labels are probabilities, so that they can be mixed.

use crate::{Augment, Batch, DataError, Dataset, Provenance};
use kniff_tensor::{Element, Indices, Rng, Shape, Tensor};

/// The examples of a data set with the target `[.., 0, 1, 0, ..]` in place of a class label.
///
/// For [`Mixup`](crate::Mixup), [`CutMix`](crate::CutMix) and whatever else makes targets soft; cross-entropy takes both kinds.
///
/// ```
/// use kniff_data::{Dataset, SoftLabels, digits};
/// let data = SoftLabels::new(digits(), 10)?;
/// assert_eq!(data.batch(&[2])?.targets.to_vec()[..4], [0.0, 0.0, 1.0, 0.0]);
/// # Ok::<(), kniff_data::DataError>(())
/// ```
#[derive(Clone, Debug)]
pub struct SoftLabels<D> {
    dataset: D,
    classes: usize,
}

impl<D> SoftLabels<D> {
    /// For so many classes.
    ///
    /// # Errors
    /// If there are none. A label that is not below their number is an error of the batch that it is in.
    pub fn new(dataset: D, classes: usize) -> Result<Self, DataError> {
        match classes {
            0 => Err(DataError::setting("classes", "at least 1", 0)),
            _ => Ok(Self { dataset, classes }),
        }
    }

    fn soften<E: Element>(&self, batch: Batch<E, Indices>) -> Result<Batch<E, Tensor<E>>, DataError> {
        let labels = batch.targets.as_slice();
        let mut targets = Tensor::zeros([labels.len(), self.classes]);
        for ((i, &label), row) in labels.iter().enumerate().zip(targets.make_mut().chunks_exact_mut(self.classes)) {
            let row_in_dataset = batch.indices.get(i).copied().unwrap_or(i);
            let wrong = DataError::Label { row: row_in_dataset, label, classes: self.classes };
            *row.get_mut(label).ok_or(wrong)? = E::ONE;
        }
        Ok(Batch { inputs: batch.inputs, targets, indices: batch.indices })
    }
}

impl<E: Element, D: Dataset<E, Target = Indices>> Dataset<E> for SoftLabels<D> {
    type Target = Tensor<E>;

    fn len(&self) -> usize {
        self.dataset.len()
    }

    fn batch(&self, indices: &[usize]) -> Result<Batch<E, Tensor<E>>, DataError> {
        self.soften(self.dataset.batch(indices)?)
    }

    fn augmented_batch(
        &self,
        indices: &[usize],
        augment: &Augment<E>,
        rng: &Rng,
        first: usize,
    ) -> Result<Batch<E, Tensor<E>>, DataError> {
        self.soften(self.dataset.augmented_batch(indices, augment, rng, first)?)
    }

    fn augmented_shape(&self, augment: &Augment<E>) -> Shape {
        self.dataset.augmented_shape(augment)
    }

    fn input_shape(&self) -> Shape {
        self.dataset.input_shape()
    }

    fn check(&self, indices: &[usize]) -> Result<(), DataError> {
        self.dataset.check(indices)
    }

    fn provenance(&self) -> Option<Provenance> {
        self.dataset.provenance()
    }

    fn labels(&self) -> Option<Indices> {
        self.dataset.labels()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TensorDataset;

    #[test]
    fn a_label_beyond_the_classes_is_named() {
        let data: TensorDataset = TensorDataset::new(Tensor::zeros([3, 1]), vec![0, 1, 2].into()).unwrap();
        let soft = SoftLabels::new(data, 2).unwrap();
        assert_eq!(soft.batch(&[1, 0]).unwrap().targets.to_vec(), [0.0, 1.0, 1.0, 0.0]);
        assert!(matches!(soft.batch(&[0, 2]), Err(DataError::Label { row: 2, label: 2, classes: 2 })));
    }
}
