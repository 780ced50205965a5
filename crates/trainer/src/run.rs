//! Where a training is while it runs: its data, its callbacks, and what it can go back to.

use crate::callback::{Callback, Control, View};
use crate::checkpoint::{Content, Position};
use crate::interrupt::Interrupt;
use crate::progress::Reporter;
use crate::replay::Replay;
use crate::{Batches, History, Kept, Monitor, Stopped, TrainError};
use kniff_nn::Path;
use kniff_tensor::{Element, Tensor};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The training data, and whether their order learns from the losses.
pub(crate) enum Feed<'a, E: Element, T> {
    Fixed(&'a dyn Batches<E, T>),
    Learning(&'a mut dyn Batches<E, T>),
}

impl<E: Element, T> Feed<'_, E, T> {
    pub(crate) fn batches(&self) -> &dyn Batches<E, T> {
        match self {
            Self::Fixed(data) => *data,
            Self::Learning(data) => *data,
        }
    }
}

/// Weights to go back to.
pub(crate) struct Good<E: Element> {
    pub(crate) kept: Kept,
    pub(crate) state: Vec<(String, Tensor<E>)>,
}

/// Where the training is, and who watches.
pub(crate) struct Run<E: Element> {
    pub(crate) callbacks: Vec<Box<dyn Callback<E>>>,
    pub(crate) reporter: Reporter,
    pub(crate) good: Good<E>,
    pub(crate) metrics: Vec<(String, bool)>,
    pub(crate) validates: bool,
    pub(crate) monitor: Monitor,
    pub(crate) epoch: usize,
    pub(crate) epochs: usize,
    /// How many epochs there were before this call of fit.
    pub(crate) before: usize,
    pub(crate) loss: f64,
    pub(crate) rate: f64,
    /// The walk's path, whose memory is used again at every step.
    pub(crate) path: Path,
    /// What the data are, in words, for checkpoints.
    pub(crate) data: Vec<(String, String)>,
    /// Where to go on within the first epoch, and what had ended it already, if the training is resumed.
    pub(crate) resumed: Option<Resumed>,
    /// What a checkpoint would hold, while it may be needed: of a moment before something that may fail.
    pub(crate) safe: Option<Content<E>>,
    pub(crate) interrupt: Interrupt,
    /// The step that is to be looked at, if that is what the training is for.
    pub(crate) replay: Option<Replay<E>>,
}

/// Where to go on.
#[derive(Default)]
pub(crate) struct Resumed {
    pub(crate) position: Option<Position>,
    pub(crate) stopped: Option<Stopped>,
}

impl<E: Element> Run<E> {
    pub(crate) fn view<'a>(&'a self, history: &'a History, step: usize) -> View<'a> {
        View {
            epoch: self.epoch,
            epochs: self.epochs,
            step,
            loss: self.loss,
            learning_rate: self.rate,
            history,
            validates: self.validates,
            metrics: &self.metrics,
        }
    }

    /// What had ended the training between two epochs, if it is resumed there.
    pub(crate) fn ended(&mut self) -> Option<Stopped> {
        self.resumed.take_if(|resumed| resumed.position.is_none()).and_then(|resumed| resumed.stopped)
    }

    /// Asks every callback in turn; the first that wants to stop gives the reason. One that panics has failed.
    pub(crate) fn ask(
        &mut self,
        history: &History,
        step: usize,
        mut call: impl FnMut(&mut dyn Callback<E>, &View<'_>) -> Result<Control, TrainError>,
    ) -> Result<Option<Stopped>, TrainError> {
        let mut stop = None;
        let mut callbacks = std::mem::take(&mut self.callbacks);
        let view = self.view(history, step);
        let mut result = Ok(());
        for callback in &mut callbacks {
            // Nothing of a callback is used after a panic but its end, which it may fail too.
            let asked = catch_unwind(AssertUnwindSafe(|| call(&mut **callback, &view)));
            let panicked = |panic: Box<dyn Any + Send>| {
                let reason = format!("it panicked: {}", message(&*panic));
                Err(TrainError::Callback { callback: callback.name().to_owned(), reason })
            };
            match asked.unwrap_or_else(panicked) {
                Ok(Control::Continue) => {}
                Ok(Control::Stop(reason)) => {
                    stop.get_or_insert(Stopped::Early { by: callback.name().to_owned(), reason });
                }
                Err(error) => {
                    result = Err(error);
                    break;
                }
            }
        }
        self.callbacks = callbacks;
        result.map(|()| stop)
    }
}

/// What a panic says.
fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
}
