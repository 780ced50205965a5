//! How good a model is on data that it does not learn from.

use crate::{Batches, Metric, Phase, TrainError};
use kniff_nn::{Head, Layer, Loss, LossError, Model, summary};
use kniff_tensor::Element;
use serde::Serialize;

/// How good a model is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    /// The mean of the loss over the examples, however they were cut into batches.
    pub loss: f64,
    /// The metrics by name.
    pub metrics: Vec<(String, f64)>,
    /// How many examples there were.
    pub examples: usize,
}

impl Evaluation {
    /// A metric by its name.
    pub fn metric(&self, name: &str) -> Option<f64> {
        self.metrics.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    }
}

/// Evaluates a model at test time: no dropout, batch norm by its running statistics, nothing recorded.
///
/// The metrics are reset before and hold all examples afterwards. For a trainer's model there is
/// [`crate::Trainer::evaluate`].
///
/// # Errors
/// If the inputs do not fit the model, the data cannot be read or the targets do not fit the loss.
pub fn evaluate<E: Element, L: Layer<E>, H: Head<E>, T>(
    model: &Model<L, H, E>,
    loss: &dyn Loss<E, H::Output, T>,
    data: &dyn Batches<E, T>,
    metrics: &mut [&mut dyn Metric<E, H::Output, T>],
) -> Result<Evaluation, TrainError> {
    summary(model.network(), data.input_shape())
        .map_err(|source| TrainError::Shape { phase: Phase::Evaluation, source })?;
    for metric in metrics.iter_mut() {
        metric.reset();
    }
    let mut update = |output: &H::Output, target: &T| metrics.iter_mut().for_each(|m| m.update(output, target));
    let (loss, examples) = mean_loss(model, loss, data, Phase::Evaluation, &mut update)?;
    let metrics = metrics.iter().map(|m| (m.name().to_owned(), m.value())).collect();
    Ok(Evaluation { loss, metrics, examples })
}

/// The mean loss and the number of examples; every output and its target are shown to `see`.
pub(crate) fn mean_loss<E: Element, L: Layer<E>, H: Head<E>, T>(
    model: &Model<L, H, E>,
    loss: &dyn Loss<E, H::Output, T>,
    data: &dyn Batches<E, T>,
    phase: Phase,
    see: &mut dyn FnMut(&H::Output, &T),
) -> Result<(f64, usize), TrainError> {
    let (mut sum, mut examples) = (0.0, 0);
    for batch in data.epoch(0) {
        let batch = batch.map_err(|source| TrainError::Data { phase, source })?;
        let output = model.predict(&batch.inputs);
        let losses =
            loss.per_example(&output, &batch.targets).map_err(|source| loss_error(phase, source, &batch.indices))?;
        sum += crate::metrics::total(&losses);
        examples += batch.len();
        see(&output, &batch.targets);
    }
    Ok((sum / examples as f64, examples))
}

/// A loss's complaint about a batch, with the example's number in the data set.
pub(crate) fn loss_error(phase: Phase, source: LossError, indices: &[usize]) -> TrainError {
    let example = match &source {
        LossError::Label { example, .. } => indices.get(*example).copied(),
        _ => None,
    };
    TrainError::Loss { phase, example, source }
}
