//! The samplers: in order, shuffled, by class, by weight, by error.

mod class_alternating;
mod sequential;
mod shuffled;
mod stratified;
mod surprise;
mod weighted;

pub use class_alternating::ClassAlternating;
pub use sequential::Sequential;
pub use shuffled::Shuffled;
pub use stratified::Stratified;
pub use surprise::Surprise;
pub use weighted::Weighted;
