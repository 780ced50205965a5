//! What can be wrong with data that comes from outside.

use kniff_tensor::Shape;

/// Why data could not be read, checked, split, batched or normalised.
///
/// Every message says where it happened, what was expected, what was found and, where that is not obvious, what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// A file could not be opened or read, or not be written.
    #[error("{file}: {source}")]
    Io {
        /// The file, or a name for the stream.
        file: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is not what it should be: another format, cut short, too long, inconsistent.
    #[error("{file}: expected {expected}, found {found}")]
    Format {
        /// The file, or a name for the stream.
        file: String,
        /// What should have been there.
        expected: String,
        /// What was there.
        found: String,
    },
    /// A cell of a table is missing or is not what its column holds.
    #[error("{file}, line {line}, column {column}: expected {expected}, found {found}; {mend}")]
    Cell {
        /// The file, or a name for the stream.
        file: String,
        /// The line, counted from 1.
        line: u64,
        /// The column's name, or its number counted from 0.
        column: String,
        /// What should have been there.
        expected: String,
        /// What was there.
        found: String,
        /// What to do.
        mend: &'static str,
    },
    /// There are no examples.
    #[error("{what} has no examples; at least one is needed")]
    Empty {
        /// What is empty.
        what: &'static str,
    },
    /// Inputs and targets, or labels and examples, do not have the same length.
    #[error("{expected} examples, but {found} {what}; there must be one per example")]
    Lengths {
        /// What there is too much or too little of.
        what: &'static str,
        /// How many examples there are.
        expected: usize,
        /// How many of the other there are.
        found: usize,
    },
    /// An example was asked for that does not exist.
    #[error("example {index} was asked for, but there are only {len} (the last is {})", len.saturating_sub(1))]
    Index {
        /// The example's number.
        index: usize,
        /// How many there are.
        len: usize,
    },
    /// Shapes do not fit.
    #[error("{what}: expected shape {expected}, found {found}")]
    Shape {
        /// Where.
        what: &'static str,
        /// What should have been, `n` standing for any number of examples.
        expected: String,
        /// What was.
        found: Shape,
    },
    /// A number is infinite or not a number.
    #[error("{what}: row {row}, column {column} is {value}; replace or drop the row before going on")]
    NotFinite {
        /// Where.
        what: &'static str,
        /// The example.
        row: usize,
        /// The position within the flattened example.
        column: usize,
        /// The number.
        value: f64,
    },
    /// A class label is outside the classes.
    #[error("example {row} has label {label}, but there are {classes} classes (labels 0 to {})", classes.saturating_sub(1))]
    Label {
        /// The example.
        row: usize,
        /// Its label.
        label: usize,
        /// How many classes there are.
        classes: usize,
    },
    /// All examples are of one class, so that there is nothing to tell apart.
    #[error("all {examples} examples are of class {class}; a classifier needs examples of at least two")]
    OneClass {
        /// The class.
        class: usize,
        /// How many examples there are.
        examples: usize,
    },
    /// A class has too few examples for what was asked.
    #[error("class {class} has {found} example(s), but {what} needs at least {needed} of each class; {mend}")]
    Class {
        /// The class.
        class: usize,
        /// How many examples it has.
        found: usize,
        /// How many it needs.
        needed: usize,
        /// For what.
        what: &'static str,
        /// What to do.
        mend: &'static str,
    },
    /// A setting makes no sense, or not with this data.
    #[error("{what}: expected {expected}, found {found}")]
    Setting {
        /// Which setting.
        what: &'static str,
        /// What it may be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// Data are used against what they are for, or a normaliser against what it was fitted on.
    #[error("expected {expected}, found {found}; {mend}")]
    Contract {
        /// What should have been given.
        expected: String,
        /// What was given.
        found: String,
        /// What to do.
        mend: &'static str,
    },
    /// A data set or a transformation panicked while it made a batch.
    #[error("making batch {batch} panicked: {message}")]
    Panicked {
        /// The batch's number within the epoch.
        batch: usize,
        /// The panic's message.
        message: String,
    },
    /// A matrix decomposition did not come to an end.
    #[error(
        "{what}: the eigendecomposition did not converge; the data may be too large or too small in scale, standardise it first"
    )]
    Decomposition {
        /// Of what.
        what: &'static str,
    },
}

impl DataError {
    pub(crate) fn format(file: &str, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self::Format { file: file.to_owned(), expected: expected.into(), found: found.into() }
    }

    pub(crate) fn io(file: &str, source: std::io::Error) -> Self {
        Self::Io { file: file.to_owned(), source }
    }

    pub(crate) fn setting(what: &'static str, expected: impl Into<String>, found: impl ToString) -> Self {
        Self::Setting { what, expected: expected.into(), found: found.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_place_expectation_and_find() {
        let e = DataError::format("train.idx", "16 bytes of header", "3 bytes");
        assert_eq!(e.to_string(), "train.idx: expected 16 bytes of header, found 3 bytes");
        let e = DataError::Label { row: 4, label: 10, classes: 10 };
        assert_eq!(e.to_string(), "example 4 has label 10, but there are 10 classes (labels 0 to 9)");
    }

    #[test]
    fn errors_travel_between_threads() {
        fn travels<T: Send + Sync + 'static>() {}
        travels::<DataError>();
    }
}
