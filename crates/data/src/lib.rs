//! Examples: data sets, the order in which they are presented, augmentation, normalisation, readers.
//!
//! A [`Dataset`] hands out examples by number; a [`Loader`] cuts it into batches, epoch by epoch, in an order that a [`Sampler`]
//! chooses; a [`Normalizer`], fitted on the training part, makes the inputs easier to learn from; an [`Augment`] shows every
//! image a little differently each time, and a [`TestTimePlan`] follows from it.
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
//!
//! Two features bring dependencies that take long to compile, and are off unless asked for:
//!
//! | feature | brings | for |
//! |---|---|---|
//! | `linalg` | faer | fitting [`PcaWhitening`], [`ZcaWhitening`] and [`ColorPca`]; what was fitted is read, applied and stored without it |
//! | `pictures` | image | [`Picture`] and [`ImageFolder`] |
#![forbid(unsafe_code)]

mod atomic;
mod augment;
mod augmentation;
mod augmentations;
mod covariance;
mod crops;
mod dataset;
mod datasets;
#[cfg(feature = "linalg")]
mod eigen;
#[cfg(feature = "linalg")]
mod eigen_weak;
mod error;
mod far_off;
mod fingerprint;
mod fitted;
mod image;
mod loader;
mod mixup;
mod moments;
mod normalizer;
mod normalizers;
mod part;
mod reader;
mod readers;
mod resize;
mod sampler;
pub mod samplers;
mod split;
mod suspect;
mod targets;
mod test_time_plan;
mod warp;

pub use atomic::write_atomically;
pub use augment::Augment;
pub use augmentation::{Augmentation, TestStep, Views};
pub use augmentations::{
    Brightness, CenterCrop, Clamp, ColorPca, ColorScale, Contrast, Cutout, GaussianNoise, HorizontalFlip, Hue, PadCrop,
    RandomAffine, RandomCrop, RandomErasing, ResizedCrop, Rotation, Saturation, VerticalFlip, Zoom,
};
pub use covariance::Covariance;
pub use crops::{crop_flip, flip_horizontal, flip_vertical, pad_crop, ten_crop, turn_left};
pub use dataset::{Batch, Dataset};
pub use datasets::{
    Concat, ImageDataset, Map, SoftLabels, Subset, Tabular, TensorDataset, breast_cancer, digits, wine,
};
pub use error::DataError;
pub use far_off::{FarFeature, FarOff};
pub use fingerprint::Fingerprint;
pub use fitted::{Fit, Fitted, Normalized};
pub use image::{Border, Image};
pub use loader::{Epoch, Loader};
pub use mixup::{CutMix, Mixup};
pub use moments::Moments;
pub use normalizer::{Examples, Normalizer};
pub use normalizers::{Keep, MinMax, PcaOptions, PcaWhitening, PerChannel, Pipeline, Standardizer, Step, ZcaWhitening};
pub use part::{Part, Provenance, Purpose, Role, Split, Test, TestPart, Train, TrainPart, Valid, ValidPart};
pub use readers::{
    Cifar, Column, CsvReader, Idx, IdxKind, IdxReader, Missing, Mnist, MnistReader, NpyReader, NpzReader, Table,
    cifar10, cifar100, encode_npy, encode_npz, mnist, parse_npy, read_npy, read_npy_indices, read_npz, write_npy,
    write_npz,
};
#[cfg(feature = "pictures")]
pub use readers::{ImageFolder, Picture};
pub use resize::{Interpolation, resize, resize_adjoint, zoom};
pub use sampler::{Evidence, Rival, Sampler};
pub use split::{Fold, k_folds, split, split_indices, stratified_k_folds, stratified_split};
pub use suspect::{Suspect, suspects_csv};
pub use targets::Targets;
pub use test_time_plan::TestTimePlan;
pub use warp::{Sampling, Transform, affine};
