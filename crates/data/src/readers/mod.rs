//! The readers: CSV, IDX and MNIST's folder of it, npy and npz, pictures and folders of them, CIFAR.

mod cifar;
mod csv;
mod idx;
mod idx_reader;
#[cfg(feature = "pictures")]
mod image_folder;
#[cfg(feature = "pictures")]
mod jpeg;
mod mnist;
mod npy;
mod npy_reader;
mod npz;
mod npz_reader;
#[cfg(feature = "pictures")]
mod picture;

pub use cifar::{Cifar, cifar10, cifar100};
pub use csv::{Column, CsvReader, Missing, Table};
pub use idx::{Idx, IdxKind};
pub use idx_reader::IdxReader;
#[cfg(feature = "pictures")]
pub use image_folder::ImageFolder;
pub use mnist::{Mnist, MnistReader, mnist};
pub use npy::{encode_npy, parse_npy, read_npy, read_npy_indices, write_npy};
pub use npy_reader::NpyReader;
pub use npz::{encode_npz, read_npz, write_npz};
pub use npz_reader::NpzReader;
#[cfg(feature = "pictures")]
pub use picture::Picture;
