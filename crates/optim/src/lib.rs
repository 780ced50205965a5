//! Gradient in, step out: update rules, weight decay, clipping, parameter groups and learning-rate schedules.
//!
//! A [`Rule`] says what one step does to one element ([`Sgd`], [`Momentum`], [`RmsProp`], [`Adam`], [`AdamW`], ...); an
//! [`Optimizer`] applies it to the parameters of a model in one fused pass over memory. A [`Schedule`] says which
//! learning rate is in force ([`Cosine`], [`OneCycle`], [`CutOnPlateau`], ...). Each is useful alone:
//! [`Rule::step_slice`] minimises any function of a slice of numbers.

#![forbid(unsafe_code)]

mod average;
mod clip;
mod closing;
mod error;
mod group;
mod optimizer;
mod pass;
mod plateau;
mod rule;
pub mod rules;
mod schedule;
pub mod schedules;
mod student;

pub use average::WeightAverage;
pub use clip::{Clip, global_norm};
pub use closing::{Action, Closing, ClosingProgress, ClosingRecord};
pub use error::OptimError;
pub use group::Group;
pub use optimizer::{Optimizer, OptimizerState, StepReport};
pub use pass::{Fold, Pass};
pub use plateau::{Look, PlateauTest, Trend, Verdict};
pub use rule::{Decay, Now, Rule, State, Update};
pub use rules::{
    AdaDelta, AdaGrad, Adam, AdamW, Adamax, Epsilon, Lion, Momentum, NAdam, Nesterov, RAdam, RmsProp, Rprop, Sgd,
};
pub use schedule::{Reaction, Schedule, ScheduleState};
pub use schedules::{
    Anneal, Constant, Cosine, CosineWarmRestarts, CutOnPlateau, Exponential, InverseSqrt, Lambda, Linear, Mode,
    MultiStep, Noam, OneCycle, Polynomial, Sequence, StepDecay, Threshold,
};
