//! The samplers: in order, shuffled, by class, by weight.

mod class_alternating;
mod sequential;
mod shuffled;
mod stratified;
mod weighted;

pub use class_alternating::ClassAlternating;
pub use sequential::Sequential;
pub use shuffled::Shuffled;
pub use stratified::Stratified;
pub use weighted::Weighted;
