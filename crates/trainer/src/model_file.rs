//! Model files: the weights of a model by name, with what belongs to them, whole or not at all.

use crate::codec::{self, Payload, Stored};
use crate::frame;
use kniff_nn::{Module, ModuleExt, StateError};
use kniff_tensor::{Element, MAX_RANK, Shape, Tensor};
use serde::{Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Parameters and buffers by name, and texts that belong to them: a normaliser, the names of classes, a history.
///
/// On disk it stands in a frame with a version, its length and a checksum, is written beside the old file and put in its
/// place when it is whole. A file that is damaged, cut short, of another version or of another element type is refused with
/// what was expected and what was found; reading takes no more memory than a few times the file's size, whatever the file
/// claims.
///
/// ```
/// use kniff_init::HeNormal;
/// use kniff_nn::layers::{Linear, Relu, Sequential};
/// use kniff_tensor::Rng;
/// use kniff_trainer::ModelFile;
/// let network = |seed| -> Sequential { Sequential::new().with(Linear::new(4, 8, HeNormal, &mut Rng::new(seed))).with(Relu) };
/// let path = std::env::temp_dir().join("kniff-model-file-example.kniff");
/// ModelFile::of(&network(1)).with("classes", &["cat", "dog"])?.save(&path)?;
///
/// let file = ModelFile::<f32>::load(&path)?;
/// let mut other = network(2);
/// file.load_into(&mut other)?;
/// let classes: Vec<String> = file.get("classes")?;
/// assert_eq!(classes, ["cat", "dog"]);
/// assert_eq!(ModelFile::of(&other).state(), ModelFile::of(&network(1)).state());
/// # std::fs::remove_file(&path).unwrap();
/// # Ok::<(), kniff_trainer::FileError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ModelFile<E: Element = f32> {
    /// Where it was read from, for messages.
    file: PathBuf,
    kniff: String,
    state: Vec<(String, Tensor<E>)>,
    metadata: BTreeMap<String, String>,
}

impl<E: Element> ModelFile<E> {
    /// What a model holds now. Nothing is copied until the model changes.
    pub fn of(model: &(impl Module<E> + ?Sized)) -> Self {
        Self {
            file: "a model in memory".into(),
            kniff: env!("CARGO_PKG_VERSION").to_owned(),
            state: model.state(),
            metadata: BTreeMap::new(),
        }
    }

    /// With a value under a name, stored as JSON.
    ///
    /// # Errors
    /// If the value cannot be written as JSON: a map whose keys are not texts, for instance.
    pub fn with(mut self, name: &str, value: &(impl Serialize + ?Sized)) -> Result<Self, FileError> {
        let text = serde_json::to_string(value).map_err(|e| FileError::Metadata {
            file: self.file.clone(),
            name: name.to_owned(),
            reason: e.to_string(),
        })?;
        self.metadata.insert(name.to_owned(), text);
        Ok(self)
    }

    /// The value under a name.
    ///
    /// # Errors
    /// If there is none, or it is of another type.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Result<T, FileError> {
        let fail = |reason| FileError::Metadata { file: self.file.clone(), name: name.to_owned(), reason };
        let text = self.metadata.get(name).ok_or_else(|| {
            let names: Vec<&str> = self.metadata.keys().map(String::as_str).collect();
            fail(format!("the file has none of that name; it has: {}", list(&names)))
        })?;
        serde_json::from_str(text).map_err(|e| fail(e.to_string()))
    }

    /// The values stored with the model, as JSON, by name.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// Parameters and buffers by path name.
    pub fn state(&self) -> &[(String, Tensor<E>)] {
        &self.state
    }

    /// The version of kniff that wrote the file.
    pub fn kniff_version(&self) -> &str {
        &self.kniff
    }

    /// Puts the parameters and buffers into a model of the same layers.
    ///
    /// # Errors
    /// All names that are missing, unexpected or of another shape; the model is as it was.
    pub fn load_into(&self, model: &mut (impl Module<E> + ?Sized)) -> Result<(), FileError> {
        model.load_state(&self.state).map_err(|source| FileError::State { file: self.file.clone(), source })
    }

    /// Writes the file; one of the same name is replaced once the new one is whole.
    ///
    /// # Errors
    /// What the system says.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), FileError> {
        let path = path.as_ref();
        let data: Vec<Vec<u8>> = self.state.iter().map(|(_, tensor)| to_bytes(tensor)).collect();
        let stored = self.state.iter().zip(&data).map(|((name, tensor), data)| {
            let shape = tensor.shape().iter().map(|&axis| axis as u64).collect();
            Stored { name, shape, data }
        });
        let payload = Payload {
            kniff: &self.kniff,
            element: E::NAME,
            metadata: self.metadata.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect(),
            tensors: stored.collect(),
        };
        let bytes =
            codec::encode(&payload).map_err(|e| FileError::damaged(path, "a model that can be encoded".into(), e))?;
        frame::write(path, &frame::MODEL, &bytes)
    }

    /// Reads a file.
    ///
    /// # Errors
    /// If it cannot be read, is no model file, is damaged or cut short, is of another version, or holds other elements than
    /// `E`.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, FileError> {
        let path = path.as_ref();
        let bytes = frame::read(path, &frame::MODEL)?;
        let damaged = |found| FileError::damaged(path, "the content of a model file".into(), found);
        let payload: Payload<'_> = codec::decode(&bytes).map_err(damaged)?;
        if payload.element != E::NAME {
            return Err(FileError::element(path, E::NAME, payload.element));
        }
        let mut state = Vec::new();
        for tensor in &payload.tensors {
            state.push((tensor.name.to_owned(), from_bytes(tensor).map_err(damaged)?));
        }
        let metadata = payload.metadata.iter().map(|&(name, text)| (name.to_owned(), text.to_owned())).collect();
        Ok(Self { file: path.into(), kniff: payload.kniff.to_owned(), state, metadata })
    }
}

fn to_bytes<E: Element>(tensor: &Tensor<E>) -> Vec<u8> {
    let whole = tensor.contiguous();
    let elements = whole.as_slice().unwrap_or_default().iter();
    match size_of::<E>() {
        4 => elements.flat_map(|x| (x.to_f64() as f32).to_le_bytes()).collect(),
        _ => elements.flat_map(|x| x.to_f64().to_le_bytes()).collect(),
    }
}

fn from_bytes<E: Element>(stored: &Stored<'_>) -> Result<Tensor<E>, String> {
    let misfit = || {
        let axes = &stored.shape[..stored.shape.len().min(MAX_RANK + 1)];
        format!("{}: shape {axes:?} with {} bytes of {}", stored.name, stored.data.len(), E::NAME)
    };
    let axes: Result<Vec<usize>, _> = stored.shape.iter().take(MAX_RANK + 1).map(|&axis| axis.try_into()).collect();
    let shape = axes.ok().and_then(|axes| Shape::try_new(&axes)).ok_or_else(misfit)?;
    if shape.numel() * size_of::<E>() != stored.data.len() {
        return Err(misfit());
    }
    let elements: Vec<E> = match size_of::<E>() {
        4 => stored.data.as_chunks().0.iter().map(|&b| E::from_f64(f64::from(f32::from_le_bytes(b)))).collect(),
        _ => stored.data.as_chunks().0.iter().map(|&b| E::from_f64(f64::from_le_bytes(b))).collect(),
    };
    Ok(Tensor::from_vec(elements, shape))
}

fn list(names: &[&str]) -> String {
    if names.is_empty() { "nothing".into() } else { names.join(", ") }
}

/// Why a model file could not be written, read or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The system could not open, read or write it.
    #[error("{}: {source}", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is no model file, is cut short, or its bytes have changed.
    #[error("{}: expected {expected}, found {found}; the file is damaged or something else", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What should have been there.
        expected: String,
        /// What was there.
        found: String,
    },
    /// It was written in another version of the format.
    #[error("{}: expected format version {expected}, found {found}, written by kniff {kniff}; read it with that", file.display())]
    Version {
        /// The file.
        file: PathBuf,
        /// The version that is read.
        expected: u32,
        /// The file's version.
        found: u32,
        /// The version of kniff that wrote it.
        kniff: String,
    },
    /// It holds numbers of another type.
    #[error("{}: expected elements of type {expected}, found {found}; load it with elements of type {found}", file.display())]
    Element {
        /// The file.
        file: PathBuf,
        /// The type asked for.
        expected: &'static str,
        /// The file's type.
        found: String,
    },
    /// Its parameters are not those of the model.
    #[error("{}: {source}", file.display())]
    State {
        /// The file.
        file: PathBuf,
        /// Which names and shapes differ.
        source: StateError,
    },
    /// A value stored with the model is missing or not what was asked for.
    #[error("{}: the value {name:?}: {reason}", file.display())]
    Metadata {
        /// The file.
        file: PathBuf,
        /// The value's name.
        name: String,
        /// What is wrong.
        reason: String,
    },
}

impl FileError {
    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io { file: path.into(), source }
    }

    /// Elements of another type than those asked for.
    pub(crate) fn element(path: &Path, expected: &'static str, found: &str) -> Self {
        if found == f32::NAME || found == f64::NAME {
            return Self::Element { file: path.into(), expected, found: found.into() };
        }
        let found = found.chars().take(40).collect::<String>();
        Self::damaged(path, format!("elements of type {} or {}", f32::NAME, f64::NAME), format!("`{found}`"))
    }

    pub(crate) fn damaged(path: &Path, expected: String, found: String) -> Self {
        Self::Damaged { file: path.into(), expected, found }
    }
}
