//! The mean of a loss, watched beside the one that is trained.

use crate::Metric;
use kniff_nn::Loss;
use kniff_tensor::{Element, Tensor};
use std::marker::PhantomData;

/// The mean over all examples of a loss: the cross-entropy without label smoothing beside one with it, for instance.
///
/// NaN once a target did not fit the loss. 0 is the best.
#[derive(Clone, Debug)]
pub struct MeanLoss<L, E: Element = f32> {
    loss: L,
    name: String,
    sum: f64,
    seen: usize,
    element: PhantomData<fn() -> E>,
}

impl<L, E: Element> MeanLoss<L, E> {
    /// The mean of this loss, under a name.
    pub fn new(name: &str, loss: L) -> Self {
        Self { loss, name: name.to_owned(), sum: 0.0, seen: 0, element: PhantomData }
    }
}

impl<E: Element, O, T, L: Loss<E, O, T>> Metric<E, O, T> for MeanLoss<L, E> {
    fn name(&self) -> &str {
        &self.name
    }

    fn reset(&mut self) {
        (self.sum, self.seen) = (0.0, 0);
    }

    fn update(&mut self, output: &O, target: &T) {
        match self.loss.per_example(output, target) {
            Ok(losses) => {
                self.sum += total(&losses);
                self.seen += losses.len();
            }
            Err(_) => self.sum = f64::NAN,
        }
    }

    fn value(&self) -> f64 {
        self.sum / self.seen as f64
    }

    fn higher_is_better(&self) -> bool {
        false
    }
}

/// The sum in double precision.
pub(crate) fn total<E: Element>(x: &Tensor<E>) -> f64 {
    x.contiguous().as_slice().unwrap_or_default().iter().map(|v| v.to_f64()).sum()
}
