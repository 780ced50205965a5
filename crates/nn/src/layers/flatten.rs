//! All axes of an example as one.

use crate::Layer;
use crate::layer::ShapeError;
use kniff_autograd::Var;
use kniff_tensor::{Element, Shape};

/// Turns a batch [n, a, b, ..] into [n, a b ..].
#[derive(Clone, Copy, Debug, Default)]
pub struct Flatten;

crate::stateless!(Flatten);

impl<E: Element> Layer<E> for Flatten {
    fn forward(&self, x: &Var<E>) -> Var<E> {
        assert!(x.rank() > 0, "Flatten: a number is not a batch");
        x.reshape([x.shape()[0], x.shape()[1..].iter().product()])
    }

    fn output_shape(&self, input: &[usize]) -> Result<Shape, ShapeError> {
        Ok(Shape::from(input.iter().product::<usize>()))
    }

    fn is_transparent(&self) -> bool {
        true
    }
}
