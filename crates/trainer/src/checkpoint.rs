//! A checkpoint: all that a training is made of at one moment, whole or not at all.

use crate::closing::ClosingMemory;
use crate::codec;
use crate::frame::{self, CHECKPOINT};
use crate::steps::Sums;
use crate::{FileError, History, Memory};
use kniff_data::Provenance;
use kniff_nn::{Module, ModuleExt};
use kniff_optim::{OptimizerState, ScheduleState};
use kniff_tensor::{Element, Tensor};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// All that a training is made of at one moment: the model with its running statistics, the optimiser's state, what schedule, closing
/// policy and callbacks have seen, the place in the epoch with its partial sums, the sampler's memory, the history.
///
/// Generators are in it by where they stand: every draw of a training belongs to a seed, an epoch, a step or an example's place, so that the
/// place and the seeds' fingerprints are all there is to keep. [`Trainer::checkpoints`](crate::Trainer::checkpoints) writes them,
/// [`Trainer::resume`](crate::Trainer::resume) goes on from one. Read here, it can be looked at, and its weights taken into a model: that is
/// how a training with other settings begins where this one was.
///
/// On disk it stands in a frame with a version, its length and a checksum, as a [`ModelFile`](crate::ModelFile) does.
#[derive(Clone, Debug)]
pub struct Checkpoint<E: Element = f32> {
    pub(crate) file: PathBuf,
    pub(crate) content: Content<E>,
}

/// What lies in the file: the order of the fields is format version 1.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound = "")]
pub(crate) struct Content<E: Element> {
    /// The version of kniff that wrote it.
    pub(crate) kniff: String,
    /// The element type.
    pub(crate) element: String,
    /// What the user wants kept beside, as JSON.
    pub(crate) notes: BTreeMap<String, String>,
    /// Model, optimiser and settings in words, to compare.
    pub(crate) trainer: Vec<(String, String)>,
    /// The data in words, to compare.
    pub(crate) data: Vec<(String, String)>,
    /// The shape of one input.
    pub(crate) input: Vec<usize>,
    /// Parameters and buffers.
    pub(crate) model: Vec<(String, Tensor<E>)>,
    pub(crate) optimizer: OptimizerState<E>,
    pub(crate) schedule: Option<ScheduleState>,
    pub(crate) closing: Option<ClosingMemory<E>>,
    pub(crate) callbacks: Vec<Memory<E>>,
    /// The sampler's memory.
    pub(crate) sampler: Vec<f64>,
    pub(crate) provenance: Option<Provenance>,
    /// As JSON.
    pub(crate) history: String,
    /// How many steps have been made.
    pub(crate) steps: u64,
    /// How many epochs there were before this call of fit.
    pub(crate) before: u64,
    /// Of the last step.
    pub(crate) loss: f64,
    pub(crate) rate: f64,
    /// Who ended the training and why, if that is decided.
    pub(crate) stopped: Option<(String, String)>,
    /// Where within an epoch; none between two epochs.
    pub(crate) position: Option<Position>,
    /// The best value so far of what [`Checkpoints::keep_best`](crate::Checkpoints::keep_best) watches.
    pub(crate) best: Option<f64>,
}

/// A place within an epoch.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Position {
    /// How many batches of the epoch are done.
    pub(crate) batch: u64,
    /// What they add up to.
    pub(crate) sums: Sums,
    /// What each metric has gathered.
    pub(crate) metrics: Vec<Vec<f64>>,
    /// The sampler's memory when the epoch began, from which its order follows.
    pub(crate) sampler_before: Vec<f64>,
    /// How long the epoch has taken so far.
    pub(crate) seconds: f64,
}

impl<E: Element> Checkpoint<E> {
    /// Reads a checkpoint, or the newest one of a folder; one that is damaged is passed over for the one before it.
    ///
    /// # Errors
    /// If it cannot be read, is no checkpoint, is damaged or cut short, is of another version, or holds other elements than `E`.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, FileError> {
        let path = path.as_ref();
        if !path.is_dir() {
            return Self::read(path);
        }
        let mut first = None;
        for (_, file) in numbered(path)?.into_iter().rev() {
            match Self::read(&file) {
                Err(error @ FileError::Damaged { .. }) => {
                    first.get_or_insert(error);
                }
                read => return read,
            }
        }
        let none = || std::io::Error::new(std::io::ErrorKind::NotFound, "there is no checkpoint in this folder");
        Err(first.unwrap_or_else(|| FileError::io(path, none())))
    }

    /// The newest checkpoint of a folder, if there is one; none either where there is no folder.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn newest_in(folder: impl AsRef<Path>) -> Result<Option<PathBuf>, FileError> {
        let folder = folder.as_ref();
        // A folder that cannot be looked at is not one that is not there.
        if !folder.try_exists().map_err(|source| FileError::io(folder, source))? {
            return Ok(None);
        }
        Ok(numbered(folder)?.pop().map(|(_, file)| file))
    }

    fn read(path: &Path) -> Result<Self, FileError> {
        let bytes = frame::read(path, &CHECKPOINT)?;
        let damaged = |found| FileError::damaged(path, "the content of a checkpoint".into(), found);
        let ((_, element), _) = codec::decode_start::<(&str, &str)>(&bytes).map_err(damaged)?;
        if element != E::NAME {
            return Err(FileError::element(path, E::NAME, element));
        }
        let content: Content<E> = codec::decode(&bytes).map_err(damaged)?;
        content.check().map_err(damaged)?;
        Ok(Self { file: path.into(), content })
    }

    /// The file's bytes, without the frame.
    pub(crate) fn encode(content: &Content<E>, path: &Path) -> Result<Vec<u8>, FileError> {
        codec::encode(content).map_err(|e| FileError::damaged(path, "a training that can be encoded".into(), e))
    }

    /// Where it was read from.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The version of kniff that wrote it.
    pub fn kniff_version(&self) -> &str {
        &self.content.kniff
    }

    /// How many steps had been made.
    pub fn step(&self) -> usize {
        self.content.steps as usize
    }

    /// The epoch that was under way or had just ended, counted from 1; 0 before the first step.
    pub fn epoch(&self) -> usize {
        self.history().last().map_or(0, |last| last.epoch) + usize::from(self.content.position.is_some())
    }

    /// The epochs that had ended.
    pub fn history(&self) -> History {
        // It was read once already.
        History::from_json(&self.content.history).unwrap_or_default()
    }

    /// Parameters and buffers by path name.
    pub fn state(&self) -> &[(String, Tensor<E>)] {
        &self.content.model
    }

    /// Puts the parameters and buffers into a model of the same layers, to begin another training with them.
    ///
    /// # Errors
    /// All names that are missing, unexpected or of another shape; the model is as it was.
    pub fn load_into(&self, model: &mut (impl Module<E> + ?Sized)) -> Result<(), FileError> {
        model.load_state(self.state()).map_err(|source| FileError::State { file: self.file.clone(), source })
    }

    /// The value that [`Trainer::note`](crate::Trainer::note) put under a name.
    ///
    /// # Errors
    /// If there is none, or it is of another type.
    pub fn note<T: DeserializeOwned>(&self, name: &str) -> Result<T, FileError> {
        let fail = |reason| FileError::Metadata { file: self.file.clone(), name: name.to_owned(), reason };
        let names = || self.content.notes.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        let none = || fail(format!("the checkpoint has none of that name; it has: {}", names()));
        serde_json::from_str(self.content.notes.get(name).ok_or_else(none)?).map_err(|e| fail(e.to_string()))
    }

    /// The notes, as JSON, by name.
    pub fn notes(&self) -> &BTreeMap<String, String> {
        &self.content.notes
    }
}

const PREFIX: &str = "step-";
const SUFFIX: &str = ".kniff";

/// The name of the checkpoint after so many steps.
pub(crate) fn file_name(steps: usize) -> String {
    format!("{PREFIX}{steps:09}{SUFFIX}")
}

/// The checkpoints of a folder with their steps, in that order.
pub(crate) fn numbered(folder: &Path) -> Result<Vec<(usize, PathBuf)>, FileError> {
    let io = |source| FileError::io(folder, source);
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(io)? {
        let entry = entry.map_err(io)?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?.parse().ok());
        found.extend(number.map(|number: usize| (number, entry.path())));
    }
    found.sort();
    Ok(found)
}
