//! The layers: one file each.

mod activations;
mod adaptive_pool;
mod alpha_dropout;
mod avg_pool;
mod batch_norm;
mod channel_dropout;
mod classic_dropout;
mod concat;
mod conv;
mod conv_transpose;
mod dropout;
mod embedding;
mod flatten;
mod group_norm;
mod gru;
mod instance_norm;
mod last_step;
mod layer_norm;
mod linear;
mod lstm;
mod max_pool;
mod maxout;
mod padding;
mod prelu;
mod recurrence;
mod recurrent;
mod residual;
mod rms_norm;
mod rnn;
mod sequential;
mod sides;
mod upsample;

pub use activations::{
    Elu, Gelu, HardTanh, LeakyRelu, LogSigmoid, Relu, ScaledTanh, Selu, Sigmoid, Silu, Softplus, Tanh,
};
pub use adaptive_pool::{
    AdaptiveAvgPool, AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveMaxPool, AdaptiveMaxPool1d, AdaptiveMaxPool2d,
};
pub use alpha_dropout::AlphaDropout;
pub use avg_pool::{AvgPool, AvgPool1d, AvgPool2d};
pub use batch_norm::{BatchNorm, BatchNorm1d, BatchNorm2d};
pub use channel_dropout::{ChannelDropout, Dropout1d, Dropout2d};
pub use classic_dropout::ClassicDropout;
pub use concat::Concat;
pub use conv::{Conv, Conv1d, Conv2d};
pub use conv_transpose::{ConvTranspose, ConvTranspose1d, ConvTranspose2d};
pub use dropout::Dropout;
pub use embedding::{Embedding, RowError};
pub use flatten::Flatten;
pub use group_norm::GroupNorm;
pub use gru::{Gru, GruCell, GruStep};
pub use instance_norm::{InstanceNorm, InstanceNorm1d, InstanceNorm2d};
pub use last_step::LastStep;
pub use layer_norm::LayerNorm;
pub use linear::Linear;
pub use lstm::{Lstm, LstmCell, LstmState, LstmStep};
pub use max_pool::{MaxPool, MaxPool1d, MaxPool2d};
pub use maxout::Maxout;
pub use padding::{Padding, PaddingMode};
pub use prelu::Prelu;
pub use recurrence::{Cell, Recurrence};
pub use recurrent::{Recurrent, RecurrentOptions, Unrolled};
pub use residual::Residual;
pub use rms_norm::RmsNorm;
pub use rnn::{Rnn, RnnCell, RnnStep};
pub use sequential::Sequential;
pub use sides::Sides;
pub use upsample::{Upsample, Upsample1d, Upsample2d};
