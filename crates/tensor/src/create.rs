//! Tensors from nothing: constants, ranges, slices, draws.

use crate::buffer::Buffer;
use crate::{Element, Rng, Shape, Tensor};

impl<E: Element> Tensor<E> {
    /// All elements 0.
    pub fn zeros(shape: impl Into<Shape>) -> Self {
        let shape = shape.into();
        Tensor::from_buffer(Buffer::zeros(shape.numel()), shape)
    }

    /// All elements 1.
    pub fn ones(shape: impl Into<Shape>) -> Self {
        Self::full(shape, E::ONE)
    }

    /// All elements `value`.
    pub fn full(shape: impl Into<Shape>, value: E) -> Self {
        let mut out = Tensor::scratch(shape);
        out.fresh_mut().fill(value);
        out
    }

    /// One element and no axes.
    pub fn scalar(value: E) -> Self {
        Self::full(Shape::SCALAR, value)
    }

    /// Takes the vector over without copying.
    ///
    /// # Panics
    /// If its length is not the shape's.
    #[track_caller]
    pub fn from_vec(data: Vec<E>, shape: impl Into<Shape>) -> Self {
        let shape = shape.into();
        assert!(data.len() == shape.numel(), "from_vec: {} elements do not fill shape {shape}", data.len());
        Tensor::from_buffer(Buffer::from_vec(data), shape)
    }

    /// Copies the slice.
    ///
    /// # Panics
    /// If its length is not the shape's.
    #[track_caller]
    pub fn from_slice(data: &[E], shape: impl Into<Shape>) -> Self {
        let shape = shape.into();
        assert!(data.len() == shape.numel(), "from_slice: {} elements do not fill shape {shape}", data.len());
        let mut out = Tensor::scratch(shape);
        out.fresh_mut().copy_from_slice(data);
        out
    }

    /// Element `i`, in row-major order, is `f(i)`.
    pub fn from_fn(shape: impl Into<Shape>, mut f: impl FnMut(usize) -> E) -> Self {
        let mut out = Tensor::scratch(shape);
        for (i, x) in out.fresh_mut().iter_mut().enumerate() {
            *x = f(i);
        }
        out
    }

    /// 0, 1, ... n-1.
    pub fn arange(n: usize) -> Self {
        Self::from_fn([n], E::from_usize)
    }

    /// `n` evenly spaced numbers from `from` to `to`, both included.
    pub fn linspace(from: f64, to: f64, n: usize) -> Self {
        let last = n.saturating_sub(1).max(1) as f64;
        Self::from_fn([n], |i| {
            // The last one is `to` itself and not the sum that rounds near it.
            E::from_f64(if i + 1 == n && n > 1 { to } else { from + (to - from) * (i as f64 / last) })
        })
    }

    /// The identity matrix.
    pub fn eye(n: usize) -> Self {
        Self::from_fn([n, n], |i| if n > 0 && i / n == i % n { E::ONE } else { E::ZERO })
    }

    /// Independent draws from the normal distribution with mean 0 and variance 1.
    pub fn randn(shape: impl Into<Shape>, rng: &mut Rng) -> Self {
        Self::from_fn(shape, |_| E::from_f64(rng.normal()))
    }

    /// Independent draws from the uniform distribution on `[low, high)`.
    pub fn rand_uniform(shape: impl Into<Shape>, low: f64, high: f64, rng: &mut Rng) -> Self {
        Self::from_fn(shape, |_| {
            // Rounding to f32 can reach the open end.
            let x = E::from_f64(low + (high - low) * rng.uniform());
            if x.to_f64() < high || low >= high { x } else { E::from_f64(low) }
        })
    }

    /// Zeros in the shape of this tensor.
    pub fn zeros_like(&self) -> Self {
        Self::zeros(self.shape)
    }

    /// Ones in the shape of this tensor.
    pub fn ones_like(&self) -> Self {
        Self::ones(self.shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_end_where_they_should() {
        assert_eq!(Tensor::<f64>::linspace(0.0, 1.0, 5).to_vec(), [0.0, 0.25, 0.5, 0.75, 1.0]);
        assert_eq!(Tensor::<f64>::linspace(2.0, 3.0, 1).to_vec(), [2.0]);
        assert_eq!(Tensor::<f32>::arange(3).to_vec(), [0.0, 1.0, 2.0]);
        assert_eq!(Tensor::<f32>::eye(2).to_vec(), [1.0, 0.0, 0.0, 1.0]);
        assert!(Tensor::<f32>::zeros([2, 0]).to_vec().is_empty());
    }

    #[test]
    fn the_same_seed_gives_the_same_draws() {
        let draw = || Tensor::<f32>::randn([3, 3], &mut Rng::new(1)).to_vec();
        assert_eq!(draw(), draw());
    }
}
