//! Checks across crates: the claims of the lecture, gradients of every operation, reference values, whole trainings.
#![forbid(unsafe_code)]

pub mod fuzz;
pub mod golden;
pub mod gradients;
pub mod survive;
