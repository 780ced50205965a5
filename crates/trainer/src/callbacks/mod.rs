//! The callbacks: one file each.

mod averaged_weights;
mod best_weights;
mod csv_log;
#[cfg(feature = "linalg")]
mod curvature_watch;
mod early_stopping;
mod json_lines_log;
mod learning_rate_log;
mod on_epoch_end;

pub use averaged_weights::AveragedWeights;
pub use best_weights::BestWeights;
pub use csv_log::CsvLog;
#[cfg(feature = "linalg")]
pub use curvature_watch::{CurvatureLog, CurvatureWatch};
pub use early_stopping::EarlyStopping;
pub use json_lines_log::JsonLinesLog;
pub use learning_rate_log::LearningRateLog;
pub use on_epoch_end::OnEpochEnd;
