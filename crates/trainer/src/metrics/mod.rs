//! The metrics: one file each.

mod accuracy;
mod binary_accuracy;
mod confusion_matrix;
mod mean_absolute_error;
mod mean_loss;
mod r2;
mod root_mean_squared_error;
mod top_k;

pub use accuracy::Accuracy;
pub use binary_accuracy::BinaryAccuracy;
pub use confusion_matrix::{ClassReport, ConfusionMatrix};
pub use mean_absolute_error::MeanAbsoluteError;
pub use mean_loss::MeanLoss;
pub use r2::R2;
pub use root_mean_squared_error::RootMeanSquaredError;
pub use top_k::TopK;
