//! The largest of several neighbours.

use crate::Layer;
use crate::layer::ShapeError;
use kniff_autograd::Var;
use kniff_tensor::{Element, Shape};

/// Maxout: feature c of the output is the largest of features `c k .. c k + k - 1` of the input.
///
/// After a [`super::Linear`] with k times as many outputs, each unit is a convex piecewise linear function of k pieces.
/// After a convolution take [`Maxout::of_channels`]. Source: Goodfellow, Warde-Farley, Mirza, Courville, Bengio, "Maxout
/// networks" (2013).
#[derive(Clone, Copy, Debug)]
pub struct Maxout {
    pieces: usize,
    /// Whether the pieces lie along the channels, the first axis after the batch, and not along the last.
    channels: bool,
}

impl Maxout {
    /// # Panics
    /// If `pieces` is 0.
    #[track_caller]
    pub fn new(pieces: usize) -> Self {
        assert!(pieces > 0, "Maxout: a unit needs at least one piece");
        Self { pieces, channels: false }
    }

    /// The same along the channels of images `[n, channels, ..]`.
    ///
    /// # Panics
    /// If `pieces` is 0.
    #[track_caller]
    pub fn of_channels(pieces: usize) -> Self {
        Self { channels: true, ..Self::new(pieces) }
    }
}

crate::stateless!(Maxout);

impl<E: Element> Layer<E> for Maxout {
    fn forward(&self, x: &Var<E>) -> Var<E> {
        if self.channels { x.maxout_along(1, self.pieces) } else { x.maxout(self.pieces) }
    }

    fn output_shape(&self, input: &[usize]) -> Result<Shape, ShapeError> {
        let axis = if self.channels { 0 } else { input.len().saturating_sub(1) };
        match input.get(axis) {
            Some(&features) if features.is_multiple_of(self.pieces) => {
                let mut shape = input.to_vec();
                shape[axis] = features / self.pieces;
                Ok(Shape::new(&shape))
            }
            _ => {
                let place = if self.channels { "first" } else { "last" };
                let reason = format!("the {place} axis must be a multiple of {} pieces", self.pieces);
                Err(ShapeError::new(Layer::<E>::name(self), input, reason))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kniff_tensor::Tensor;

    #[test]
    fn channels_are_the_axis_after_the_batch() {
        let x = Var::<f32>::constant(Tensor::arange(8).reshape([1, 4, 2]));
        let layer = Maxout::of_channels(2);
        assert_eq!(layer.forward(&x).value().to_vec(), [2.0, 3.0, 6.0, 7.0]);
        assert_eq!(Layer::<f32>::output_shape(&layer, &[4, 2]).unwrap(), [2, 2]);
        assert_eq!(Layer::<f32>::output_shape(&Maxout::new(2), &[4, 2]).unwrap(), [4, 1]);
        let error = Layer::<f32>::output_shape(&layer, &[3, 2]).unwrap_err().to_string();
        assert!(error.contains("the first axis must be a multiple of 2 pieces"), "{error}");
    }
}
