//! What a callback remembers, as a checkpoint stores it.

use crate::TrainError;
use crate::fits::misfit;
use kniff_tensor::{Element, Tensor};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;

/// Weights by name.
type Weights<E> = Vec<(String, Tensor<E>)>;

/// Values by name, and lists of weights by name.
///
/// ```
/// use kniff_trainer::Memory;
/// let memory: Memory = Memory::default().with("waited", &3);
/// assert_eq!(memory.get::<usize>("waited")?, 3);
/// assert!(memory.get::<usize>("best").unwrap_err().to_string().contains("best"));
/// # Ok::<(), kniff_trainer::TrainError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Memory<E: Element = f32> {
    /// As JSON.
    values: BTreeMap<String, String>,
    weights: BTreeMap<String, Weights<E>>,
}

impl<E: Element> Default for Memory<E> {
    fn default() -> Self {
        Self { values: BTreeMap::new(), weights: BTreeMap::new() }
    }
}

impl<E: Element> Memory<E> {
    /// With a value under a name; it is stored as JSON, which has no infinities and no NaN.
    ///
    /// # Panics
    /// If the value cannot be written as JSON: a map whose keys are not texts.
    #[must_use]
    #[track_caller]
    pub fn with(mut self, name: &str, value: &(impl Serialize + ?Sized)) -> Self {
        match serde_json::to_string(value) {
            Ok(text) => self.values.insert(name.to_owned(), text),
            Err(error) => panic!("Memory::with: {name} cannot be stored: {error}"),
        };
        self
    }

    /// With weights under a name. Nothing is copied until they change.
    #[must_use]
    pub fn with_weights(mut self, name: &str, weights: Vec<(String, Tensor<E>)>) -> Self {
        self.weights.insert(name.to_owned(), weights);
        self
    }

    /// The value under a name.
    ///
    /// # Errors
    /// If there is none, or it is of another type.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Result<T, TrainError> {
        let fail = |reason| TrainError::Memory { name: name.to_owned(), reason };
        let text = self.values.get(name).ok_or_else(|| fail("it is not there".to_owned()))?;
        serde_json::from_str(text).map_err(|e| fail(e.to_string()))
    }

    /// The weights under a name, if they have the names and shapes of those of now, in their order.
    pub(crate) fn weights_of(&self, name: &str, now: &[(String, Tensor<E>)]) -> Result<Option<Weights<E>>, TrainError> {
        let Some(weights) = self.weights.get(name) else { return Ok(None) };
        match misfit(weights, now) {
            None => Ok(Some(weights.clone())),
            Some(reason) => Err(TrainError::Memory { name: name.to_owned(), reason }),
        }
    }

    /// The weights under a name.
    pub fn weights(&self, name: &str) -> Option<&[(String, Tensor<E>)]> {
        self.weights.get(name).map(Vec::as_slice)
    }
}
