//! The mean of a loss, watched beside the one that is trained.

use crate::Metric;
use crate::evaluate::LossSums;
use crate::metric::numbers;
use kniff_nn::Loss;
use kniff_tensor::Element;
use std::marker::PhantomData;

/// The mean over all examples of a loss: the cross-entropy without label smoothing beside one with it, for instance.
///
/// Put together from the batches as [`crate::Evaluation::loss`] is. NaN once a target did not fit the loss. 0 is the best.
#[derive(Clone, Debug)]
pub struct MeanLoss<L, E: Element = f32> {
    loss: L,
    name: String,
    sums: LossSums,
    refused: bool,
    element: PhantomData<fn() -> E>,
}

impl<L, E: Element> MeanLoss<L, E> {
    /// The mean of this loss, under a name.
    pub fn new(name: &str, loss: L) -> Self {
        Self { loss, name: name.to_owned(), sums: LossSums::default(), refused: false, element: PhantomData }
    }
}

impl<E: Element, O, T, L: Loss<E, O, T>> Metric<E, O, T> for MeanLoss<L, E> {
    fn name(&self) -> &str {
        &self.name
    }

    fn reset(&mut self) {
        (self.sums, self.refused) = (LossSums::default(), false);
    }

    fn update(&mut self, output: &O, target: &T) {
        match self.loss.loss(output, target) {
            Ok(loss) => {
                self.sums.add(self.loss.reduces_by(), loss.item().to_f64(), self.loss.weight(target));
            }
            Err(_) => self.refused = true,
        }
    }

    fn state(&self) -> Option<Vec<f64>> {
        let [sum, weight] = self.sums.numbers();
        Some(vec![sum, weight, f64::from(u8::from(self.refused))])
    }

    fn load_state(&mut self, state: &[f64]) -> Result<(), String> {
        let [sum, weight, refused] = numbers(state)?;
        (self.sums, self.refused) = (LossSums::of([sum, weight]), refused != 0.0);
        Ok(())
    }

    fn value(&self) -> f64 {
        if self.refused { f64::NAN } else { self.sums.mean().unwrap_or(f64::NAN) }
    }

    fn higher_is_better(&self) -> bool {
        false
    }
}
