//! Images in memory, a byte for each channel of each pixel.

use crate::dataset::check_indices;
use crate::{Augment, Batch, DataError, Dataset, Targets};
use kniff_tensor::{Element, Indices, Rng, Shape, Tensor, parallel};
use std::sync::Arc;

/// Images of one size in bytes: a quarter of the memory of f32; batches are numbers from 0 to 1 (a byte divided by 255).
///
/// Clones share the bytes.
///
/// ```
/// use kniff_data::{Dataset, ImageDataset};
/// use kniff_tensor::Indices;
/// let data = ImageDataset::new(vec![0, 51, 255, 0], [1, 1, 2], Indices::from_vec(vec![1, 0]))?;
/// let batch = Dataset::<f32>::batch(&data, &[1])?;
/// assert_eq!(batch.inputs.to_vec(), [1.0, 0.0]);
/// # Ok::<(), kniff_data::DataError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ImageDataset<T = Indices> {
    pixels: Arc<Vec<u8>>,
    shape: [usize; 3],
    targets: T,
    classes: Vec<String>,
}

impl<T: Targets> ImageDataset<T> {
    /// Images of `shape` (`[channels, height, width]`), one after the other, and their targets.
    ///
    /// # Errors
    /// Unless there are as many bytes as the targets and the shape say.
    pub fn new(pixels: Vec<u8>, shape: [usize; 3], targets: T) -> Result<Self, DataError> {
        let expected = shape.iter().try_fold(targets.len(), |n, &axis| n.checked_mul(axis));
        if expected != Some(pixels.len()) {
            let expected = format!("the bytes of {} images (one per target) of shape {shape:?}", targets.len());
            return Err(DataError::setting("pixels", expected, format!("{} bytes", pixels.len())));
        }
        Ok(Self { pixels: Arc::new(pixels), shape, targets, classes: Vec::new() })
    }

    /// Names for the classes, in the order of the labels.
    #[must_use]
    pub fn with_classes(mut self, classes: Vec<String>) -> Self {
        self.classes = classes;
        self
    }

    /// The bytes of all images, one after the other.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// The shape of an image: channels, height, width.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// The targets.
    pub fn targets(&self) -> &T {
        &self.targets
    }

    /// The names of the classes, where they are known.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The images at `indices`, copied to a data set of their own.
    ///
    /// # Errors
    /// [`DataError::Index`] if one does not exist.
    pub fn select(&self, indices: &[usize]) -> Result<Self, DataError> {
        check_indices(indices, self.targets.len())?;
        let size = self.size();
        let mut pixels = Vec::with_capacity(indices.len() * size);
        indices.iter().for_each(|&i| pixels.extend_from_slice(&self.pixels[i * size..(i + 1) * size]));
        let (targets, classes) = (self.targets.select(indices), self.classes.clone());
        Ok(Self { pixels: Arc::new(pixels), shape: self.shape, targets, classes })
    }

    fn size(&self) -> usize {
        self.shape.iter().product()
    }
}

impl<E: Element, T: Targets> Dataset<E> for ImageDataset<T> {
    type Target = T;

    fn len(&self) -> usize {
        self.targets.len()
    }

    fn batch(&self, indices: &[usize]) -> Result<Batch<E, T>, DataError> {
        check_indices(indices, self.targets.len())?;
        let (size, [channels, height, width]) = (self.size(), self.shape);
        let mut inputs = Tensor::scratch([indices.len(), channels, height, width]);
        let scale = E::from_f64(1.0 / 255.0);
        parallel::row_blocks(inputs.make_mut(), size, size, |first, block| {
            for (to, &i) in block.chunks_exact_mut(size).zip(&indices[first..]) {
                let from = &self.pixels[i * size..(i + 1) * size];
                to.iter_mut().zip(from).for_each(|(to, &byte)| *to = E::from_f64(f64::from(byte)) * scale);
            }
        });
        Ok(Batch { inputs, targets: self.targets.select(indices), indices: indices.to_vec() })
    }

    fn augmented_batch(
        &self,
        indices: &[usize],
        augment: &Augment<E>,
        rng: &Rng,
        first: usize,
    ) -> Result<Batch<E, T>, DataError> {
        check_indices(indices, self.targets.len())?;
        let size = self.size();
        let inputs = augment.run(indices.len(), self.shape, rng, first, |i, image| {
            image.load_bytes(&self.pixels[indices[i] * size..(indices[i] + 1) * size], self.shape);
        })?;
        Ok(Batch { inputs, targets: self.targets.select(indices), indices: indices.to_vec() })
    }

    fn input_shape(&self) -> Shape {
        Shape::from(self.shape)
    }

    fn labels(&self) -> Option<Indices> {
        self.targets.labels().cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{HorizontalFlip, Subset};

    fn three() -> ImageDataset {
        ImageDataset::new((0..18).map(|i| i * 14).collect(), [3, 1, 2], vec![0, 2, 1].into()).unwrap()
    }

    #[test]
    fn in_one_pass_or_in_two_it_is_the_same() {
        let augment = Augment::<f64>::new().then(HorizontalFlip::new(0.5).unwrap());
        let (data, rng) = (three(), Rng::new(8));
        let batch: Batch<f64, Indices> = data.augmented_batch(&[2, 0, 2, 1], &augment, &rng, 3).unwrap();
        let plain: Batch<f64, Indices> = data.batch(&[2, 0, 2, 1]).unwrap();
        assert_eq!(batch.inputs, augment.apply_from(&plain.inputs, &rng, 3).unwrap());
        assert_eq!(batch.targets.as_slice(), [1, 0, 1, 2]);
        let part = Subset::new::<f64>(data, vec![2, 0]).unwrap();
        let again: Batch<f64, Indices> = part.augmented_batch(&[0, 1], &augment, &rng, 3).unwrap();
        assert_eq!(again.inputs, batch.inputs.slice_axis(0, ..2).contiguous());
        assert_eq!(again.indices, [0, 1]);
    }

    #[test]
    fn misfits_are_refused() {
        let e = ImageDataset::new(vec![0; 5], [1, 1, 2], Indices::from_vec(vec![0, 0])).unwrap_err();
        assert!(e.to_string().contains("2 images (one per target) of shape [1, 1, 2], found 5 bytes"), "{e}");
        assert!(ImageDataset::new(vec![], [usize::MAX, 2, 2], Indices::from_vec(vec![0])).is_err());
        assert!(Dataset::<f32>::batch(&three(), &[3]).is_err());
        assert_eq!(three().select(&[1]).unwrap().pixels()[0], 84);
    }
}
