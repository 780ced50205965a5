//! Examples that lie in memory as one tensor.

use crate::dataset::check_indices;
use crate::targets::{check_finite, gather_rows};
use crate::{Batch, DataError, Dataset, Targets};
use kniff_tensor::{Element, Indices, Shape, Tensor};

/// Inputs and targets in memory; the first axis of both counts the examples.
///
/// ```
/// use kniff_data::{Dataset, TensorDataset};
/// use kniff_tensor::{Indices, Tensor};
/// let inputs: Tensor = Tensor::arange(6).reshape([3, 2]);
/// let data = TensorDataset::new(inputs, Indices::from_vec(vec![0, 1, 0]))?;
/// let batch = data.batch(&[2, 0])?;
/// assert_eq!(batch.inputs.to_vec(), [4.0, 5.0, 0.0, 1.0]);
/// assert_eq!(batch.targets.as_slice(), [0, 0]);
/// # Ok::<(), kniff_data::DataError>(())
/// ```
#[derive(Clone, Debug)]
pub struct TensorDataset<E: Element = f32, T = Indices> {
    inputs: Tensor<E>,
    targets: T,
}

impl<E: Element, T: Targets> TensorDataset<E, T> {
    /// Joins inputs `[n, ...]` with their `n` targets.
    ///
    /// # Errors
    /// If the inputs are a scalar or the numbers of examples differ. Values are looked at only by
    /// [`TensorDataset::validate`].
    pub fn new(inputs: Tensor<E>, targets: T) -> Result<Self, DataError> {
        let Some(&rows) = inputs.shape().first() else {
            return Err(DataError::Shape { what: "inputs", expected: "[n, ...]".into(), found: *inputs.shape() });
        };
        if rows != targets.len() {
            return Err(DataError::Lengths { what: "targets", expected: rows, found: targets.len() });
        }
        // Rows are copied out of it batch after batch: row-major once is cheaper than strided every time.
        Ok(Self { inputs: inputs.contiguous(), targets })
    }

    /// The inputs, `[n, ...]`.
    pub fn inputs(&self) -> &Tensor<E> {
        &self.inputs
    }

    /// The targets.
    pub fn targets(&self) -> &T {
        &self.targets
    }

    /// The inputs and the targets.
    pub fn into_parts(self) -> (Tensor<E>, T) {
        (self.inputs, self.targets)
    }

    /// The same targets with changed inputs: `data.map_inputs(|x| normalizer.transform(x))`.
    ///
    /// # Errors
    /// What `f` returns, or if the number of examples changes.
    pub fn map_inputs(&self, f: impl FnOnce(&Tensor<E>) -> Result<Tensor<E>, DataError>) -> Result<Self, DataError> {
        Self::new(f(&self.inputs)?, self.targets.clone())
    }

    /// The same examples, each flattened to one axis: `[n, 1, 28, 28]` becomes `[n, 784]`.
    pub fn flattened(&self) -> Self {
        let rows = self.inputs.shape()[0];
        let size: usize = self.inputs.shape()[1..].iter().product();
        Self { inputs: self.inputs.reshape([rows, size]), targets: self.targets.clone() }
    }

    /// The examples at `indices`, copied to a data set of their own.
    ///
    /// # Errors
    /// [`DataError::Index`] if one does not exist.
    pub fn select(&self, indices: &[usize]) -> Result<Self, DataError> {
        check_indices(indices, self.targets.len())?;
        Ok(Self { inputs: gather_rows(&self.inputs, indices), targets: self.targets.select(indices) })
    }

    /// Looks at every number once.
    ///
    /// # Errors
    /// [`DataError::Empty`] without examples; [`DataError::NotFinite`] with the row and column of the first input or
    /// target that is infinite or NaN.
    pub fn validate(&self) -> Result<(), DataError> {
        if self.targets.is_empty() {
            return Err(DataError::Empty { what: "the data set" });
        }
        check_finite("inputs", &self.inputs)?;
        self.targets.check()
    }
}

impl<E: Element> TensorDataset<E, Indices> {
    /// [`TensorDataset::validate`], and that every label is below `classes`.
    ///
    /// # Errors
    /// As there, and [`DataError::Label`] with the first label outside.
    pub fn validate_classes(&self, classes: usize) -> Result<(), DataError> {
        self.validate()?;
        match self.targets.as_slice().iter().position(|&l| l >= classes) {
            Some(row) => Err(DataError::Label { row, label: self.targets.as_slice()[row], classes }),
            None => Ok(()),
        }
    }

    /// The number of classes that the labels span: the largest label and one.
    pub fn classes(&self) -> usize {
        self.targets.max().map_or(0, |most| most + 1)
    }
}

impl<E: Element, T: Targets> Dataset<E> for TensorDataset<E, T> {
    type Target = T;

    fn len(&self) -> usize {
        self.targets.len()
    }

    fn batch(&self, indices: &[usize]) -> Result<Batch<E, T>, DataError> {
        check_indices(indices, self.targets.len())?;
        let (inputs, targets) = (gather_rows(&self.inputs, indices), self.targets.select(indices));
        Ok(Batch { inputs, targets, indices: indices.to_vec() })
    }

    fn input_shape(&self) -> Shape {
        Shape::from(&self.inputs.shape()[1..])
    }

    fn check(&self, indices: &[usize]) -> Result<(), DataError> {
        check_indices(indices, self.targets.len())?;
        // One fast pass over all of it where it is good, as it mostly is.
        if self.validate().is_ok() {
            return Ok(());
        }
        let size: usize = self.inputs.shape()[1..].iter().product();
        let all = self.inputs.as_slice().unwrap_or_default();
        for &row in indices {
            if let Some(column) = all[row * size..(row + 1) * size].iter().position(|x| !x.is_finite()) {
                let value = all[row * size + column].to_f64();
                return Err(DataError::NotFinite { what: "inputs", row, column, value });
            }
        }
        self.targets.select(indices).check().map_err(|error| match error {
            DataError::NotFinite { what, row, column, value } => {
                DataError::NotFinite { what, row: indices.get(row).copied().unwrap_or(row), column, value }
            }
            other => other,
        })
    }

    fn labels(&self) -> Option<Indices> {
        self.targets.labels().cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three() -> TensorDataset {
        TensorDataset::new(Tensor::arange(12).reshape([3, 2, 2]), vec![0, 2, 1].into()).unwrap()
    }

    #[test]
    fn shapes_and_parts() {
        let data = three();
        assert_eq!((data.len(), data.classes()), (3, 3));
        assert_eq!(data.input_shape(), [2, 2]);
        assert_eq!(data.flattened().input_shape(), [4]);
        assert_eq!(data.select(&[1]).unwrap().inputs().to_vec(), [4.0, 5.0, 6.0, 7.0]);
        assert_eq!(data.all().unwrap().targets.as_slice(), [0, 2, 1]);
    }

    #[test]
    fn misfits_are_refused() {
        let e = TensorDataset::<f32>::new(Tensor::zeros([3, 2]), vec![0, 1].into()).unwrap_err();
        assert_eq!(e.to_string(), "3 examples, but 2 targets; there must be one per example");
        assert!(matches!(three().batch(&[0, 3]), Err(DataError::Index { index: 3, len: 3 })));
        assert!(TensorDataset::<f32>::new(Tensor::scalar(1.0), vec![0].into()).is_err());
    }

    #[test]
    fn values_are_validated() {
        three().validate_classes(3).unwrap();
        assert!(matches!(three().validate_classes(2), Err(DataError::Label { row: 1, label: 2, classes: 2 })));
        let bad = TensorDataset::<f32, Tensor>::new(Tensor::ones([1, 1]), Tensor::full([1, 1], f32::INFINITY)).unwrap();
        assert!(bad.validate().unwrap_err().to_string().starts_with("targets: row 0, column 0 is inf"));
        let none = TensorDataset::<f32>::new(Tensor::zeros([0, 2]), vec![].into()).unwrap();
        assert!(matches!(none.validate(), Err(DataError::Empty { .. })));
    }
}
