//! A table of numbers whose columns and classes have names.

use crate::TensorDataset;
use kniff_tensor::Indices;

/// Examples with the names of what was measured and of the classes.
#[derive(Clone, Debug)]
pub struct Tabular {
    /// The examples: inputs `[n, features]` and a class each.
    pub data: TensorDataset<f32, Indices>,
    /// The names of the columns, in order.
    pub features: &'static [&'static str],
    /// The names of the classes, in order.
    pub classes: &'static [&'static str],
}

impl Tabular {
    /// Reads a table that is compiled in; the label is the last column.
    pub(super) fn embedded(
        what: &'static str,
        file: &'static [u8],
        features: &'static [&'static str],
        classes: &'static [&'static str],
    ) -> Self {
        let reader = crate::CsvReader::new().header(false).label(features.len());
        match reader.parse(what, file).and_then(|table| table.into_classes()) {
            Ok(data) => Self { data, features, classes },
            // The bytes are compiled in and a test reads them.
            Err(error) => unreachable!("{error}"),
        }
    }
}
