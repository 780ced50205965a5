//! Every reader against files that are damaged or made to do damage.
//!
//! A reader gives what it read or an error that says what is wrong. It never panics, never runs for ever, and never asks for
//! more memory than the file's size or its documented limit justify. `cargo xtask fuzz` looks for files that break this,
//! `fuzz/` does the same with libFuzzer, and the tests hold every file against it that ever did.

mod child;
mod clock;
mod mutate;
mod parent;
mod reader;
mod readers;
mod settings;
mod training;

pub use child::{Child, Outcome};
pub use mutate::Mutator;
pub use parent::{Finding, Hunt, Report};
pub use reader::{Reader, corpus};
pub use readers::{READERS, reader};
