//! The data sets: in memory, parts of others, changed, joined, and one that comes with the crate.

mod concat;
mod digits;
mod map;
mod subset;
mod tensor_dataset;

pub use concat::Concat;
pub use digits::digits;
pub use map::Map;
pub use subset::Subset;
pub use tensor_dataset::TensorDataset;
