//! The claims of the lecture, one module each, and the properties that hold across crates.

mod determinism;
mod golden;
mod gradients;
