//! The update rules, one file each.

mod adadelta;
mod adagrad;
mod adam;
mod adamax;
mod adamw;
mod lion;
mod momentum;
mod nadam;
mod nesterov;
mod radam;
mod rmsprop;
mod rprop;
mod sgd;

pub use adadelta::AdaDelta;
pub use adagrad::AdaGrad;
pub use adam::Adam;
pub use adamax::Adamax;
pub use adamw::AdamW;
pub use lion::Lion;
pub use momentum::Momentum;
pub use nadam::NAdam;
pub use nesterov::Nesterov;
pub use radam::RAdam;
pub use rmsprop::RmsProp;
pub use rprop::Rprop;
pub use sgd::Sgd;

use serde::{Deserialize, Serialize};

/// Where a rule that divides by a root adds its epsilon.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Epsilon {
    /// `sqrt(v) + epsilon`: PyTorch.
    #[default]
    Outside,
    /// `sqrt(v + epsilon)`: Keras' and optax's RMSProp, optax's `eps_root`. A given number acts far more strongly here:
    /// 1e-8 inside is 1e-4 outside.
    Inside,
}
