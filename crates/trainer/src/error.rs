//! What can go wrong with a training, and what to do about it.

use crate::{FileError, Monitor, Origin};
use kniff_data::DataError;
use kniff_nn::{CoverageError, LossError, ShapeError, StatisticsError};
use kniff_optim::OptimError;
use std::fmt;
use std::path::PathBuf;

/// Which data were being used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The training data.
    Training,
    /// The validation data, after an epoch.
    Validation,
    /// The data that [`crate::Trainer::evaluate`] was given.
    Evaluation,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Training => "training",
            Self::Validation => "validation",
            Self::Evaluation => "evaluation",
        })
    }
}

/// Why a training could not begin or go on.
///
/// What could be seen before the first step was: then no weight has changed. After an error on the way, the model holds the
/// last weights that were known to be good, and [`crate::Trainer::history`] what happened until then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// A setting of the trainer that cannot be.
    #[error("{what} is {found}, but must be {expected}")]
    Setting {
        /// The setting.
        what: &'static str,
        /// What it may be.
        expected: &'static str,
        /// What it is.
        found: String,
    },
    /// The optimiser or the schedule has a setting that cannot be.
    #[error(transparent)]
    Settings(OptimError),
    /// The data could not be read, or are not what a training can use.
    #[error("the {phase} data: {source}")]
    Data {
        /// Which data.
        phase: Phase,
        /// What is wrong with them.
        source: DataError,
    },
    /// A layer does not take the shape it would get from these data.
    #[error("the {phase} data do not fit the model: {source}")]
    Shape {
        /// Which data.
        phase: Phase,
        /// The layer, the shape it was given, and what it takes.
        source: ShapeError,
    },
    /// The targets do not fit the loss or the model's output.
    #[error("the {phase} data, {}: {source}", example.map_or_else(|| "first batch".to_owned(), |e| format!("example {e}")))]
    Loss {
        /// Which data.
        phase: Phase,
        /// The example's number in the data set, where one example is to blame.
        example: Option<usize>,
        /// What is wrong.
        source: LossError,
    },
    /// A metric cannot be taken of the model's outputs.
    #[error("the metric {metric}: {reason}")]
    Metric {
        /// The metric's name.
        metric: String,
        /// What does not fit, and what would.
        reason: String,
    },
    /// The loss ignores every label, or gives every class that occurs the weight 0.
    #[error(
        "no example of the {phase} data counts for the loss: every label is ignored, or its class has the weight 0; look \
         at the loss's ignore_index and class_weights, and at the labels"
    )]
    NothingCounts {
        /// Which data.
        phase: Phase,
    },
    /// An input is infinite or not a number.
    #[error(
        "the {phase} data, example {example}: input {position} is {value}; mend or drop the example, and look at what \
         normalises the inputs (a division by a variance of 0?)"
    )]
    NonFiniteInput {
        /// Which data.
        phase: Phase,
        /// The example's number in the data set.
        example: usize,
        /// Which of its numbers, in row-major order.
        position: usize,
        /// What it is.
        value: f64,
    },
    /// A batch has fewer examples than a layer takes in training: batch norm cannot take a variance over one.
    #[error(
        "batch {batch} of {batches} has {examples} example(s), but training this model takes at least {needed} (batch \
         norm takes a variance over them); use Loader::drop_last(true) or another batch size"
    )]
    BatchTooSmall {
        /// The batch, counted from 1.
        batch: usize,
        /// How many there are in an epoch.
        batches: usize,
        /// How many examples it has.
        examples: usize,
        /// How many it needs.
        needed: usize,
    },
    /// The data are used against what they are for: trained on a test part, validated on another split's, normalised differently.
    #[error("the {phase} data: {reason}")]
    Contract {
        /// Which data.
        phase: Phase,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// A normaliser is not the one that the training data went through.
    #[error(
        "the normaliser is {expected}, but the model was trained on inputs normalised by {found}; keep the two together"
    )]
    Normalizer {
        /// The fingerprint of the normaliser that was handed in.
        expected: String,
        /// That of the training data.
        found: String,
    },
    /// Parameters that no gradient reaches would stay as they are.
    #[error(transparent)]
    NotReached(CoverageError),
    /// Running statistics could not be taken anew.
    #[error(transparent)]
    Statistics(StatisticsError),
    /// What is monitored is not there.
    #[error("{who} watches {monitor}, but {reason}")]
    Monitor {
        /// Who watches.
        who: String,
        /// What.
        monitor: Monitor,
        /// Why it is not there.
        reason: String,
    },
    /// The loss became infinite or NaN.
    #[error(
        "the {phase} loss became {loss} in epoch {epoch}, step {step}, at learning rate {learning_rate}; lower the \
         learning rate (a tenth of it), clip the gradient's norm, or standardise the inputs. The model holds {kept}{}",
        told(origin)
    )]
    NonFiniteLoss {
        /// Which data.
        phase: Phase,
        /// The epoch, counted from 1.
        epoch: usize,
        /// The step within all of the training, counted from 1.
        step: usize,
        /// The loss.
        loss: f64,
        /// The learning rate of the step.
        learning_rate: f64,
        /// Where it was seen first, if that was in a training step.
        origin: Option<Box<Origin>>,
        /// Which weights the model has been given back.
        kept: Kept,
    },
    /// A gradient became infinite or NaN, where the loss was finite.
    #[error(
        "the gradient of {parameter} is no longer finite in epoch {epoch}, step {step}, at learning rate {learning_rate}; the loss \
         was {loss}. Look for a division by zero, or the root or the logarithm of zero. The model holds {kept}{}",
        told(origin)
    )]
    NonFiniteGradient {
        /// The first such parameter, by path name.
        parameter: String,
        /// The epoch, counted from 1.
        epoch: usize,
        /// The step within all of the training, counted from 1.
        step: usize,
        /// The loss.
        loss: f64,
        /// The learning rate of the step.
        learning_rate: f64,
        /// Where it was seen first.
        origin: Option<Box<Origin>>,
        /// Which weights the model has been given back.
        kept: Kept,
    },
    /// A weight or a running statistic became infinite or NaN.
    #[error(
        "{parameter} is no longer finite in epoch {epoch}, at learning rate {learning_rate}; lower the \
         learning rate (a tenth of it) or clip the gradient's norm. The model holds {kept}"
    )]
    NonFiniteWeights {
        /// The first such parameter or buffer, by path name.
        parameter: String,
        /// The epoch, counted from 1.
        epoch: usize,
        /// The learning rate of the last step.
        learning_rate: f64,
        /// Which weights the model has been given back.
        kept: Kept,
    },
    /// The optimiser or the schedule refused.
    #[error("epoch {epoch}, step {step}: {source}")]
    Optimizer {
        /// The epoch, counted from 1.
        epoch: usize,
        /// The step within all of the training, counted from 1.
        step: usize,
        /// Why.
        source: OptimError,
    },
    /// A callback failed.
    #[error("{callback}: {reason}")]
    Callback {
        /// The callback's name.
        callback: String,
        /// What went wrong.
        reason: String,
    },
    /// The curvature of the loss could not be measured.
    #[error("the curvature could not be measured: {reason}")]
    Curvature {
        /// Why, and what to look at.
        reason: String,
    },
    /// A model file or a checkpoint could not be written or read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A checkpoint is that of another training.
    #[error("{}: the checkpoint is that of another training:{}", file.display(), list(differences))]
    Resume {
        /// The checkpoint.
        file: PathBuf,
        /// All that differs.
        differences: Vec<Difference>,
    },
    /// A training that was not resumed would write its checkpoints among those of another.
    #[error(
        "{} is there already; go on from it with Trainer::resume, or give the checkpoints a folder of their own", file.display()
    )]
    Occupied {
        /// The newest checkpoint that is there.
        file: PathBuf,
    },
    /// Another training that runs now writes its checkpoints into the folder.
    #[error(
        "another training is writing its checkpoints into {}; wait for its end, or give this one a folder of its own", folder.display()
    )]
    Busy {
        /// The folder.
        folder: PathBuf,
    },
    /// What a callback is to remember is not in its memory.
    #[error("a callback's memory: {name}: {reason}")]
    Memory {
        /// The name of the value.
        name: String,
        /// What is wrong.
        reason: String,
    },
}

/// Something that is not as it was when a checkpoint was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What it is.
    pub what: String,
    /// In the checkpoint.
    pub then: String,
    /// Now.
    pub now: String,
}

impl TrainError {
    /// Whether a loss, a gradient or a weight was no longer finite: the training diverged.
    pub fn is_non_finite(&self) -> bool {
        matches!(self, Self::NonFiniteLoss { .. } | Self::NonFiniteGradient { .. } | Self::NonFiniteWeights { .. })
    }
}

fn told(origin: &Option<Box<Origin>>) -> String {
    origin.as_ref().map_or_else(String::new, |origin| format!(". {origin}"))
}

fn list(differences: &[Difference]) -> String {
    let line = |d: &Difference| format!("\n  {}: {} in the checkpoint, {} here", d.what, d.then, d.now);
    differences.iter().map(line).collect()
}

/// Which weights a model holds after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Those it came with.
    Start,
    /// Those of the end of an epoch.
    Epoch(usize),
    /// Those of the checkpoint after so many steps, from which the training was resumed.
    Step(usize),
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start => f.write_str("the weights it started with"),
            Self::Epoch(epoch) => write!(f, "the weights of epoch {epoch}"),
            Self::Step(step) => write!(f, "the weights of the checkpoint after step {step}"),
        }
    }
}
