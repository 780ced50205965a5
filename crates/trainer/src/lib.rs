//! The training loop: fit, evaluate, metrics, callbacks, model files.
//!
//! A [`Trainer`] takes a model, a loss and an optimiser through epochs of steps; [`metrics`] say how good the outputs are,
//! [`callbacks`] see the training and may end it, the [`History`] is data. A [`Checkpoint`] holds all of a training, a [`ModelFile`] what was learnt.
//! All of it is optional: the loop by hand is ten lines, shown at [`Trainer`].
//!
//! The feature `linalg` brings faer, and with it what needs the eigenvalues of the loss's curvature: [`curvature::Lanczos`],
//! [`curvature::spectral_density`], [`curvature::CurvatureReport`] and [`CurvatureWatch`]. It takes long to compile, and is off unless asked for.
#![forbid(unsafe_code)]

mod batches;
mod callback;
pub mod callbacks;
mod checkpoint;
mod checkpoints;
mod checks;
mod closing;
mod codec;
pub mod curvature;
mod error;
mod evaluate;
mod fit;
mod fits;
mod frame;
mod history;
mod interrupt;
mod memory;
mod metric;
pub mod metrics;
mod model_file;
mod monitor;
mod origin;
mod predictor;
mod progress;
mod range_test;
mod re_estimate;
mod replay;
mod resume;
mod rivals;
mod run;
mod snapshot;
mod stepper;
mod steps;
mod test_time;
mod trainer;

pub use batches::{Batches, EpochOf};
pub use callback::{Callback, Control, View};
pub use callbacks::{AveragedWeights, BestWeights, CsvLog, EarlyStopping, JsonLinesLog, LearningRateLog, OnEpochEnd};
#[cfg(feature = "linalg")]
pub use callbacks::{CurvatureLog, CurvatureWatch};
pub use checkpoint::Checkpoint;
pub use checkpoints::Checkpoints;
pub use closing::ClosingPolicy;
pub use error::{Difference, Kept, Phase, TrainError};
pub use evaluate::{Evaluation, evaluate};
pub use fit::{FitReport, Stopped};
pub use history::{EpochRecord, History, HistoryError, MetricRecord};
pub use memory::Memory;
pub use metric::{Metric, Predictions};
pub use model_file::{FileError, ModelFile};
pub use monitor::Monitor;
pub use origin::Origin;
pub use predictor::{CompiledPredictor, Predictor};
pub use progress::Progress;
pub use range_test::{RangePoint, RangeReport, RangeTest};
pub use re_estimate::re_estimate_statistics;
pub use replay::Replay;
pub use test_time::{Average, PlanRow, PlanTable, compare_plans, predict_views};
pub use trainer::{Every, Trainer};
