//! A log of the epochs as a table that grows while the training runs.

use crate::TrainError;
use crate::callback::{Callback, Control, View};
use kniff_nn::Module;
use kniff_tensor::Element;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Writes a line per epoch, as [`crate::History::to_csv`] does, as soon as the epoch has ended.
///
/// The file is made anew when the training begins.
#[derive(Debug)]
pub struct CsvLog {
    path: PathBuf,
    file: Option<File>,
    lines: usize,
}

impl CsvLog {
    /// To this file.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), file: None, lines: 0 }
    }
}

impl<E: Element> Callback<E> for CsvLog {
    fn name(&self) -> &str {
        "CsvLog"
    }

    fn fit_start(&mut self, _: &View<'_>, _: &dyn Module<E>) -> Result<(), TrainError> {
        (self.file, self.lines) = (Some(create("CsvLog", &self.path)?), 0);
        Ok(())
    }

    fn epoch_end(&mut self, view: &View<'_>, _: &dyn Module<E>) -> Result<Control, TrainError> {
        if let Some(epoch) = view.history.last() {
            let head = if self.lines == 0 { epoch.csv_head() } else { String::new() };
            append("CsvLog", &self.path, self.file.as_mut(), &(head + &epoch.csv_line()))?;
            self.lines += 1;
        }
        Ok(Control::Continue)
    }
}

/// A new file for a log.
pub(super) fn create(log: &str, path: &Path) -> Result<File, TrainError> {
    File::create(path).map_err(|e| fail(log, path, &e))
}

/// Writes to a log what can be read from now on.
pub(super) fn append(log: &str, path: &Path, file: Option<&mut File>, text: &str) -> Result<(), TrainError> {
    file.map_or(Ok(()), |file| file.write_all(text.as_bytes())).map_err(|e| fail(log, path, &e))
}

fn fail(log: &str, path: &Path, error: &std::io::Error) -> TrainError {
    TrainError::Callback { callback: log.to_owned(), reason: format!("{}: {error}", path.display()) }
}
