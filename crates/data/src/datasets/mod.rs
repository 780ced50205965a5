//! The data sets: in memory, parts of others, changed, joined, and those that come with the crate.

mod breast_cancer;
mod concat;
mod digits;
mod map;
mod subset;
mod tabular;
mod tensor_dataset;
mod wine;

pub use breast_cancer::breast_cancer;
pub use concat::Concat;
pub use digits::digits;
pub use map::Map;
pub use subset::Subset;
pub use tabular::Tabular;
pub use tensor_dataset::TensorDataset;
pub use wine::wine;
