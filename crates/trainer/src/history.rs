//! What a training did, epoch by epoch, as data.

use crate::Monitor;
use kniff_optim::ClosingRecord;
use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// What happened in one epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// The epoch, counted from 1.
    pub epoch: usize,
    /// The mean of the training loss over the epoch, with the weights as they were at each step.
    pub train_loss: f64,
    /// The loss on the validation data after the epoch.
    pub valid_loss: Option<f64>,
    /// The metrics, in the order in which the trainer was given them.
    pub metrics: Vec<MetricRecord>,
    /// The learning rate of the last step.
    pub learning_rate: f64,
    /// The mean norm of the gradient over the steps, where the optimiser knows it: it clips by it or was told to
    /// [`measure_norm`](kniff_optim::Optimizer::measure_norm).
    pub gradient_norm: Option<f64>,
    /// How many training examples were seen.
    pub examples: usize,
    /// How long the epoch took, with its validation.
    pub seconds: f64,
    /// The standard error of the training loss, from the spread of the batches' losses; `None` for a single batch.
    #[serde(default)]
    pub train_loss_error: Option<f64>,
    /// What the closing policy decided after the epoch, and on which evidence, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closing: Option<ClosingRecord>,
}

/// A metric's values in one epoch; `None` where there is none, or where it is not a number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricRecord {
    /// The metric's name.
    pub name: String,
    /// Over the training batches, as the network was at each step.
    pub train: Option<f64>,
    /// On the validation data, after the epoch.
    pub valid: Option<f64>,
}

impl EpochRecord {
    /// What is monitored, if this epoch has it.
    pub fn get(&self, monitor: &Monitor) -> Option<f64> {
        let metric = |name: &str| self.metrics.iter().find(|m| m.name == name);
        match monitor {
            Monitor::TrainLoss => Some(self.train_loss),
            Monitor::ValidLoss => self.valid_loss,
            Monitor::Train(name) => metric(name)?.train,
            Monitor::Valid(name) => metric(name)?.valid,
        }
    }
}

/// All epochs of a training, the first one first.
///
/// ```
/// use kniff_trainer::{EpochRecord, History, Monitor};
/// let epoch = |epoch, valid_loss| EpochRecord {
///     epoch, train_loss: 0.5, valid_loss: Some(valid_loss), metrics: vec![], learning_rate: 0.1, gradient_norm: None,
///     examples: 100, seconds: 1.0, train_loss_error: None, closing: None,
/// };
/// let history = History { epochs: vec![epoch(1, 0.7), epoch(2, 0.4), epoch(3, 0.6)] };
/// assert_eq!(history.best(&Monitor::ValidLoss, false).unwrap().epoch, 2);
/// assert!(history.to_csv().starts_with("epoch,train_loss,valid_loss,learning_rate,gradient_norm,examples,seconds\n1,0.5,0.7,"));
/// assert_eq!(History::from_json(&history.to_json()).unwrap(), history);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// The epochs.
    pub epochs: Vec<EpochRecord>,
}

impl History {
    /// The last epoch.
    pub fn last(&self) -> Option<&EpochRecord> {
        self.epochs.last()
    }

    /// The epoch in which what is monitored was largest (`higher_is_better`) or smallest; the first of equals.
    pub fn best(&self, monitor: &Monitor, higher_is_better: bool) -> Option<&EpochRecord> {
        let mut best: Option<(f64, &EpochRecord)> = None;
        for epoch in &self.epochs {
            let Some(value) = epoch.get(monitor) else { continue };
            let better = |(so_far, _): (f64, _)| if higher_is_better { value > so_far } else { value < so_far };
            if !value.is_nan() && best.is_none_or(better) {
                best = Some((value, epoch));
            }
        }
        best.map(|(_, epoch)| epoch)
    }

    /// How long all epochs took.
    pub fn seconds(&self) -> f64 {
        self.epochs.iter().map(|e| e.seconds).sum()
    }

    /// One line per epoch under a line of names; what is not known is left empty.
    pub fn to_csv(&self) -> String {
        let mut text = String::new();
        if let Some(first) = self.epochs.first() {
            text += &first.csv_head();
        }
        for epoch in &self.epochs {
            text += &epoch.csv_line();
        }
        text
    }

    /// As JSON, to read back with [`History::from_json`].
    pub fn to_json(&self) -> String {
        // Numbers, strings and lists: there is nothing in it that JSON lacks.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// Reads what [`History::to_json`] wrote.
    ///
    /// # Errors
    /// What is wrong with the text, and where.
    pub fn from_json(text: &str) -> Result<Self, HistoryError> {
        serde_json::from_str(text).map_err(|e| HistoryError(e.to_string()))
    }
}

impl EpochRecord {
    /// The names of the columns, with the end of the line.
    pub(crate) fn csv_head(&self) -> String {
        let mut text = String::from("epoch,train_loss,valid_loss");
        for m in &self.metrics {
            let _ = write!(text, ",{},{}", quoted("train_", &m.name), quoted("valid_", &m.name));
        }
        text + ",learning_rate,gradient_norm,examples,seconds\n"
    }

    /// The values of the columns, with the end of the line.
    pub(crate) fn csv_line(&self) -> String {
        let known = |x: Option<f64>| x.map(|x| x.to_string()).unwrap_or_default();
        let mut text = format!("{},{},{}", self.epoch, self.train_loss, known(self.valid_loss));
        for m in &self.metrics {
            let _ = write!(text, ",{},{}", known(m.train), known(m.valid));
        }
        let _ =
            writeln!(text, ",{},{},{},{}", self.learning_rate, known(self.gradient_norm), self.examples, self.seconds);
        text
    }
}

fn quoted(prefix: &str, name: &str) -> String {
    let plain = !name.contains([',', '"', '\n', '\r']);
    if plain { format!("{prefix}{name}") } else { format!("\"{prefix}{}\"", name.replace('"', "\"\"")) }
}

/// A text that is not a history.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a training history: {0}")]
pub struct HistoryError(String);

#[cfg(test)]
mod tests {
    use super::*;

    fn record(epoch: usize, accuracy: Option<f64>) -> EpochRecord {
        EpochRecord {
            epoch,
            train_loss: 0.25,
            valid_loss: None,
            metrics: vec![MetricRecord { name: "top, 2".into(), train: Some(0.5), valid: accuracy }],
            learning_rate: 1e-3,
            gradient_norm: Some(2.0),
            examples: 7,
            seconds: 0.5,
            train_loss_error: Some(0.01),
            closing: None,
        }
    }

    #[test]
    fn the_first_of_equals_is_the_best_and_gaps_are_skipped() {
        let history =
            History { epochs: vec![record(1, None), record(2, Some(0.9)), record(3, Some(0.9)), record(4, Some(0.8))] };
        let monitor = Monitor::Valid("top, 2".into());
        assert_eq!(history.best(&monitor, true).unwrap().epoch, 2);
        assert_eq!(history.best(&monitor, false).unwrap().epoch, 4);
        assert!(history.best(&Monitor::ValidLoss, false).is_none());
        assert_eq!(history.seconds(), 2.0);
    }

    #[test]
    fn names_with_commas_are_quoted() {
        let csv = History { epochs: vec![record(1, None)] }.to_csv();
        let lines: Vec<&str> = csv.lines().collect();
        assert!(lines[0].contains("\"train_top, 2\",\"valid_top, 2\""), "{csv}");
        assert_eq!(lines[1], "1,0.25,,0.5,,0.001,2,7,0.5");
        assert_eq!(History::default().to_csv(), "");
    }

    #[test]
    fn json_comes_back_and_other_text_does_not() {
        let history = History { epochs: vec![record(1, Some(1.0 / 3.0))] };
        assert_eq!(History::from_json(&history.to_json()).unwrap(), history);
        assert!(History::from_json("{}").unwrap_err().to_string().contains("epochs"));
    }
}
