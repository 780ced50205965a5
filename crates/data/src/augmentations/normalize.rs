//! The fitted normalisation of channels as the last step of a pipeline.

use crate::augmentation::{Augmentation, TestStep, Views};
use crate::{DataError, Image, Normalizer, PerChannel};
use kniff_tensor::{Element, Rng};

/// A fitted [`PerChannel`] is a step too: (x - mean) / std in the same pass as crop, flip and colours, and the same at test time.
///
/// ```
/// use kniff_data::{Augment, PerChannel};
/// use kniff_tensor::{Rng, Tensor};
/// let normalizer = PerChannel::new(vec![0.5], vec![0.25])?;
/// let bytes = Augment::<f32>::new().then(normalizer).apply_bytes(&[0, 255], [1, 1, 1, 2], &Rng::new(0), 0)?;
/// assert_eq!(bytes.to_vec(), [-2.0, 2.0]);
/// # Ok::<(), kniff_data::DataError>(())
/// ```
impl<E: Element> Augmentation<E> for PerChannel<E> {
    fn name(&self) -> &str {
        "normalize"
    }

    fn output_shape(&self, shape: [usize; 3]) -> Result<[usize; 3], DataError> {
        Normalizer::output_shape(self, &shape)?;
        Ok(shape)
    }

    fn apply(&self, image: &mut Image<'_, E>, _: &mut Rng) {
        for (c, (&mean, &std)) in self.mean().iter().zip(self.std()).enumerate() {
            image.scale_and_shift(c, E::ONE / std, -mean / std);
        }
    }

    fn normalizes(&self) -> bool {
        true
    }

    fn at_test(&self, _: [usize; 3], _: &Views, _: &mut Rng) -> Vec<TestStep<E>> {
        let this = self.clone();
        vec![TestStep::new("", move |image| this.apply(image, &mut Rng::new(0)))]
    }
}
