//! What can be known to be wrong before the first step.

use crate::evaluate::loss_error;
use crate::{Batches, Metric, Phase, TrainError};
use kniff_autograd::Var;
use kniff_data::{Batch, Provenance, Role, Targets};
use kniff_nn::{Head, Layer, Loss, Model, ModuleExt, check_coverage, summary};
use kniff_tensor::{Element, Indices, Rng, Shape, Tensor};
use std::any::Any;

/// A metric of a trainer's.
type BoxedMetric<E, H, T> = Box<dyn Metric<E, <H as Head<E>>::Output, T>>;

/// A model and its loss, to be looked at together with data.
pub(crate) struct Checks<'a, L, H: Head<E>, T, E: Element> {
    pub(crate) model: &'a mut Model<L, H, E>,
    pub(crate) loss: &'a dyn Loss<E, H::Output, T>,
}

impl<L: Layer<E>, H: Head<E>, T: Targets, E: Element> Checks<'_, L, H, T, E> {
    /// Whether the data can be used with this model: settings, shapes, labels, numbers. Gives the first batch.
    pub(crate) fn data(&self, phase: Phase, data: &dyn Batches<E, T>) -> Result<Batch<E, T>, TrainError> {
        data.check().map_err(|source| TrainError::Data { phase, source })?;
        let output = summary(self.model.network(), data.input_shape())
            .map_err(|source| TrainError::Shape { phase, source })?
            .output;
        if let Some(labels) = data.labels() {
            self.labels(phase, &labels, &output)?;
        }
        let empty = kniff_data::DataError::Empty { what: "the first epoch" };
        let first = data.epoch(0).next().unwrap_or(Err(empty)).map_err(|source| TrainError::Data { phase, source })?;
        finite(phase, &first)?;
        let output = self.model.predict(&first.inputs);
        let losses = self.loss.per_example(&output, &first.targets);
        losses.map_err(|source| loss_error(phase, source, &first.indices))?;
        Ok(first)
    }

    /// Whether the metrics can be taken of the model's outputs.
    pub(crate) fn metrics(&self, first: &Batch<E, T>, metrics: &[BoxedMetric<E, H, T>]) -> Result<(), TrainError> {
        if metrics.is_empty() {
            return Ok(());
        }
        let output = self.model.predict(&first.inputs);
        let ask = |m: &BoxedMetric<E, H, T>| {
            let refused = |reason| TrainError::Metric { metric: m.name().to_owned(), reason };
            m.check(&output, &first.targets).map_err(refused)
        };
        metrics.iter().try_for_each(ask)
    }

    /// Shows the loss every label that occurs, beside an output of zeros: it knows which ones it takes.
    fn labels(&self, phase: Phase, labels: &Indices, output: &Shape) -> Result<(), TrainError> {
        const AT_ONCE: usize = 1024;
        let mut firsts: Vec<usize> = (0..labels.len()).collect();
        let all = labels.as_slice();
        firsts.sort_by_key(|&i| (all[i], i));
        firsts.dedup_by_key(|i| all[*i]);
        if labels.shape().len() != 1 || output.len() != 1 {
            return Ok(());
        }
        for examples in firsts.chunks(AT_ONCE) {
            let some = labels.select(examples);
            // The labels are the targets only where the targets are labels.
            let Some(targets) = (&some as &dyn Any).downcast_ref::<T>() else { return Ok(()) };
            let zeros = H::wrap(Var::inference(Tensor::zeros([examples.len(), output[0]])));
            let losses = self.loss.per_example(&zeros, targets);
            losses.map_err(|source| loss_error(phase, source, examples))?;
        }
        Ok(())
    }

    /// Whether there is more than one class to tell apart, where the targets are classes and the only one counts for the loss.
    pub(crate) fn classes(&self, data: &dyn Batches<E, T>) -> Result<(), TrainError> {
        let Some(labels) = data.labels().filter(|labels| labels.shape().len() == 1 && labels.len() > 1) else {
            return Ok(());
        };
        let (first, examples) = (labels.as_slice()[0], labels.len());
        if labels.as_slice().iter().any(|&label| label != first) {
            return Ok(());
        }
        let one = labels.select(&[0]);
        let output = summary(self.model.network(), data.input_shape()).map(|summary| summary.output);
        let (Some(target), Ok(output)) = ((&one as &dyn Any).downcast_ref::<T>(), output) else { return Ok(()) };
        let zeros = H::wrap(Var::inference(Tensor::zeros([&[1], &output[..]].concat())));
        // A label that the loss ignores, or weighs by 0, is another matter, and another error.
        if self.loss.per_example(&zeros, target).is_ok_and(|losses| losses.to_vec().iter().any(|&x| x > E::ZERO)) {
            let source = kniff_data::DataError::OneClass { class: first, examples };
            return Err(TrainError::Data { phase: Phase::Training, source });
        }
        Ok(())
    }

    /// Whether all batches have as many examples as training takes; batch norm takes two.
    pub(crate) fn batch_sizes(&self, first: &Batch<E, T>, data: &dyn Batches<E, T>) -> Result<(), TrainError> {
        let needed = self.model.network().smallest_training_batch(&data.input_shape());
        let (batches, mut batch, mut examples) = (data.batches(), 1, first.len());
        if needed > 1 && examples >= needed {
            let last = data.last_batch().transpose();
            let last = last.map_err(|source| TrainError::Data { phase: Phase::Training, source })?;
            (batch, examples) = last.map_or((batch, examples), |last| (batches, last.len()));
        }
        if examples >= needed { Ok(()) } else { Err(TrainError::BatchTooSmall { batch, batches, examples, needed }) }
    }

    /// Whether a gradient reaches every parameter that is to be trained. The model stays as it is.
    pub(crate) fn coverage(&mut self, first: &Batch<E, T>, rng: &mut Rng) -> Result<(), TrainError> {
        const ENOUGH: usize = 8;
        let rows: Vec<usize> = (0..first.len().min(ENOUGH)).collect();
        let inputs = Var::constant(first.inputs.slice_axis(0, ..rows.len()).contiguous());
        let targets = first.targets.select(&rows);
        let before = self.model.state();
        let mut refused = None;
        let covered = check_coverage(self.model, |model| {
            let output = model.forward_train(&inputs, rng);
            self.loss.loss(&output, &targets).unwrap_or_else(|error| {
                refused = Some(error);
                Var::scalar(E::ZERO)
            })
        });
        // The same names and shapes as a moment ago.
        let restored = self.model.load_state(&before);
        debug_assert!(restored.is_ok());
        match refused {
            Some(error) => Err(loss_error(Phase::Training, error, &first.indices)),
            None => covered.map_err(TrainError::NotReached),
        }
    }
}

/// Whether data may be used for a phase, given what the model is trained on: nothing is known to be wrong of data without
/// provenance.
pub(crate) fn check_contract(
    phase: Phase,
    train: Option<Provenance>,
    data: Option<Provenance>,
) -> Result<(), TrainError> {
    let refuse = |reason: String| Err(TrainError::Contract { phase, reason });
    let Some(data) = data else { return Ok(()) };
    let role = data.role;
    match phase {
        Phase::Training if role != Role::Train => {
            return refuse(format!("{role} is not for training; train on the training part of the split"));
        }
        Phase::Validation if role != Role::Valid => {
            let why = "what is chosen by the validation data (when to stop, which weights) would be fitted to it";
            return refuse(format!("{role} is not for validation: {why}; hand in the validation part"));
        }
        _ => {}
    }
    let Some(train) = train else { return Ok(()) };
    if data.split != train.split {
        let (ours, theirs) = (train.split, data.split);
        return refuse(format!(
            "{role} is one of the split {theirs}, but the training part is one of {ours}: they may share examples"
        ));
    }
    if data.normalizer != train.normalizer {
        let name = |n: Option<kniff_data::Fingerprint>| n.map_or_else(|| "none".to_owned(), |n| n.to_string());
        let (ours, theirs) = (name(train.normalizer), name(data.normalizer));
        return refuse(format!(
            "their normaliser is {theirs}, that of the training data {ours}; apply the same one to both"
        ));
    }
    Ok(())
}

/// Refuses inputs that are infinite or NaN.
pub(crate) fn finite<E: Element, T>(phase: Phase, batch: &Batch<E, T>) -> Result<(), TrainError> {
    if batch.inputs.all_finite() {
        return Ok(());
    }
    let all = batch.inputs.contiguous();
    let all = all.as_slice().unwrap_or_default();
    let Some(at) = all.iter().position(|x| !x.is_finite()) else { return Ok(()) };
    let size = all.len() / batch.len().max(1);
    let example = batch.indices.get(at / size).copied().unwrap_or(at / size);
    Err(TrainError::NonFiniteInput { phase, example, position: at % size, value: all[at].to_f64() })
}
