//! Whether a checkpoint fits itself and the trainer: its checksum vouches for its bytes, not for whoever computed it.

use crate::checkpoint::{Content, Position};
use crate::error::Difference;
use crate::metric::MOST;
use crate::trainer::Trainer;
use crate::{History, TrainError};
use kniff_data::Targets;
use kniff_nn::{Head, Layer, ModuleExt};
use kniff_tensor::{Element, Shape, Tensor};

impl<E: Element> Content<E> {
    /// Whether the numbers can be those of a training: none so large that counting on overflows.
    pub(crate) fn check(&self) -> Result<(), String> {
        let history = History::from_json(&self.history).map_err(|e| e.to_string())?;
        if let Some((at, epoch)) = history.epochs.iter().enumerate().find(|(at, epoch)| epoch.epoch != at + 1) {
            return Err(format!("a history with epoch {} in place {}", epoch.epoch, at + 1));
        }
        let epochs = history.epochs.len() as u64;
        let claims = [("steps", self.steps, MOST), ("epochs before", self.before, epochs)];
        let position = self.position.iter().flat_map(|position| position.claims(self.steps));
        if let Some((what, found, most)) = claims.into_iter().chain(position).find(|(_, found, most)| found > most) {
            return Err(format!("{found} {what}, of which there are at most {most}"));
        }
        match Shape::try_new(&self.input) {
            // Networks make them larger, and count what they come to.
            Some(shape) if shape.numel() as u64 <= MOST >> 12 => Ok(()),
            _ => Err(format!("inputs of shape {:?}", self.input)),
        }
    }
}

impl Position {
    /// What it counts, and how much it can be at most.
    fn claims(&self, steps: u64) -> [(&'static str, u64, u64); 4] {
        let [examples, counted, norms] = self.sums.counts();
        [
            ("batches of the epoch", self.batch, steps),
            ("examples of the epoch", examples, MOST),
            ("steps of the epoch", counted, self.batch),
            ("norms of the epoch", norms, counted),
        ]
    }
}

impl<L: Layer<E>, H: Head<E>, T: Targets, E: Element> Trainer<L, H, T, E> {
    /// What of a checkpoint does not fit the trainer whose settings it has.
    pub(crate) fn misfits(&self, content: &Content<E>) -> Vec<Difference> {
        let mut all = Vec::new();
        let mut say = |what: &str, then: String, now: String| {
            if then != now {
                all.push(Difference { what: what.to_owned(), then, now });
            }
        };
        let known = |is: bool| if is { "some" } else { "none" }.to_owned();
        say("memories of callbacks", content.callbacks.len().to_string(), self.callbacks.len().to_string());
        say("what the schedule has seen", known(content.schedule.is_some()), known(self.schedule.is_some()));
        say("what the closing policy has seen", known(content.closing.is_some()), known(self.closing.is_some()));
        if let Some(position) = &content.position {
            say("states of metrics", position.metrics.len().to_string(), self.metrics.len().to_string());
        }
        let state = self.model.state();
        if let Some(best) = content.closing.as_ref().and_then(|closing| closing.best()) {
            say("the closing policy's best weights", misfit(best, &state).unwrap_or_default(), String::new());
        }
        for (path, kept) in &content.optimizer.parameters {
            let now = state.iter().find(|(name, _)| name == path).map(|(_, tensor)| tensor.shape());
            let of = |shape: Option<&Shape>| shape.map_or_else(|| "none".to_owned(), Shape::to_string);
            for slot in kept.slots() {
                say(&format!("shape of the optimiser's state of `{path}`"), of(Some(slot.shape())), of(now));
            }
        }
        all
    }

    /// Whether the metrics take what they had gathered; they are left as they are.
    pub(crate) fn try_metrics(&mut self, states: &[Vec<f64>]) -> Result<(), TrainError> {
        for (metric, state) in self.metrics.iter_mut().zip(states) {
            let before = metric.state();
            let tried = metric.load_state(state);
            if let Some(before) = before {
                // Given a moment ago.
                let _ = metric.load_state(&before);
            }
            tried.map_err(|reason| TrainError::Metric { metric: metric.name().to_owned(), reason })?;
        }
        Ok(())
    }
}

/// How weights differ in names, shapes or order from those of now.
pub(crate) fn misfit<E: Element>(then: &[(String, Tensor<E>)], now: &[(String, Tensor<E>)]) -> Option<String> {
    if then.len() != now.len() {
        return Some(format!("there are {} weights, the model has {}", then.len(), now.len()));
    }
    then.iter().zip(now).find_map(|((a, x), (b, y))| {
        let same = a == b && x.shape() == y.shape();
        (!same).then(|| format!("`{a}` of shape {} stands where the model has `{b}` of shape {}", x.shape(), y.shape()))
    })
}

#[cfg(test)]
mod tests;
