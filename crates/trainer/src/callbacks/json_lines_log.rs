//! A log of the epochs, one JSON object per line, that grows while the training runs.

use super::csv_log::{append, create};
use crate::callback::{Callback, Control, View};
use crate::{EpochRecord, Memory, TrainError};
use kniff_nn::Module;
use kniff_tensor::Element;
use std::fs::File;
use std::path::PathBuf;

/// Writes each [`crate::EpochRecord`] as a line of JSON as soon as the epoch has ended.
///
/// The file is made anew when the training begins; when it is resumed, with the epochs that have been.
#[derive(Debug)]
pub struct JsonLinesLog {
    path: PathBuf,
    file: Option<File>,
    /// How many epochs the history had before.
    before: usize,
}

impl JsonLinesLog {
    /// To this file.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), file: None, before: 0 }
    }
}

impl JsonLinesLog {
    fn line(&mut self, epoch: &EpochRecord) -> Result<(), TrainError> {
        // Numbers, texts and lists: there is nothing in it that JSON lacks.
        let line = serde_json::to_string(epoch).unwrap_or_default() + "\n";
        append("JsonLinesLog", &self.path, self.file.as_mut(), &line)
    }
}

impl<E: Element> Callback<E> for JsonLinesLog {
    fn name(&self) -> &str {
        "JsonLinesLog"
    }

    fn fit_start(&mut self, view: &View<'_>, _: &dyn Module<E>) -> Result<(), TrainError> {
        (self.file, self.before) = (Some(create("JsonLinesLog", &self.path)?), view.history.epochs.len());
        Ok(())
    }

    fn memory(&self) -> Memory<E> {
        Memory::default().with("before", &self.before)
    }

    fn resume(&mut self, memory: &Memory<E>, view: &View<'_>, model: &dyn Module<E>) -> Result<(), TrainError> {
        Callback::<E>::fit_start(self, view, model)?;
        self.before = memory.get("before")?;
        view.history.epochs.iter().skip(self.before).try_for_each(|epoch| self.line(epoch))
    }

    fn epoch_end(&mut self, view: &View<'_>, _: &dyn Module<E>) -> Result<Control, TrainError> {
        view.history.last().map_or(Ok(()), |epoch| self.line(epoch))?;
        Ok(Control::Continue)
    }
}
