//! The largest under a window that moves over a signal or an image.

use super::conv::check_batch;
use super::sides::{Sides, example, example_shape, lift, lower, named, spatial};
use crate::layer::ShapeError;
use crate::{Layer, Module, Path, Visitor, VisitorMut};
use kniff_autograd::Var;
use kniff_tensor::{Element, PoolOptions, Shape};

/// The largest under every window of signals [n, channels, length]; see [`MaxPool`].
pub type MaxPool1d = MaxPool<1>;

/// The largest under every window of images [n, channels, h, w]; see [`MaxPool`].
///
/// ```
/// use kniff_autograd::Var;
/// use kniff_nn::{Layer, layers::MaxPool2d};
/// use kniff_tensor::Tensor;
/// let x = Var::<f32>::constant(Tensor::arange(16).reshape([1, 1, 4, 4]));
/// assert_eq!(MaxPool2d::new(2).forward(&x).value().to_vec(), [5.0, 7.0, 13.0, 15.0]);
/// ```
pub type MaxPool2d = MaxPool<2>;

/// The largest under every window over D spatial axes, channel by channel: [`MaxPool1d`] or [`MaxPool2d`].
///
/// Sizes are `(size + 2 padding - dilation (kernel - 1) - 1) / stride + 1`, rounded down; in ceil mode up, where a last window
/// must start inside the input or the padding before it. The stride is the kernel's size unless it is set. The padding never
/// wins. The gradient goes to the first of several that tie, and NaN is larger than everything. All as in PyTorch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxPool<const D: usize> {
    options: PoolOptions,
}

impl<const D: usize> MaxPool<D> {
    /// Windows side by side.
    ///
    /// # Panics
    /// If a size is 0.
    #[track_caller]
    pub fn new(kernel: impl Into<Sides<D>>) -> Self {
        let pool = Self { options: PoolOptions::new(lift(kernel.into().0, 1)) };
        pool.checked()
    }

    /// With windows so far apart.
    ///
    /// # Panics
    /// If it is 0.
    #[must_use]
    #[track_caller]
    pub fn with_stride(self, stride: impl Into<Sides<D>>) -> Self {
        Self { options: PoolOptions { stride: lift(stride.into().0, 1), ..self.options } }.checked()
    }

    /// With so many elements around the input; at most half the window.
    #[must_use]
    pub fn with_padding(self, padding: impl Into<Sides<D>>) -> Self {
        Self { options: PoolOptions { padding: lift(padding.into().0, 0), ..self.options } }
    }

    /// With the elements of the window so far apart.
    ///
    /// # Panics
    /// If it is 0.
    #[must_use]
    #[track_caller]
    pub fn with_dilation(self, dilation: impl Into<Sides<D>>) -> Self {
        Self { options: PoolOptions { dilation: lift(dilation.into().0, 1), ..self.options } }.checked()
    }

    /// With a last window that is only partly inside.
    #[must_use]
    pub fn with_ceil_mode(self, ceil_mode: bool) -> Self {
        Self { options: PoolOptions { ceil_mode, ..self.options } }
    }

    #[track_caller]
    fn checked(self) -> Self {
        check_window::<D>("MaxPool", &self.options);
        self
    }
}

impl<E: Element, const D: usize> Module<E> for MaxPool<D> {
    fn visit<'a>(&'a self, _: &mut Path, _: &mut dyn Visitor<'a, E>) {}
    fn visit_mut<'a>(&'a mut self, _: &mut Path, _: &mut dyn VisitorMut<'a, E>) {}
}

impl<E: Element, const D: usize> Layer<E> for MaxPool<D> {
    fn forward(&self, x: &Var<E>) -> Var<E> {
        check_batch::<D, E>(Layer::<E>::name(self), x);
        x.max_pool(&self.options)
    }

    fn name(&self) -> &'static str {
        named::<D>(["MaxPool1d", "MaxPool2d"])
    }

    fn output_shape(&self, input: &[usize]) -> Result<Shape, ShapeError> {
        pooled::<D>(Layer::<E>::name(self), &self.options, input)
    }
}

/// The shape that pooling gives.
pub(super) fn pooled<const D: usize>(
    name: &'static str,
    options: &PoolOptions,
    input: &[usize],
) -> Result<Shape, ShapeError> {
    let wrong = |reason: String| ShapeError::new(name, input, reason);
    let Some((channels, sides)) = spatial::<D>(input) else {
        return Err(wrong(format!("it takes examples of shape {}", example::<D>())));
    };
    let windows = options.windows(lift(sides, 1)).map_err(wrong)?;
    Ok(example_shape::<D>(channels, lower(windows.output())))
}

/// That a window has elements and moves.
#[track_caller]
pub(super) fn check_window<const D: usize>(name: &str, options: &PoolOptions) {
    let PoolOptions { kernel, stride, dilation, .. } = options;
    let moves = ![kernel, stride, dilation].iter().any(|sides| sides.contains(&0));
    assert!(
        moves,
        "{name}{D}d: a window of {kernel:?}, a stride of {stride:?} and a dilation of {dilation:?} are not all above 0"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use kniff_tensor::Tensor;

    #[test]
    fn the_stated_shape_is_the_shape() {
        let cases = [
            MaxPool2d::new(2),
            MaxPool2d::new([3, 2]).with_stride([2, 3]).with_padding([1, 0]),
            MaxPool2d::new(2).with_stride(3).with_ceil_mode(true),
            MaxPool2d::new(2).with_dilation(3).with_stride(1),
            MaxPool2d::new([7, 8]),
        ];
        for layer in cases {
            for n in [0, 1, 3] {
                let y = layer.forward(&Var::<f32>::constant(Tensor::zeros([n, 2, 7, 8])));
                assert_eq!(y.shape()[1..], *Layer::<f32>::output_shape(&layer, &[2, 7, 8]).unwrap());
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let reason = |layer: MaxPool1d, input: &[usize]| Layer::<f32>::output_shape(&layer, input).unwrap_err().reason;
        assert_eq!(reason(MaxPool1d::new(3), &[2]), "it takes examples of shape [channels, length]");
        assert!(reason(MaxPool1d::new(3), &[2, 2]).contains("does not fit into a padded image"));
        assert!(reason(MaxPool1d::new(3).with_padding(2), &[2, 9]).contains("more than half of a window"));
    }

    #[test]
    #[should_panic(expected = "MaxPool1d: a window of [1, 0]")]
    fn a_window_of_nothing_is_refused() {
        let _ = MaxPool1d::new(0);
    }
}
