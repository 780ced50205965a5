//! What the examples of a data set are to be mapped to: class labels or numbers.

use crate::DataError;
use kniff_tensor::{Element, Indices, Tensor, parallel};

/// One target per example: [`Indices`] for class labels, [`Tensor`] for regression and soft labels.
///
/// The first axis counts the examples.
pub trait Targets: Clone + Send + Sync + 'static {
    /// How many examples there are targets for.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The targets of the examples at `rows`, in that order.
    ///
    /// # Panics
    /// If a row is outside.
    fn select(&self, rows: &[usize]) -> Self;

    /// The parts one after the other.
    ///
    /// # Errors
    /// If there are no parts, or their shapes differ beyond the first axis.
    fn stack(parts: &[Self]) -> Result<Self, DataError>;

    /// Class labels, where the targets are such.
    fn labels(&self) -> Option<&Indices> {
        None
    }

    /// Whether every number is finite.
    ///
    /// # Errors
    /// [`DataError::NotFinite`] with the first that is not.
    fn check(&self) -> Result<(), DataError> {
        Ok(())
    }
}

impl Targets for Indices {
    fn len(&self) -> usize {
        self.shape().first().copied().unwrap_or(0)
    }

    fn select(&self, rows: &[usize]) -> Self {
        Indices::select(self, rows)
    }

    fn stack(parts: &[Self]) -> Result<Self, DataError> {
        let first = parts.first().ok_or(DataError::Empty { what: "a list of targets to join" })?;
        let mut shape = first.shape().to_vec();
        let mut joined = Vec::with_capacity(parts.iter().map(Indices::len).sum());
        let mut rows = 0;
        for part in parts {
            same_example("targets", first.shape(), part.shape())?;
            joined.extend_from_slice(part.as_slice());
            rows += Targets::len(part);
        }
        shape[0] = rows;
        Ok(Indices::new(joined, shape))
    }

    fn labels(&self) -> Option<&Indices> {
        Some(self)
    }
}

impl<E: Element> Targets for Tensor<E> {
    fn len(&self) -> usize {
        self.shape().first().copied().unwrap_or(0)
    }

    fn select(&self, rows: &[usize]) -> Self {
        gather_rows(self, rows)
    }

    fn stack(parts: &[Self]) -> Result<Self, DataError> {
        join_rows("targets", parts)
    }

    fn check(&self) -> Result<(), DataError> {
        check_finite("targets", self)
    }
}

/// The rows (entries of the first axis) of `x` at `rows`, in a buffer from the pool.
#[track_caller]
pub(crate) fn gather_rows<E: Element>(x: &Tensor<E>, rows: &[usize]) -> Tensor<E> {
    let source = x.contiguous();
    let elements = source.as_slice().unwrap_or_default();
    let mut shape = x.shape().to_vec();
    let size = shape[1..].iter().product::<usize>();
    shape[0] = rows.len();
    let mut out = Tensor::scratch(shape);
    parallel::row_blocks(out.make_mut(), size, size, |first, block| {
        for (to, &row) in block.chunks_exact_mut(size).zip(&rows[first..]) {
            to.copy_from_slice(&elements[row * size..(row + 1) * size]);
        }
    });
    out
}

/// The parts one after the other along the first axis.
pub(crate) fn join_rows<E: Element>(what: &'static str, parts: &[Tensor<E>]) -> Result<Tensor<E>, DataError> {
    let first = parts.first().ok_or(DataError::Empty { what: "a list of tensors to join" })?;
    let mut shape = first.shape().to_vec();
    let mut rows = 0;
    for part in parts {
        same_example(what, first.shape(), part.shape())?;
        rows += part.shape()[0];
    }
    shape[0] = rows;
    let mut out = Tensor::scratch(shape);
    let mut rest = out.make_mut();
    for part in parts {
        let (to, after) = rest.split_at_mut(part.len());
        to.copy_from_slice(part.contiguous().as_slice().unwrap_or_default());
        rest = after;
    }
    Ok(out)
}

fn same_example(what: &'static str, first: &[usize], other: &[usize]) -> Result<(), DataError> {
    if first.is_empty() || other.is_empty() || first[1..] != other[1..] {
        let mut expected = String::from("[n");
        for axis in first.iter().skip(1) {
            expected += &format!(", {axis}");
        }
        return Err(DataError::Shape { what, expected: expected + "]", found: other.into() });
    }
    Ok(())
}

/// The first number that is not finite, as an error with its row and column.
pub(crate) fn check_finite<E: Element>(what: &'static str, x: &Tensor<E>) -> Result<(), DataError> {
    let source = x.contiguous();
    let elements = source.as_slice().unwrap_or_default();
    match elements.iter().position(|v| !v.is_finite()) {
        None => Ok(()),
        Some(at) => {
            let size = x.shape().iter().skip(1).product::<usize>().max(1);
            Err(DataError::NotFinite { what, row: at / size, column: at % size, value: elements[at].to_f64() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_gathered_in_order_and_may_repeat() {
        let x: Tensor = Tensor::arange(6).reshape([3, 2]);
        assert_eq!(gather_rows(&x, &[2, 0, 2]).to_vec(), [4.0, 5.0, 0.0, 1.0, 4.0, 5.0]);
        assert_eq!(gather_rows(&x.t(), &[1]).to_vec(), [1.0, 3.0, 5.0]);
        assert_eq!(gather_rows(&x, &[]).shape(), &[0, 2]);
        assert_eq!(gather_rows(&Tensor::<f32>::zeros([3, 0]), &[1]).shape(), &[1, 0]);
    }

    #[test]
    fn parts_are_joined_and_misfits_refused() {
        let (a, b): (Tensor, Tensor) = (Tensor::ones([1, 2]), Tensor::zeros([2, 2]));
        assert_eq!(Targets::stack(&[a.clone(), b]).unwrap().to_vec(), [1.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
        let e = Targets::stack(&[a, Tensor::zeros([2, 3])]).unwrap_err();
        assert_eq!(e.to_string(), "targets: expected shape [n, 2], found [2, 3]");
        let l = Indices::stack(&[vec![1].into(), vec![0, 2].into()]).unwrap();
        assert_eq!(l.as_slice(), [1, 0, 2]);
    }

    #[test]
    fn nan_is_found_with_its_place() {
        let x: Tensor = Tensor::from_slice(&[0.0, 1.0, 2.0, f32::NAN], [2, 2]);
        let e = check_finite("inputs", &x).unwrap_err();
        assert!(e.to_string().starts_with("inputs: row 1, column 1 is NaN"), "{e}");
    }
}
