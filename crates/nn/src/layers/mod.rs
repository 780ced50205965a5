//! The layers: one file each.

mod activations;
mod alpha_dropout;
mod batch_norm;
mod channel_dropout;
mod classic_dropout;
mod concat;
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
mod maxout;
mod prelu;
mod recurrence;
mod recurrent;
mod residual;
mod rms_norm;
mod rnn;
mod sequential;

pub use activations::{
    Elu, Gelu, HardTanh, LeakyRelu, LogSigmoid, Relu, ScaledTanh, Selu, Sigmoid, Silu, Softplus, Tanh,
};
pub use alpha_dropout::AlphaDropout;
pub use batch_norm::{BatchNorm, BatchNorm1d, BatchNorm2d};
pub use channel_dropout::{ChannelDropout, Dropout1d, Dropout2d};
pub use classic_dropout::ClassicDropout;
pub use concat::Concat;
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
pub use maxout::Maxout;
pub use prelu::Prelu;
pub use recurrence::{Cell, Recurrence};
pub use recurrent::{Recurrent, RecurrentOptions, Unrolled};
pub use residual::Residual;
pub use rms_norm::RmsNorm;
pub use rnn::{Rnn, RnnCell, RnnStep};
pub use sequential::Sequential;
