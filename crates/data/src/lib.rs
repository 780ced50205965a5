//! Examples: data sets, the order in which they are presented, normalisation, readers.
//!
//! A [`Dataset`] hands out examples by number; a [`Loader`] cuts it into batches, epoch by epoch, in an order that a [`Sampler`]
//! chooses; a [`Normalizer`], fitted on the training part, makes the inputs easier to learn from.
//!
//! ```
//! use kniff_data::{Dataset, Loader, Normalizer, Standardizer, digits, stratified_split};
//! use kniff_tensor::Rng;
//!
//! let rng = Rng::new(7);
//! let data = digits();
//! data.validate_classes(10)?;
//!
//! // A fifth of every digit is kept for testing; the normaliser sees the rest only.
//! let (train, test) = stratified_split(data.targets(), 0.2, &mut rng.stream("split"))?;
//! let (train, test) = (data.select(&train)?, data.select(&test)?);
//! let standardizer = Standardizer::fit(train.inputs())?;
//! let train = train.map_inputs(|x| standardizer.transform(x))?;
//! let test = test.map_inputs(|x| standardizer.transform(x))?;
//! assert_eq!((train.len(), test.len()), (1438, 359));
//!
//! // Two threads make batches ahead; the order depends on the seed and the epoch only.
//! let loader = Loader::new(train).batch_size(64).shuffle(&rng).prefetch(2, 4);
//! for epoch in 0..2 {
//!     for batch in loader.epoch(epoch) {
//!         let batch = batch?;
//!         assert_eq!(batch.inputs.shape()[1], 64);
//!         assert_eq!(batch.targets.len(), batch.inputs.shape()[0]);
//!     }
//! }
//! # Ok::<(), kniff_data::DataError>(())
//! ```
#![forbid(unsafe_code)]

mod covariance;
mod dataset;
mod datasets;
mod eigen;
mod error;
mod loader;
mod moments;
mod normalizer;
mod normalizers;
mod reader;
mod readers;
mod sampler;
pub mod samplers;
mod split;
mod suspect;
mod targets;

pub use covariance::Covariance;
pub use dataset::{Batch, Dataset};
pub use datasets::{Concat, Map, Subset, Tabular, TensorDataset, breast_cancer, digits, wine};
pub use error::DataError;
pub use loader::{Epoch, Loader};
pub use moments::Moments;
pub use normalizer::{Examples, Normalizer};
pub use normalizers::{Keep, MinMax, PcaOptions, PcaWhitening, PerChannel, Pipeline, Standardizer, Step, ZcaWhitening};
pub use readers::{
    Column, CsvReader, Idx, IdxKind, Missing, Mnist, Table, encode_npy, mnist, parse_npy, read_npy, read_npy_indices,
    write_npy,
};
pub use sampler::{Evidence, Rival, Sampler};
pub use split::{Fold, k_folds, split, split_indices, stratified_k_folds, stratified_split};
pub use suspect::{Suspect, suspects_csv};
pub use targets::Targets;
