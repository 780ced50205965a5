//! Tests across the crate: against other systems, against threads, against hostile files.

mod hostile;
mod images;
mod loader;
mod reference;
