//! What most programs use: `use kniff::prelude::*;`.

pub use kniff_autograd::{Gradients, Parameter, Var};
/// Needs the feature `pictures`.
#[cfg(feature = "pictures")]
pub use kniff_data::ImageFolder;
pub use kniff_data::{
    Augment, Batch, ColorPca, Dataset, Fit, Fitted, HorizontalFlip, ImageDataset, Loader, Normalizer, PadCrop,
    PerChannel, RandomCrop, Split, Standardizer, TensorDataset, TestTimePlan, digits, split, stratified_split,
};
pub use kniff_init::{
    Critical, GlorotNormal, GlorotUniform, HeNormal, HeUniform, Initializer, LecunNormal, LecunUniform,
};
pub use kniff_nn::layers::{
    AdaptiveAvgPool2d, AvgPool2d, BatchNorm1d, BatchNorm2d, Conv1d, Conv2d, ConvTranspose2d, Dropout, Embedding,
    Flatten, Gru, LastStep, LayerNorm, Linear, Lstm, MaxPool2d, Padding, Relu, Residual, Sequential, Tanh,
};
pub use kniff_nn::losses::{BinaryCrossEntropy, CrossEntropy, Huber, MeanSquaredError};
pub use kniff_nn::{Layer, Loss, Model, Module, ModuleExt, memory_plan, summary};
pub use kniff_optim::{Adam, AdamW, Clip, Cosine, CutOnPlateau, Momentum, OneCycle, Optimizer, Rule, Schedule, Sgd};
pub use kniff_tensor::{Element, Indices, Precision, Rng, Shape, Tensor};
/// Needs the feature `linalg`.
#[cfg(feature = "linalg")]
pub use kniff_trainer::CurvatureWatch;
/// Needs the feature `linalg`.
#[cfg(feature = "linalg")]
pub use kniff_trainer::curvature::Lanczos;
pub use kniff_trainer::curvature::Surface;
pub use kniff_trainer::metrics::{Accuracy, ConfusionMatrix, TopK};
pub use kniff_trainer::{
    AveragedWeights, Callback, Checkpoint, Checkpoints, ClosingPolicy, Control, EarlyStopping, Every, History, Metric,
    ModelFile, Monitor, Predictor, Progress, RangeTest, Stopped, TrainError, Trainer, View,
};
