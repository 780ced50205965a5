//! Checks across crates: the claims of the lecture, gradients of every operation, hostile files, whole trainings.
#![forbid(unsafe_code)]

pub mod fuzz;
pub mod gradients;
pub mod survive;
