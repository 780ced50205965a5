//! The learning-rate schedules, one file each.

mod constant;
mod cosine;
mod cosine_warm_restarts;
mod cut_on_plateau;
mod exponential;
mod inverse_sqrt;
mod lambda;
mod linear;
mod multi_step;
mod noam;
mod one_cycle;
mod polynomial;
mod sequence;
mod step_decay;

pub use constant::Constant;
pub use cosine::Cosine;
pub use cosine_warm_restarts::CosineWarmRestarts;
pub use cut_on_plateau::{CutOnPlateau, Mode, Threshold};
pub use exponential::Exponential;
pub use inverse_sqrt::InverseSqrt;
pub use lambda::Lambda;
pub use linear::Linear;
pub use multi_step::MultiStep;
pub use noam::Noam;
pub use one_cycle::{Anneal, OneCycle};
pub use polynomial::Polynomial;
pub use sequence::Sequence;
pub use step_decay::StepDecay;
