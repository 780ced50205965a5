//! Kills a training again and again, and compares what it ends with.

mod kills;
mod training;

pub use kills::{Outcome, kill_and_compare};
pub use training::{EVERY, train};
