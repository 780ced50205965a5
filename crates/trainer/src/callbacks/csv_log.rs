//! A log of the epochs as a table that grows while the training runs.

use crate::callback::{Callback, Control, View};
use crate::{EpochRecord, Memory, TrainError};
use kniff_nn::Module;
use kniff_tensor::Element;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Writes a line per epoch, as [`crate::History::to_csv`] does, as soon as the epoch has ended.
///
/// The file is made anew when the training begins; when it is resumed, with the epochs that have been.
#[derive(Debug)]
pub struct CsvLog {
    path: PathBuf,
    file: Option<File>,
    lines: usize,
    /// How many epochs the history had before.
    before: usize,
}

impl CsvLog {
    /// To this file.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), file: None, lines: 0, before: 0 }
    }
}

impl CsvLog {
    fn line(&mut self, epoch: &EpochRecord) -> Result<(), TrainError> {
        let head = if self.lines == 0 { epoch.csv_head() } else { String::new() };
        append("CsvLog", &self.path, self.file.as_mut(), &(head + &epoch.csv_line()))?;
        self.lines += 1;
        Ok(())
    }
}

impl<E: Element> Callback<E> for CsvLog {
    fn name(&self) -> &str {
        "CsvLog"
    }

    fn fit_start(&mut self, view: &View<'_>, _: &dyn Module<E>) -> Result<(), TrainError> {
        (self.file, self.lines) = (Some(create("CsvLog", &self.path)?), 0);
        self.before = view.history.epochs.len();
        Ok(())
    }

    fn memory(&self) -> Memory<E> {
        Memory::default().with("before", &self.before)
    }

    fn resume(&mut self, memory: &Memory<E>, view: &View<'_>, model: &dyn Module<E>) -> Result<(), TrainError> {
        Callback::<E>::fit_start(self, view, model)?;
        self.before = memory.get("before")?;
        // The history has all that was in the file, and what the file has beyond it will come again.
        view.history.epochs.iter().skip(self.before).try_for_each(|epoch| self.line(epoch))
    }

    fn epoch_end(&mut self, view: &View<'_>, _: &dyn Module<E>) -> Result<Control, TrainError> {
        view.history.last().map_or(Ok(()), |epoch| self.line(epoch))?;
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
