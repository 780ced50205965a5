//! Where a training's checkpoints go, when they are written, and which are kept.

use crate::checkpoint::{Content, file_name, numbered};
use crate::frame::{self, CHECKPOINT};
use crate::{Checkpoint, FileError, Monitor, TrainError, View};
use kniff_tensor::Element;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Where a training's checkpoints go, when they are written, and which are kept.
///
/// There is one when the training begins, so that a folder that cannot be written is known before the first step, and one when it ends. In
/// between there is one after every epoch, unless told otherwise. Each is written beside the others and renamed when it is safely on the
/// disk; only then are old ones removed. So whatever happens, power failure or full disk, the last good one stays.
///
/// A checkpoint with weights that are not finite is never written: the training ends with an error, and the checkpoint before stays.
///
/// ```
/// use kniff_trainer::{Checkpoints, Monitor};
/// let checkpoints = Checkpoints::in_folder("out/checkpoints").every_steps(500).keep(3).keep_best(Monitor::ValidLoss).on_interrupt();
/// ```
#[derive(Clone, Debug)]
pub struct Checkpoints {
    folder: PathBuf,
    steps: Option<usize>,
    epochs: Option<usize>,
    keep: usize,
    best: Option<Monitor>,
    pub(crate) interrupt: bool,
    pub(crate) flag: Option<Arc<AtomicBool>>,
}

impl Checkpoints {
    /// Into this folder, which is made if it is not there: `step-000000500.kniff` after 500 steps, and so on. A training that is not resumed
    /// wants one without checkpoints.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), steps: None, epochs: None, keep: 2, best: None, interrupt: false, flag: None }
    }

    /// Writes one after every so many steps, counted over all of the training; besides those of [`Checkpoints::every_epochs`].
    #[must_use]
    pub fn every_steps(mut self, steps: usize) -> Self {
        self.steps = Some(steps);
        self
    }

    /// Writes one after every so many epochs (1, unless [`Checkpoints::every_steps`] is given).
    #[must_use]
    pub fn every_epochs(mut self, epochs: usize) -> Self {
        self.epochs = Some(epochs);
        self
    }

    /// How many are kept, the newest ones (2).
    #[must_use]
    pub fn keep(mut self, checkpoints: usize) -> Self {
        self.keep = checkpoints;
        self
    }

    /// Also keeps the one after the epoch that was best by this, as `best.kniff`.
    #[must_use]
    pub fn keep_best(mut self, monitor: Monitor) -> Self {
        self.best = Some(monitor);
        self
    }

    /// On Ctrl-C (SIGINT, and SIGTERM where there is one) the training finishes its step, writes a checkpoint, tells how to go on,
    /// and ends with [`Stopped::Interrupted`](crate::Stopped::Interrupted). A second Ctrl-C ends the process at once. While no
    /// training runs, the signals do what they did before.
    #[must_use]
    pub fn on_interrupt(mut self) -> Self {
        self.interrupt = true;
        self
    }

    /// The same when the flag becomes true, for programs that handle signals themselves. It is not taken back.
    #[must_use]
    pub fn stop_when(mut self, flag: Arc<AtomicBool>) -> Self {
        self.flag = Some(flag);
        self
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn check(&self) -> Result<(), TrainError> {
        let counts = [("every_steps", self.steps), ("every_epochs", self.epochs), ("keep", Some(self.keep))];
        match counts.into_iter().find(|(_, count)| *count == Some(0)) {
            None => Ok(()),
            Some((name, _)) => {
                let what = match name {
                    "keep" => "Checkpoints::keep",
                    "every_steps" => "Checkpoints::every_steps",
                    _ => "Checkpoints::every_epochs",
                };
                Err(TrainError::Setting { what, expected: "at least 1", found: "0".into() })
            }
        }
    }
}

/// The checkpoints of a training that runs.
pub(crate) struct Keeper {
    pub(crate) settings: Checkpoints,
    /// Whether more is better of what is watched.
    higher: bool,
    pub(crate) best: Option<f64>,
    /// Whether the folder's checkpoints are this training's.
    pub(crate) own: bool,
    /// Keeps other trainings out of the folder while this one runs; it is free when the process ends, however it does.
    lock: Option<File>,
}

impl Keeper {
    pub(crate) fn new(settings: Checkpoints) -> Self {
        Self { settings, higher: false, best: None, own: false, lock: None }
    }

    /// Lets other trainings into the folder.
    pub(crate) fn end(&mut self) {
        self.lock = None;
    }

    /// Makes the folder, and sees to it that it is for this training.
    pub(crate) fn start(&mut self, view: &View<'_>) -> Result<(), TrainError> {
        if let Some(monitor) = &self.settings.best {
            self.higher = view.higher_is_better("Checkpoints::keep_best", monitor)?;
        }
        let folder = &self.settings.folder;
        fs::create_dir_all(folder).map_err(|source| FileError::io(folder, source))?;
        // Two would remove each other's checkpoints. Where folders cannot be opened or locked, nobody is kept out.
        self.lock = File::open(folder).ok();
        if let Some(Err(TryLockError::WouldBlock)) = self.lock.as_ref().map(File::try_lock) {
            self.lock = None;
            return Err(TrainError::Busy { folder: folder.clone() });
        }
        let there = numbered(folder)?;
        if !self.own
            && let Some((_, file)) = there.last()
        {
            return Err(TrainError::Occupied { file: file.clone() });
        }
        self.own = true;
        for entry in fs::read_dir(folder).map_err(|source| FileError::io(folder, source))?.flatten() {
            // What a killed process left half-written.
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if (name.starts_with(".step-") || name.starts_with(".best.")) && name.ends_with(".partial") {
                let _ = fs::remove_file(entry.path());
            }
        }
        Ok(())
    }

    /// Whether one is due within an epoch, after so many steps.
    pub(crate) fn due_after_step(&self, steps: usize) -> bool {
        self.settings.steps.is_some_and(|every| steps.is_multiple_of(every))
    }

    /// Whether one is due after an epoch.
    pub(crate) fn due_after_epoch(&self, epoch: usize) -> bool {
        let usual = self.settings.steps.is_none().then_some(1);
        self.settings.epochs.or(usual).is_some_and(|every| epoch.is_multiple_of(every))
    }

    /// Whether the epoch that has just ended is the best one.
    pub(crate) fn look(&mut self, view: &View<'_>) -> bool {
        let watched = self.settings.best.as_ref().and_then(|monitor| view.value(monitor));
        let Some(value) = watched.filter(|value| !value.is_nan()) else { return false };
        let better = self.best.is_none_or(|best| if self.higher { value > best } else { value < best });
        if better {
            self.best = Some(value);
        }
        better
    }

    /// Writes a checkpoint under its number, and then removes those that are not to be kept.
    pub(crate) fn write<E: Element>(&self, content: &Content<E>, best: bool, due: bool) -> Result<PathBuf, FileError> {
        let steps = content.steps as usize;
        let folder = &self.settings.folder;
        let file = folder.join(file_name(steps));
        let bytes = Checkpoint::encode(content, &file)?;
        if best {
            frame::write(&folder.join("best.kniff"), &CHECKPOINT, &bytes)?;
        }
        if due {
            frame::write(&file, &CHECKPOINT, &bytes)?;
            let there = numbered(folder)?;
            // Later ones are from before this training was resumed at an earlier one; they are not its business.
            let older: Vec<_> = there.iter().filter(|(number, _)| *number <= steps).collect();
            for (_, old) in older.iter().rev().skip(self.settings.keep) {
                // One that stays is tried again after the next.
                let _ = fs::remove_file(old);
            }
        }
        Ok(file)
    }
}
