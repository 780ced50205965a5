//! Checks across crates: the claims of the lecture, gradients of every operation, whole trainings.
#![forbid(unsafe_code)]

pub mod gradients;
