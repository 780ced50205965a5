//! What a training tells while it runs: a bar on a terminal, lines elsewhere, nothing if so wished; always on stderr.

use crate::EpochRecord;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::time::{Duration, Instant};

/// What a training tells while it runs. All of it goes to stderr: stdout stays free for results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Progress {
    /// A bar that moves with the batches and a line per epoch on a terminal, else [`Progress::Plain`].
    #[default]
    Auto,
    /// A line per epoch.
    Plain,
    /// Nothing.
    Silent,
}

/// How often the loss beside the bar is written anew.
const REFRESH: Duration = Duration::from_millis(100);

/// Tells it.
pub(crate) struct Reporter {
    bar: Option<ProgressBar>,
    silent: bool,
    refreshed: Instant,
}

impl Reporter {
    pub(crate) fn new(progress: Progress, batches: usize) -> Self {
        let bar = (progress == Progress::Auto && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::with_draw_target(Some(batches as u64), ProgressDrawTarget::stderr());
            // The template is a constant that a test reads.
            bar.set_style(style().unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        Self { bar, silent: progress == Progress::Silent, refreshed: Instant::now() }
    }

    pub(crate) fn epoch_start(&mut self, epoch: usize, epochs: usize) {
        if let Some(bar) = &self.bar {
            bar.set_prefix(format!("epoch {epoch}/{epochs}"));
            bar.set_message("");
            bar.reset();
        }
    }

    pub(crate) fn batch_end(&mut self, loss: f64) {
        if let Some(bar) = &self.bar {
            bar.inc(1);
            if self.refreshed.elapsed() >= REFRESH {
                self.refreshed = Instant::now();
                bar.set_message(format!("loss {loss:.4}"));
            }
        }
    }

    pub(crate) fn epoch_end(&self, record: &EpochRecord, epochs: usize) {
        if !self.silent {
            self.tell(&line(record, epochs));
        }
    }

    pub(crate) fn tell(&self, text: &str) {
        match &self.bar {
            _ if self.silent => {}
            Some(bar) => bar.println(text),
            // Nobody to tell is no reason to stop.
            None => {
                let _ = writeln!(std::io::stderr(), "{text}");
            }
        }
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn style() -> Result<ProgressStyle, indicatif::style::TemplateError> {
    ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len} {msg} {eta}")
}

/// One epoch in one line; numbers stand under those of the line above.
fn line(record: &EpochRecord, epochs: usize) -> String {
    let width = epochs.to_string().len();
    let mut text = format!("epoch {:width$}/{epochs}  loss {:.4}", record.epoch, record.train_loss);
    let metrics = |text: &mut String, values: &mut dyn Iterator<Item = (&str, Option<f64>)>| {
        for (name, value) in values {
            if let Some(value) = value {
                let _ = write!(text, "  {name} {value:.4}");
            }
        }
    };
    metrics(&mut text, &mut record.metrics.iter().map(|m| (m.name.as_str(), m.train)));
    if let Some(loss) = record.valid_loss {
        let _ = write!(text, "  | validation loss {loss:.4}");
        metrics(&mut text, &mut record.metrics.iter().map(|m| (m.name.as_str(), m.valid)));
    }
    let _ = write!(text, "  | rate {:.2e}  {:.2} s", record.learning_rate, record.seconds);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MetricRecord;

    #[test]
    fn the_bar_has_a_style() {
        assert!(style().is_ok());
    }

    #[test]
    fn an_epoch_is_one_line() {
        let record = EpochRecord {
            epoch: 3,
            train_loss: 0.25,
            valid_loss: Some(0.5),
            metrics: vec![MetricRecord { name: "accuracy".into(), train: Some(0.9), valid: Some(0.8) }],
            learning_rate: 1e-3,
            gradient_norm: None,
            examples: 10,
            seconds: 1.5,
            train_loss_error: None,
            closing: None,
        };
        let text = "epoch  3/20  loss 0.2500  accuracy 0.9000  | validation loss 0.5000  accuracy 0.8000  | rate 1.00e-3  1.50 s";
        assert_eq!(line(&record, 20), text);
    }
}
