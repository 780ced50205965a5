//! The mean under a window that moves over a signal or an image.

use super::conv::check_batch;
use super::max_pool::{check_window, pooled};
use super::sides::{Sides, lift, named};
use crate::layer::ShapeError;
use crate::{Layer, Module, Path, Visitor, VisitorMut};
use kniff_autograd::Var;
use kniff_tensor::{Divisor, Element, PoolOptions, Shape};

/// The mean under every window of signals [n, channels, length]; see [`AvgPool`].
pub type AvgPool1d = AvgPool<1>;

/// The mean under every window of images [n, channels, h, w]; see [`AvgPool`].
///
/// ```
/// use kniff_autograd::Var;
/// use kniff_nn::{Layer, layers::AvgPool2d};
/// use kniff_tensor::Tensor;
/// let x = Var::<f32>::constant(Tensor::arange(16).reshape([1, 1, 4, 4]));
/// assert_eq!(AvgPool2d::new(2).forward(&x).value().to_vec(), [2.5, 4.5, 10.5, 12.5]);
/// ```
pub type AvgPool2d = AvgPool<2>;

/// The mean under every window over D spatial axes, channel by channel: [`AvgPool1d`] or [`AvgPool2d`].
///
/// Sizes are those of [`super::MaxPool`] without dilation. PyTorch's `count_include_pad` and `divisor_override` are the
/// [`Divisor`]: zeros in the padding count unless it is [`Divisor::Inside`], elements past the padding never do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AvgPool<const D: usize> {
    options: PoolOptions,
    divisor: Divisor,
}

impl<const D: usize> AvgPool<D> {
    /// Windows side by side.
    ///
    /// # Panics
    /// If a size is 0.
    #[track_caller]
    pub fn new(kernel: impl Into<Sides<D>>) -> Self {
        let options = PoolOptions::new(lift(kernel.into().0, 1));
        Self { options, divisor: Divisor::WithPadding }.checked()
    }

    /// With windows so far apart.
    ///
    /// # Panics
    /// If it is 0.
    #[must_use]
    #[track_caller]
    pub fn with_stride(self, stride: impl Into<Sides<D>>) -> Self {
        Self { options: PoolOptions { stride: lift(stride.into().0, 1), ..self.options }, ..self }.checked()
    }

    /// With so many zeros around the input; at most half the window.
    #[must_use]
    pub fn with_padding(self, padding: impl Into<Sides<D>>) -> Self {
        Self { options: PoolOptions { padding: lift(padding.into().0, 0), ..self.options }, ..self }
    }

    /// With a last window that is only partly inside.
    #[must_use]
    pub fn with_ceil_mode(self, ceil_mode: bool) -> Self {
        Self { options: PoolOptions { ceil_mode, ..self.options }, ..self }
    }

    /// With another number that sums are divided by.
    ///
    /// # Panics
    /// If it is fixed at 0.
    #[must_use]
    #[track_caller]
    pub fn with_divisor(self, divisor: Divisor) -> Self {
        assert!(divisor != Divisor::Fixed(0), "AvgPool{D}d: a sum cannot be divided by 0");
        Self { divisor, ..self }
    }

    #[track_caller]
    fn checked(self) -> Self {
        check_window::<D>("AvgPool", &self.options);
        self
    }
}

impl<E: Element, const D: usize> Module<E> for AvgPool<D> {
    fn visit<'a>(&'a self, _: &mut Path, _: &mut dyn Visitor<'a, E>) {}
    fn visit_mut<'a>(&'a mut self, _: &mut Path, _: &mut dyn VisitorMut<'a, E>) {}
}

impl<E: Element, const D: usize> Layer<E> for AvgPool<D> {
    fn forward(&self, x: &Var<E>) -> Var<E> {
        check_batch::<D, E>(Layer::<E>::name(self), x);
        x.avg_pool(&self.options, self.divisor)
    }

    fn name(&self) -> &'static str {
        named::<D>(["AvgPool1d", "AvgPool2d"])
    }

    fn output_shape(&self, input: &[usize]) -> Result<Shape, ShapeError> {
        pooled::<D>(Layer::<E>::name(self), &self.options, input)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kniff_tensor::Tensor;

    #[test]
    fn the_divisor_follows_pytorch() {
        // torch.nn.AvgPool1d(3, 2, 1, ceil_mode=True, count_include_pad=..) on 1, 2, 4, 8, and avg_pool2d's
        // divisor_override=2 on the same as one row.
        let x = Var::<f64>::constant(Tensor::from_slice(&[1.0, 2.0, 4.0, 8.0], [1, 1, 4]));
        let pool = AvgPool1d::new(3).with_stride(2).with_padding(1).with_ceil_mode(true);
        let y = |divisor| pool.with_divisor(divisor).forward(&x).value().to_vec();
        assert_eq!(y(Divisor::WithPadding), [1.0, 14.0 / 3.0, 4.0]);
        assert_eq!(y(Divisor::Inside), [1.5, 14.0 / 3.0, 8.0]);
        assert_eq!(y(Divisor::Fixed(2)), [1.5, 7.0, 4.0]);
    }

    #[test]
    fn the_stated_shape_is_the_shape() {
        for layer in [AvgPool2d::new([2, 3]), AvgPool2d::new(3).with_stride([1, 2]).with_padding(1)] {
            for n in [0, 1, 3] {
                let y = layer.forward(&Var::<f32>::constant(Tensor::zeros([n, 2, 7, 8])));
                assert_eq!(y.shape()[1..], *Layer::<f32>::output_shape(&layer, &[2, 7, 8]).unwrap());
            }
        }
    }

    #[test]
    #[should_panic(expected = "AvgPool2d: a sum cannot be divided by 0")]
    fn a_divisor_of_zero_is_refused() {
        let _ = AvgPool2d::new(2).with_divisor(Divisor::Fixed(0));
    }
}
