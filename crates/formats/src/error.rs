//! What can be wrong with weights from elsewhere.

use kniff_data::DataError;
use kniff_nn::StateError;

/// Why weights could not be read, written or used.
///
/// Every message says which file and which tensor, what was expected and what was found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The system could not open, read or write a file.
    #[error("{file}: {source}")]
    Io {
        /// The file.
        file: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is not what it should be: another format, cut short, inconsistent.
    #[error("{file}: expected {expected}, found {found}")]
    Damaged {
        /// The file.
        file: String,
        /// What should have been there.
        expected: String,
        /// What was there.
        found: String,
    },
    /// A tensor's numbers are of a type that is not read.
    #[error(
        "{file}: tensor {tensor:?} holds {found}; floats, integers and booleans are read: convert it, or drop it, where the file is written"
    )]
    Type {
        /// The file.
        file: String,
        /// The tensor's name.
        tensor: String,
        /// The type, as the format names it.
        found: String,
    },
    /// A tensor holds a finite number that the model's type cannot hold.
    #[error("{file}: tensor {tensor:?} holds {value:e} at {position}, which {element} cannot hold; read it as f64")]
    Range {
        /// The file.
        file: String,
        /// The tensor's name.
        tensor: String,
        /// Where, in row-major order.
        position: usize,
        /// The number.
        value: f64,
        /// The type asked for.
        element: &'static str,
    },
    /// Two tensors have one name, mostly because they were renamed to it.
    #[error("{file}: two tensors are named {name:?}; names must differ")]
    Names {
        /// The file.
        file: String,
        /// The name.
        name: String,
    },
    /// The tensors are not those of the model.
    #[error("{file}: {source}")]
    State {
        /// The file.
        file: String,
        /// Which names and shapes differ.
        source: StateError,
    },
    /// Not one tensor has the name of one in the model.
    #[error(
        "{file}: no tensor has a name of the model; the file has {has}, the model {wants}: rename them, or strip a prefix"
    )]
    Nothing {
        /// The file.
        file: String,
        /// The file's first names.
        has: String,
        /// The model's first names.
        wants: String,
    },
    /// An npz file is not what it should be.
    #[error(transparent)]
    Data(#[from] DataError),
}

impl FormatError {
    pub(crate) fn damaged(file: &str, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self::Damaged { file: file.to_owned(), expected: expected.into(), found: found.into() }
    }
}
