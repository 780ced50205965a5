//! The losses: one file each.

mod binary_cross_entropy;
mod cross_entropy;
mod huber;
mod mean_absolute_error;
mod mean_squared_error;
mod smooth_l1;

pub use binary_cross_entropy::BinaryCrossEntropy;
pub use cross_entropy::CrossEntropy;
pub use huber::Huber;
pub use mean_absolute_error::MeanAbsoluteError;
pub use mean_squared_error::MeanSquaredError;
pub use smooth_l1::SmoothL1;
