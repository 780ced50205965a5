//! The last step of a sequence.

use crate::Layer;
use crate::layer::ShapeError;
use kniff_autograd::Var;
use kniff_tensor::{Element, Shape};

/// Turns [n, steps, features] into [n, features], the last step: between a recurrent layer and a head that judges the
/// whole sequence.
///
/// Of a layer in both directions the half that runs backward has seen one step there; take [`super::Recurrent::run`] and
/// its last states instead.
#[derive(Clone, Copy, Debug, Default)]
pub struct LastStep;

crate::stateless!(LastStep);

impl<E: Element> Layer<E> for LastStep {
    fn forward(&self, x: &Var<E>) -> Var<E> {
        let fits = x.rank() == 3 && x.shape()[1] > 0;
        assert!(fits, "LastStep: an input of shape {} is not [n, steps, features] with at least one step", x.shape());
        x.select(1, x.shape()[1] - 1)
    }

    fn output_shape(&self, input: &[usize]) -> Result<Shape, ShapeError> {
        match *input {
            [steps, features] if steps > 0 => Ok(Shape::from([features])),
            _ => {
                Err(ShapeError::new(Layer::<E>::name(self), input, "it takes [steps, features] with at least one step"))
            }
        }
    }

    fn is_transparent(&self) -> bool {
        true
    }
}
