//! The readers: IDX, MNIST's folder of IDX files, CSV, npy.

mod csv;
mod idx;
mod mnist;
mod npy;

pub use csv::{Column, CsvReader, Missing, Table};
pub use idx::{Idx, IdxKind};
pub use mnist::{Mnist, mnist};
pub use npy::{encode_npy, parse_npy, read_npy, read_npy_indices, write_npy};
