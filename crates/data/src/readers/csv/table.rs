//! What was read from a CSV file.

use crate::{DataError, TensorDataset};
use kniff_tensor::{Element, Indices, Tensor};

/// What was read from a CSV file.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Table<E: Element = f32> {
    /// The names of the input columns; numbers where there was no header.
    pub columns: Vec<String>,
    /// The inputs, `[rows, columns]`.
    pub inputs: Tensor<E>,
    /// The class of each row, where a label column was named.
    pub labels: Option<Indices>,
    /// The names of the classes, by label.
    pub classes: Vec<String>,
    /// The numbers to predict, `[rows, targets]`, where target columns were named.
    pub targets: Option<Tensor<E>>,
}

impl<E: Element> Table<E> {
    /// The inputs with the class labels.
    ///
    /// # Errors
    /// If no label column was named.
    pub fn into_classes(self) -> Result<TensorDataset<E, Indices>, DataError> {
        let labels =
            self.labels.ok_or_else(|| DataError::setting("label column", "one named by CsvReader::label", "none"))?;
        TensorDataset::new(self.inputs, labels)
    }

    /// The inputs with the numbers to predict.
    ///
    /// # Errors
    /// If no target columns were named.
    pub fn into_values(self) -> Result<TensorDataset<E, Tensor<E>>, DataError> {
        let expected = "some named by CsvReader::targets";
        let targets = self.targets.ok_or_else(|| DataError::setting("target columns", expected, "none"))?;
        TensorDataset::new(self.inputs, targets)
    }
}
