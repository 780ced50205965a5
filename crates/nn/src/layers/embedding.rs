//! A learned vector for each of a number of things.

use crate::layer::ShapeError;
use crate::{Layer, Module};
use kniff_autograd::{Parameter, Var};
use kniff_init::Initializer;
use kniff_tensor::{Element, Indices, Rng, Shape, Tensor};
use std::fmt;

/// A table of vectors, one for each of `rows` things (words, categories), looked up by number.
///
/// `weight` has shape [rows, width], as in PyTorch. [`Embedding::lookup`] takes whole numbers. As a [`Layer`] it takes a
/// tensor of elements that are whole numbers, `[n, ..]` to `[n, .., width]`, since a chain of layers passes elements on;
/// f32 holds whole numbers exactly up to 16 million. The gradient is a full table, zero where nothing was looked up.
///
/// Differs from PyTorch: there is no `max_norm`, which changes the weights while they are being read.
///
/// ```
/// use kniff_nn::layers::Embedding;
/// use kniff_tensor::{Indices, Rng, Tensor};
/// let table = Embedding::from_weight(Tensor::<f32>::arange(6).reshape([3, 2]));
/// let y = table.lookup(&Indices::from_vec(vec![2, 0]));
/// assert_eq!(y.value().to_vec(), [4.0, 5.0, 0.0, 1.0]);
/// ```
#[derive(Clone, Debug, Module)]
#[module(crate = "crate")]
pub struct Embedding<E: Element = f32> {
    weight: Parameter<E>,
    #[module(skip)]
    padding: Option<usize>,
}

impl<E: Element> Embedding<E> {
    /// A table of `rows` vectors of `width` numbers.
    pub fn new(rows: usize, width: usize, weight: impl Initializer, rng: &mut Rng) -> Self {
        Self::from_weight(weight.init(&[rows, width], rng))
    }

    /// A given table.
    ///
    /// # Panics
    /// Unless it has shape [rows, width].
    #[track_caller]
    pub fn from_weight(weight: Tensor<E>) -> Self {
        assert!(weight.rank() == 2, "Embedding: a table of shape {} is not [rows, width]", weight.shape());
        Self { weight: Parameter::new(weight), padding: None }
    }

    /// Sets row `padding` to zeros and keeps it: its gradient is 0. For what fills up short sequences.
    ///
    /// # Panics
    /// If there is no such row.
    #[must_use]
    #[track_caller]
    pub fn with_padding(mut self, padding: usize) -> Self {
        let (rows, width) = (self.rows(), self.width());
        assert!(padding < rows, "Embedding: there is no row {padding} among {rows} to be the padding");
        self.weight.value_mut().make_mut()[padding * width..][..width].fill(E::ZERO);
        self.padding = Some(padding);
        self
    }

    /// The table, [rows, width].
    pub fn weight(&self) -> &Parameter<E> {
        &self.weight
    }

    /// The row that is kept, if there is one.
    pub fn padding(&self) -> Option<usize> {
        self.padding
    }

    fn rows(&self) -> usize {
        self.weight.value().shape()[0]
    }

    fn width(&self) -> usize {
        self.weight.value().shape()[1]
    }

    /// The vectors of the given numbers: shape `[.., width]` for numbers of shape `[..]`.
    ///
    /// # Panics
    /// If a number is not that of a row.
    #[track_caller]
    pub fn lookup(&self, at: &Indices) -> Var<E> {
        self.weight.var().rows(at, self.padding)
    }

    /// The numbers of rows that a tensor of elements holds.
    ///
    /// # Errors
    /// If an element is not a whole number or not that of a row.
    pub fn numbers(&self, x: &Tensor<E>) -> Result<Indices, RowError> {
        let rows = self.rows();
        let number = |(position, x): (usize, E)| {
            let value = x.to_f64();
            let whole = value >= 0.0 && value < rows as f64 && value.fract() == 0.0;
            if whole { Ok(value as usize) } else { Err(RowError { position, value, rows }) }
        };
        let numbers: Result<Vec<usize>, RowError> = x.to_vec().into_iter().enumerate().map(number).collect();
        Ok(Indices::new(numbers?, *x.shape()))
    }
}

/// An element that is not the number of a row.
#[derive(Clone, Debug, PartialEq)]
pub struct RowError {
    /// Where in the tensor, in row-major order.
    pub position: usize,
    /// The element.
    pub value: f64,
    /// How many rows there are.
    pub rows: usize,
}

impl fmt::Display for RowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "element {} is {}, but rows are looked up by whole numbers from 0 to {}",
            self.position,
            self.value,
            self.rows as i64 - 1
        )
    }
}

impl std::error::Error for RowError {}

impl<E: Element> Layer<E> for Embedding<E> {
    /// # Panics
    /// If an element is not a whole number or not that of a row.
    fn forward(&self, x: &Var<E>) -> Var<E> {
        match self.numbers(x.value()) {
            Ok(at) => self.lookup(&at),
            Err(error) => panic!("Embedding: {error}"),
        }
    }

    fn output_shape(&self, input: &[usize]) -> Result<Shape, ShapeError> {
        let mut shape = input.to_vec();
        shape.push(self.width());
        Ok(Shape::new(&shape))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kniff_init::Normal;

    #[test]
    fn the_padding_row_is_zero_and_stays() {
        let table = Embedding::<f64>::new(4, 3, Normal::centered(1.0), &mut Rng::new(0)).with_padding(1);
        let y = table.lookup(&Indices::new(vec![1, 2, 2, 1], [2, 2]));
        assert_eq!(*y.shape(), [2, 2, 3]);
        assert_eq!(y.value().to_vec()[..3], [0.0; 3]);
        let gradient = y.sum_all().backward();
        let gradient = gradient.get(table.weight()).unwrap().to_vec();
        assert_eq!(gradient, [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.0, 2.0, 2.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn as_a_layer_it_takes_whole_numbers_only() {
        let table = Embedding::from_weight(Tensor::<f32>::arange(6).reshape([3, 2]));
        let x = Tensor::from_slice(&[2.0, 0.0], [1, 2]);
        assert_eq!(table.forward(&Var::constant(x)).value().to_vec(), [4.0, 5.0, 0.0, 1.0]);
        for bad in [0.5, 3.0, -1.0, f32::NAN] {
            let error = table.numbers(&Tensor::from_slice(&[1.0, bad], [2])).unwrap_err();
            assert!(error.to_string().starts_with(&format!("element 1 is {bad}, but")), "{error}");
        }
        assert_eq!(table.output_shape(&[5]).unwrap(), [5, 2]);
    }
}
