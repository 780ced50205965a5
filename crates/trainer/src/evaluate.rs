//! How good a model is on data that it does not learn from.

use crate::checks::finite;
use crate::{Batches, Metric, Phase, TrainError};
use kniff_nn::{Head, Layer, Loss, LossError, Model, Reduction, summary};
use kniff_tensor::Element;
use serde::{Deserialize, Serialize};

/// How good a model is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    /// The mean of the loss over the examples, however they were cut into batches and however the loss reduces one; each
    /// example with its class's weight, if the loss has such weights, and without those that it ignores.
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
/// If the inputs do not fit the model or are not finite, the data cannot be read, the targets do not fit the loss, or the
/// loss ignores them all.
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
    let mut update = |output: &H::Output, target: &T| {
        metrics.iter_mut().try_for_each(|m| {
            let refused = |reason| TrainError::Metric { metric: m.name().to_owned(), reason };
            m.check(output, target).map_err(refused)?;
            m.update(output, target);
            Ok(())
        })
    };
    let (loss, examples) = mean_loss(model, loss, data, Phase::Evaluation, &mut update)?;
    let metrics = metrics.iter().map(|m| (m.name().to_owned(), m.value())).collect();
    Ok(Evaluation { loss, metrics, examples })
}

/// What looks at a batch's output and its target.
type See<'a, O, T> = dyn FnMut(&O, &T) -> Result<(), TrainError> + 'a;

/// The mean loss and the number of examples; every output and its target are shown to `see`.
pub(crate) fn mean_loss<E: Element, L: Layer<E>, H: Head<E>, T>(
    model: &Model<L, H, E>,
    loss: &dyn Loss<E, H::Output, T>,
    data: &dyn Batches<E, T>,
    phase: Phase,
    see: &mut See<'_, H::Output, T>,
) -> Result<(f64, usize), TrainError> {
    let (mut sums, mut examples) = (LossSums::default(), 0);
    for batch in data.epoch(0) {
        let batch = batch.map_err(|source| TrainError::Data { phase, source })?;
        let output = model.predict(&batch.inputs);
        let value = loss.loss(&output, &batch.targets);
        let value = value.map_err(|source| loss_error(phase, source, &batch.indices))?.item().to_f64();
        let weight = loss.weight(&batch.targets);
        if weight > 0.0 && !value.is_finite() {
            finite(phase, &batch)?;
        }
        sums.add(loss.reduces_by(), value, weight);
        examples += batch.len();
        see(&output, &batch.targets)?;
    }
    sums.mean().map(|mean| (mean, examples)).ok_or(TrainError::NothingCounts { phase })
}

/// The losses of batches, put together to that of all their examples.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct LossSums {
    sum: f64,
    weight: f64,
}

impl LossSums {
    /// Takes in a batch, and gives its mean; one in which nothing counts is left out.
    pub(crate) fn add(&mut self, reduction: Reduction, value: f64, weight: f64) -> Option<f64> {
        if weight == 0.0 {
            return None;
        }
        let sum = match reduction {
            Reduction::Mean => value * weight,
            Reduction::Sum => value,
        };
        self.sum += sum;
        self.weight += weight;
        Some(sum / weight)
    }

    /// The sum and the weight.
    pub(crate) fn numbers(&self) -> [f64; 2] {
        [self.sum, self.weight]
    }

    /// From the sum and the weight.
    pub(crate) fn of([sum, weight]: [f64; 2]) -> Self {
        Self { sum, weight }
    }

    /// The mean over all; none where nothing counted.
    pub(crate) fn mean(&self) -> Option<f64> {
        (self.weight > 0.0).then(|| self.sum / self.weight)
    }
}

/// A loss's complaint about a batch, with the example's number in the data set.
pub(crate) fn loss_error(phase: Phase, source: LossError, indices: &[usize]) -> TrainError {
    let example = match &source {
        LossError::Label { example, .. } => indices.get(*example).copied(),
        _ => None,
    };
    TrainError::Loss { phase, example, source }
}
