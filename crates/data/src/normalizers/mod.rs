//! The normalisers: column by column, channel by channel, and along the principal axes.

mod min_max;
mod pca_whitening;
mod per_channel;
mod pipeline;
mod standardizer;
mod zca_whitening;

pub use min_max::MinMax;
pub use pca_whitening::{Keep, PcaOptions, PcaWhitening};
pub use per_channel::PerChannel;
pub use pipeline::{Pipeline, Step};
pub use standardizer::Standardizer;
pub use zca_whitening::ZcaWhitening;
