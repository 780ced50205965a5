//! Tests across the crate: against other systems, against threads, against hostile files.

mod hostile;
mod loader;
mod reference;
