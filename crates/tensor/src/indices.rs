//! Whole numbers with a shape: class labels, positions, the results of argmax.

use crate::Shape;
use std::sync::Arc;

/// A tensor of indices. Cloning shares the numbers.
///
/// ```
/// use kniff_tensor::Indices;
/// let labels = Indices::from_vec(vec![2, 0, 1]);
/// assert_eq!(labels.select(&[0, 2]).as_slice(), [2, 1]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Indices {
    data: Arc<[usize]>,
    shape: Shape,
}

impl Indices {
    /// # Panics
    /// If the length is not the shape's.
    #[track_caller]
    pub fn new(data: Vec<usize>, shape: impl Into<Shape>) -> Self {
        let shape = shape.into();
        assert!(data.len() == shape.numel(), "Indices::new: {} numbers do not fill shape {shape}", data.len());
        Self { data: data.into(), shape }
    }

    /// Numbers along one axis.
    pub fn from_vec(data: Vec<usize>) -> Self {
        let shape = Shape::from(data.len());
        Self { data: data.into(), shape }
    }

    /// The numbers in row-major order.
    pub fn as_slice(&self) -> &[usize] {
        &self.data
    }

    /// The sizes of the axes.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// How many numbers there are.
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// The same numbers under another shape.
    #[track_caller]
    pub fn reshape(&self, shape: impl Into<Shape>) -> Self {
        let shape = shape.into();
        let fits = shape.numel() == self.len();
        assert!(fits, "Indices::reshape: {} numbers of shape {} do not fill {shape}", self.len(), self.shape);
        Self { data: self.data.clone(), shape }
    }

    /// The entries of the first axis at `rows`, in that order.
    ///
    /// # Panics
    /// If a row is outside the first axis, or there are no axes.
    #[track_caller]
    pub fn select(&self, rows: &[usize]) -> Self {
        assert!(!self.shape.is_empty(), "Indices::select: a scalar has no rows");
        let row: usize = self.shape[1..].iter().product();
        let mut out = Vec::with_capacity(rows.len() * row);
        for &r in rows {
            assert!(r < self.shape[0], "Indices::select: row {r} of {}", self.shape[0]);
            out.extend_from_slice(&self.data[r * row..(r + 1) * row]);
        }
        let mut shape = self.shape.to_vec();
        shape[0] = rows.len();
        Self::new(out, shape)
    }

    /// The largest number, if there is one.
    pub fn max(&self) -> Option<usize> {
        self.data.iter().copied().max()
    }
}

impl From<Vec<usize>> for Indices {
    fn from(data: Vec<usize>) -> Self {
        Self::from_vec(data)
    }
}
