//! Whether a training is to end after its step: Ctrl-C, or a flag.

use crate::{Checkpoints, TrainError};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// What is asked after every step.
#[derive(Default)]
pub(crate) struct Interrupt {
    flag: Option<Arc<AtomicBool>>,
    signals: Option<Watching>,
}

impl Interrupt {
    /// As the settings say.
    pub(crate) fn of(settings: &Checkpoints) -> Result<Self, TrainError> {
        let signals = if settings.interrupt { Some(watch()?) } else { None };
        Ok(Self { flag: settings.flag.clone(), signals })
    }

    /// Whether someone wants the training to end.
    pub(crate) fn asked(&self) -> bool {
        let set = |flag: &AtomicBool| flag.load(Ordering::Relaxed);
        self.flag.as_deref().is_some_and(set) || self.signals.as_ref().is_some_and(|watching| set(&watching.0.asked))
    }
}

/// The process's handler: put in place once, it cannot be taken away, so it knows when nobody watches.
struct Signals {
    asked: Arc<AtomicBool>,
    /// No training runs: a signal does what it would do without us.
    idle: Arc<AtomicBool>,
    watchers: Mutex<usize>,
}

/// A training that runs. At the end of the last one the handler becomes idle.
struct Watching(&'static Signals);

fn watch() -> Result<Watching, TrainError> {
    static SIGNALS: OnceLock<Result<Signals, String>> = OnceLock::new();
    let signals = SIGNALS.get_or_init(|| install().map_err(|e| e.to_string())).as_ref().map_err(|reason| {
        let (what, expected) = ("Checkpoints::on_interrupt", "left out on a system that refuses a signal handler");
        TrainError::Setting { what, expected, found: reason.clone() }
    })?;
    let mut watchers = signals.watchers.lock().unwrap_or_else(PoisonError::into_inner);
    if *watchers == 0 {
        signals.asked.store(false, Ordering::SeqCst);
        signals.idle.store(false, Ordering::SeqCst);
    }
    *watchers += 1;
    Ok(Watching(signals))
}

fn install() -> std::io::Result<Signals> {
    let (asked, idle) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(true)));
    for signal in [SIGINT, SIGTERM] {
        // They run in this order: the second signal finds the flag that the first one set.
        flag::register_conditional_default(signal, idle.clone())?;
        flag::register_conditional_shutdown(signal, 128 + signal, asked.clone())?;
        flag::register(signal, asked.clone())?;
    }
    Ok(Signals { asked, idle, watchers: Mutex::new(0) })
}

impl Drop for Watching {
    fn drop(&mut self) {
        let mut watchers = self.0.watchers.lock().unwrap_or_else(PoisonError::into_inner);
        *watchers -= 1;
        if *watchers == 0 {
            self.0.idle.store(true, Ordering::SeqCst);
        }
    }
}
