//! Weights in and out of other systems: safetensors and npz, with PyTorch's names and layouts.
//!
//! kniff's layers have the parameters that PyTorch's have, under the same names and in the same layout. A state dict that
//! PyTorch saved as safetensors loads into the same network, and one that is written here loads there:
//!
//! ```
//! use kniff_formats::safetensors;
//! use kniff_init::HeNormal;
//! use kniff_nn::layers::{Linear, Relu, Sequential};
//! use kniff_nn::{ModuleExt, Module};
//! use kniff_tensor::Rng;
//!
//! // In Python: nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)).
//! let network = |seed| -> Sequential {
//!     let rng = &mut Rng::new(seed);
//!     Sequential::new().with(Linear::new(4, 8, HeNormal, rng)).with(Relu).with(Linear::new(8, 2, HeNormal, rng))
//! };
//! let path = std::env::temp_dir().join("kniff-formats-example.safetensors");
//! // In Python: safetensors.torch.load_model(network, path).
//! safetensors::save(&network(1), &path)?;
//!
//! // What safetensors.torch.save_model(network, path) wrote is read the same way.
//! let mut other = network(2);
//! safetensors::load_into(&mut other, &path)?;
//! assert_eq!(other.state(), network(1).state());
//! # std::fs::remove_file(&path).unwrap();
//! # Ok::<(), kniff_formats::FormatError>(())
//! ```
//!
//! Where names differ because the structs do, [`Weights`] stand between the file and the model: read them, rename, take a part,
//! turn an axis, and load the whole or what fits.
#![forbid(unsafe_code)]

mod error;
pub mod npz;
pub mod safetensors;
mod weights;

pub use error::FormatError;
pub use weights::{Partial, Weights};
