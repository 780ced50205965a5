//! The data sets: in memory, images of bytes, parts of others, changed, joined, and those that come with the crate.

mod breast_cancer;
mod concat;
mod digits;
mod image_dataset;
mod map;
mod soft_labels;
mod subset;
mod tabular;
mod tensor_dataset;
mod wine;

pub use breast_cancer::breast_cancer;
pub use concat::Concat;
pub use digits::digits;
pub use image_dataset::ImageDataset;
pub use map::Map;
pub use soft_labels::SoftLabels;
pub use subset::Subset;
pub use tabular::Tabular;
pub use tensor_dataset::TensorDataset;
pub use wine::wine;
