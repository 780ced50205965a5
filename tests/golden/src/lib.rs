//! Reference values that other systems computed, and how kniff is held against them.
//!
//! [`Set::read`] reads a folder, [`run()`] runs every case whose operation one of the [`families`] knows, and the
//! [`Report`] says what came of it.
#![forbid(unsafe_code)]

pub mod case;
pub mod check;
pub mod compare;
pub mod families;
pub mod manifest;
pub mod problems;
pub mod report;
pub mod run;

pub use case::{Data, Entry, GoldenCase, Level, Role};
pub use check::Check;
pub use compare::{Comparison, Tolerance};
pub use manifest::{GoldenError, Set};
pub use report::Report;
pub use run::{Outcome, run};
