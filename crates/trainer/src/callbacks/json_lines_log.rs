//! A log of the epochs, one JSON object per line, that grows while the training runs.

use super::csv_log::{append, create};
use crate::TrainError;
use crate::callback::{Callback, Control, View};
use kniff_nn::Module;
use kniff_tensor::Element;
use std::fs::File;
use std::path::PathBuf;

/// Writes each [`crate::EpochRecord`] as a line of JSON as soon as the epoch has ended.
///
/// The file is made anew when the training begins.
#[derive(Debug)]
pub struct JsonLinesLog {
    path: PathBuf,
    file: Option<File>,
}

impl JsonLinesLog {
    /// To this file.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), file: None }
    }
}

impl<E: Element> Callback<E> for JsonLinesLog {
    fn name(&self) -> &str {
        "JsonLinesLog"
    }

    fn fit_start(&mut self, _: &View<'_>, _: &dyn Module<E>) -> Result<(), TrainError> {
        self.file = Some(create("JsonLinesLog", &self.path)?);
        Ok(())
    }

    fn epoch_end(&mut self, view: &View<'_>, _: &dyn Module<E>) -> Result<Control, TrainError> {
        if let Some(epoch) = view.history.last() {
            // Numbers, texts and lists: there is nothing in it that JSON lacks.
            let line = serde_json::to_string(epoch).unwrap_or_default() + "\n";
            append("JsonLinesLog", &self.path, self.file.as_mut(), &line)?;
        }
        Ok(Control::Continue)
    }
}
