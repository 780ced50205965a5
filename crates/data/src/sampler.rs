//! A sampler: in which order an epoch presents the examples, and which of them.

use crate::{DataError, Suspect};
use kniff_tensor::{Indices, Rng};
use std::collections::BTreeMap;

/// What a training step showed about its examples, all lists in the order of the batch.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// The numbers of the examples in the data set.
    pub indices: &'a [usize],
    /// The loss of each, before the step.
    pub losses: &'a [f64],
    /// The strongest rival of each example's class; empty unless the model is a classifier.
    pub rivals: &'a [Rival],
}

/// The class that a model finds likeliest beside the one that the example is labelled with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rival {
    /// The class.
    pub class: usize,
    /// How much likelier it is, as a difference of logits: ln(p_rival / p_given), above 0 where the model contradicts the label.
    pub margin: f64,
}

/// Chooses the examples of an epoch and their order; the loader cuts the order into batches.
///
/// An order may leave examples out and may hold one several times. It depends only on the sampler, the generator, which the
/// loader derives from its seed and the epoch's number, and the losses observed before the epoch began. A sampler
/// that is to react faster makes its epochs shorter ([`Sampler::draws`]).
///
/// ```
/// use kniff_data::{DataError, Sampler};
/// use kniff_tensor::Rng;
///
/// /// Every second example.
/// struct Even;
/// impl Sampler for Even {
///     fn draws(&self, examples: usize) -> usize {
///         examples.div_ceil(2)
///     }
///     fn order(&self, examples: usize, _: &mut Rng) -> Result<Vec<usize>, DataError> {
///         Ok((0..examples).step_by(2).collect())
///     }
/// }
/// assert_eq!(Even.order(5, &mut Rng::new(0))?, [0, 2, 4]);
/// # Ok::<(), DataError>(())
/// ```
pub trait Sampler: Send + Sync {
    /// How many examples an epoch has, given how many the data set has: the length of every order.
    fn draws(&self, examples: usize) -> usize {
        examples
    }

    /// The numbers of the examples of one epoch, each below `examples`.
    ///
    /// # Errors
    /// If the sampler was made for another data set, or cannot do what it was set to.
    fn order(&self, examples: usize, rng: &mut Rng) -> Result<Vec<usize>, DataError>;

    /// Takes note of the loss that each example of a training step had; most samplers do not care.
    fn observe(&mut self, indices: &[usize], losses: &[f64]) {
        let _ = (indices, losses);
    }

    /// [`Sampler::observe`] with all that is known about the examples of a step; a sampler that needs no more than the
    /// losses leaves this as it is.
    fn observe_evidence(&mut self, evidence: &Evidence<'_>) {
        self.observe(evidence.indices, evidence.losses);
    }

    /// Whether the order depends on what is observed, so that a training which tells it nothing makes no use of it.
    fn learns(&self) -> bool {
        false
    }

    /// The examples that the sampler takes for outliers and keeps from the training, the most suspicious first.
    fn suspects(&self) -> Vec<Suspect> {
        Vec::new()
    }

    /// The kind and its settings in a line, by which a resumed training knows whether it has the same sampler.
    fn describe(&self) -> String {
        let full = std::any::type_name::<Self>();
        let head = full.split('<').next().unwrap_or(full);
        head.rsplit("::").next().unwrap_or(head).to_owned()
    }

    /// What was observed, as numbers for a checkpoint; empty for samplers without a memory.
    fn state(&self) -> Vec<f64> {
        Vec::new()
    }

    /// Takes back what [`Sampler::state`] gave.
    ///
    /// # Errors
    /// If the numbers are not such a state.
    fn restore(&mut self, state: &[f64]) -> Result<(), DataError> {
        match state {
            [] => Ok(()),
            _ => Err(DataError::setting("sampler state", "none, this sampler has no memory", state.len())),
        }
    }
}

impl<S: Sampler + ?Sized> Sampler for Box<S> {
    fn draws(&self, examples: usize) -> usize {
        (**self).draws(examples)
    }
    fn order(&self, examples: usize, rng: &mut Rng) -> Result<Vec<usize>, DataError> {
        (**self).order(examples, rng)
    }
    fn observe(&mut self, indices: &[usize], losses: &[f64]) {
        (**self).observe(indices, losses);
    }
    fn observe_evidence(&mut self, evidence: &Evidence<'_>) {
        (**self).observe_evidence(evidence);
    }
    fn learns(&self) -> bool {
        (**self).learns()
    }
    fn suspects(&self) -> Vec<Suspect> {
        (**self).suspects()
    }
    fn describe(&self) -> String {
        (**self).describe()
    }
    fn state(&self) -> Vec<f64> {
        (**self).state()
    }
    fn restore(&mut self, state: &[f64]) -> Result<(), DataError> {
        (**self).restore(state)
    }
}

/// Refuses a sampler that was made for another number of examples.
pub(crate) fn check_examples(what: &'static str, found: usize, expected: usize) -> Result<(), DataError> {
    if found == expected { Ok(()) } else { Err(DataError::Lengths { what, expected, found }) }
}

/// The examples of each class that occurs, classes ascending, examples in the order of their numbers.
pub(crate) fn by_class(labels: &Indices) -> Vec<(usize, Vec<usize>)> {
    // A map and not a table: a label may be any number, and must not decide how much memory is asked for.
    let mut classes = BTreeMap::<usize, Vec<usize>>::new();
    for (i, &label) in labels.as_slice().iter().enumerate() {
        classes.entry(label).or_default().push(i);
    }
    classes.into_iter().collect()
}
