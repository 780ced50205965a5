//! What makes a loader's batches what they are, in words: a resumed training compares them.

use super::Loader;
use crate::{Dataset, Fingerprint};
use kniff_tensor::{Element, Rng};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// So many examples are looked at to know the data set again.
const LOOKED_AT: usize = 8;

impl<E: Element, D: Dataset<E> + 'static> Loader<D, E> {
    /// The data set, the order, the batches and the augmentation, by name: two loaders with the same description give the same
    /// batches, as far as that can be told without reading everything.
    ///
    /// Prefetching is not part of it, since it changes nothing. Of the examples, the labels (where they are known without reading) and
    /// eight inputs are looked at; of an augmentation its steps' names, not their settings.
    ///
    /// ```
    /// use kniff_data::{Loader, digits};
    /// let text = Loader::new(digits()).batch_size(100).describe();
    /// assert!(text.contains(&("batch size".to_owned(), "100".to_owned())));
    /// ```
    pub fn describe(&self) -> Vec<(String, String)> {
        let mut all: Vec<(String, String)> = Vec::new();
        let mut say = |name: &str, value: String| all.push((name.to_owned(), value));
        let n = self.dataset.len();
        say("examples", n.to_string());
        say("shape of an input", self.input_shape().to_string());
        say("batch size", self.batch_size.to_string());
        say("a last batch that is not full", if self.drop_last { "dropped" } else { "kept" }.to_owned());
        say("sampler", self.sampler.describe());
        say("generator of the order", fingerprint(&self.rng).to_string());
        if let Some(labels) = self.dataset.labels() {
            say("labels", Fingerprint::new("labels").counts(labels.as_slice()).to_string());
        }
        if let Some(provenance) = self.dataset.provenance() {
            say("provenance", provenance.to_string());
        }
        let some: Vec<usize> = (0..n.min(LOOKED_AT)).map(|k| k * n / n.min(LOOKED_AT)).collect();
        // What cannot be read is an error where it is used.
        if let Ok(Ok(batch)) = catch_unwind(AssertUnwindSafe(|| self.dataset.batch(&some))) {
            let inputs = Fingerprint::new("inputs").numbers(&batch.inputs.to_vec());
            say("some of the inputs", inputs.to_string());
        }
        let steps = |augment: &std::sync::Arc<crate::Augment<E>>| {
            augment.steps().iter().map(|step| step.name().to_owned()).collect::<Vec<_>>().join(", ")
        };
        say("augmentation of images", self.images.as_ref().map_or_else(|| "none".into(), steps));
        say("augmentation of batches", if self.augment.is_some() { "some" } else { "none" }.to_owned());
        all
    }
}

/// What a generator's children are drawn from, known again; nothing is drawn from it.
fn fingerprint(rng: &Rng) -> Fingerprint {
    let mut bytes = [0; 16];
    rng.stream("fingerprint").fill_random_bytes(&mut bytes);
    Fingerprint::new("generator").counts(&bytes.map(usize::from))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digits;

    #[test]
    fn what_changes_the_batches_changes_the_description_and_nothing_else_does() {
        let plain = || Loader::<_>::new(digits()).batch_size(64).shuffle(&Rng::new(1));
        let differ = |other: &Loader<_>| {
            let (a, b) = (plain().describe(), other.describe());
            a.iter().zip(&b).filter(|(a, b)| a != b).map(|(a, _)| a.0.clone()).collect::<Vec<_>>()
        };
        assert!(differ(&plain().prefetch(3, 2)).is_empty());
        assert_eq!(differ(&plain().batch_size(32)), ["batch size"]);
        assert_eq!(differ(&plain().shuffle(&Rng::new(2))), ["generator of the order"]);
        assert_eq!(differ(&plain().drop_last(true)), ["a last batch that is not full"]);
        assert_eq!(differ(&plain().augment(|_, _| Ok(()))), ["augmentation of batches"]);
        let fewer = digits().select(&(0..1000).collect::<Vec<_>>()).unwrap();
        let fewer = Loader::new(fewer).batch_size(64).shuffle(&Rng::new(1));
        assert_eq!(differ(&fewer), ["examples", "labels", "some of the inputs"]);
    }
}
