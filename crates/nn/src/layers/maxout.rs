//! The largest of several neighbours.

use crate::Layer;
use crate::layer::ShapeError;
use kniff_autograd::Var;
use kniff_tensor::{Element, Shape};

/// Maxout: feature c of the output is the largest of features `c k .. c k + k - 1` of the input.
///
/// After a [`super::Linear`] with k times as many outputs, each unit is a convex piecewise linear function of k pieces.
/// Source: Goodfellow, Warde-Farley, Mirza, Courville, Bengio, "Maxout networks" (2013).
#[derive(Clone, Copy, Debug)]
pub struct Maxout {
    pieces: usize,
}

impl Maxout {
    /// # Panics
    /// If `pieces` is 0.
    #[track_caller]
    pub fn new(pieces: usize) -> Self {
        assert!(pieces > 0, "Maxout: a unit needs at least one piece");
        Self { pieces }
    }
}

crate::stateless!(Maxout);

impl<E: Element> Layer<E> for Maxout {
    fn forward(&self, x: &Var<E>) -> Var<E> {
        x.maxout(self.pieces)
    }

    fn output_shape(&self, input: &[usize]) -> Result<Shape, ShapeError> {
        match input.split_last() {
            Some((&last, rest)) if last % self.pieces == 0 => {
                let mut shape = rest.to_vec();
                shape.push(last / self.pieces);
                Ok(Shape::new(&shape))
            }
            _ => {
                let reason = format!("the last axis must be a multiple of {} pieces", self.pieces);
                Err(ShapeError::new(Layer::<E>::name(self), input, reason))
            }
        }
    }
}
