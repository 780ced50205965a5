//! The contract of everything that gives weights their first values.

use crate::InitError;
use kniff_tensor::ndarray::{ArrayBase, DataMut, Dimension};
use kniff_tensor::{Element, Rng, Tensor};

/// A rule for the first values of an array, given its shape.
///
/// An implementation writes [`Initializer::try_fill`]; the other doors are built on it. Everything random comes from
/// the generator that is passed in: the same generator state gives the same bytes, at any number of threads.
pub trait Initializer {
    /// Fills `out`, the row-major elements of an array of `shape`.
    ///
    /// # Errors
    /// Where the shape has no such filling, a setting is out of range or `out` is not as long as the shape says.
    fn try_fill<E: Element>(&self, shape: &[usize], out: &mut [E], rng: &mut Rng) -> Result<(), InitError>;

    /// A new tensor of `shape`.
    ///
    /// # Panics
    /// Where [`Initializer::try_fill`] gives an error, with its message.
    #[track_caller]
    fn init<E: Element>(&self, shape: &[usize], rng: &mut Rng) -> Tensor<E> {
        match self.try_init(shape, rng) {
            Ok(tensor) => tensor,
            Err(error) => panic!("init: {error}"),
        }
    }

    /// A new tensor of `shape`, for shapes that come from outside.
    ///
    /// # Errors
    /// As [`Initializer::try_fill`].
    fn try_init<E: Element>(&self, shape: &[usize], rng: &mut Rng) -> Result<Tensor<E>, InitError> {
        let mut tensor = Tensor::scratch(shape);
        self.try_fill(shape, tensor.make_mut(), rng)?;
        Ok(tensor)
    }

    /// Fills a plain slice that holds an array of `shape` row by row.
    ///
    /// # Panics
    /// Where [`Initializer::try_fill`] gives an error, with its message.
    #[track_caller]
    fn fill<E: Element>(&self, shape: &[usize], out: &mut [E], rng: &mut Rng) {
        if let Err(error) = self.try_fill(shape, out, rng) {
            panic!("fill: {error}");
        }
    }

    /// Fills an ndarray array or mutable view of any layout; equal arrays whatever the layout.
    ///
    /// ```
    /// use kniff_init::{Initializer, Orthogonal};
    /// use kniff_tensor::{Rng, ndarray::Array2};
    /// let mut q = Array2::<f64>::zeros((3, 3));
    /// Orthogonal::default().fill_array(&mut q, &mut Rng::new(1));
    /// let gram = q.dot(&q.t());
    /// assert!((gram[[0, 0]] - 1.0).abs() < 1e-12 && gram[[0, 1]].abs() < 1e-12);
    /// ```
    ///
    /// # Panics
    /// Where [`Initializer::try_fill`] gives an error, with its message.
    #[track_caller]
    fn fill_array<E: Element, S: DataMut<Elem = E>, D: Dimension>(&self, array: &mut ArrayBase<S, D>, rng: &mut Rng) {
        let shape = array.shape().to_vec();
        if let Some(out) = array.as_slice_mut() {
            return self.fill(&shape, out, rng);
        }
        let mut row_major = vec![E::ZERO; array.len()];
        self.fill(&shape, &mut row_major, rng);
        for (to, from) in array.iter_mut().zip(row_major) {
            *to = from;
        }
    }
}

impl<I: Initializer + ?Sized> Initializer for &I {
    fn try_fill<E: Element>(&self, shape: &[usize], out: &mut [E], rng: &mut Rng) -> Result<(), InitError> {
        (**self).try_fill(shape, out, rng)
    }
}

/// The length check that every implementation starts with.
pub(crate) fn check_length<E>(shape: &[usize], out: &[E]) -> Result<(), InitError> {
    let expected = shape.iter().product();
    if out.len() == expected {
        Ok(())
    } else {
        Err(InitError::Length { shape: shape.to_vec(), expected, found: out.len() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{HeNormal, Zeros};
    use kniff_tensor::ndarray::{Array2, Axis, ShapeBuilder};

    #[test]
    fn every_door_gives_the_same_bytes() {
        let tensor: Tensor<f32> = HeNormal.init(&[5, 4], &mut Rng::new(9));
        let mut slice = [0.0_f32; 20];
        HeNormal.fill(&[5, 4], &mut slice, &mut Rng::new(9));
        assert_eq!(tensor.to_vec(), slice);
        let mut by_columns = Array2::<f32>::zeros((5, 4).f());
        HeNormal.fill_array(&mut by_columns, &mut Rng::new(9));
        assert!(by_columns.iter().eq(slice.iter()));
        let mut wide = Array2::<f32>::zeros((5, 8));
        let (mut part, _) = wide.view_mut().split_at(Axis(1), 4);
        HeNormal.fill_array(&mut part, &mut Rng::new(9));
        assert_eq!(part[[1, 0]], slice[4]);
    }

    #[test]
    fn a_slice_of_another_length_is_refused() {
        let error = Zeros.try_fill(&[2, 3], &mut [0.0_f32; 5], &mut Rng::new(0)).unwrap_err();
        assert_eq!(error.to_string(), "shape [2, 3] has 6 elements, but the slice to fill has 5");
    }

    #[test]
    #[should_panic(expected = "has no fan_in and fan_out")]
    fn a_bias_has_no_fans() {
        let _: Tensor = HeNormal.init(&[10], &mut Rng::new(0));
    }
}
