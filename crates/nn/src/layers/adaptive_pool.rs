//! Pooling to a given size, whatever the size of the input.

use super::conv::check_batch;
use super::sides::{Sides, example, example_shape, lift, named, spatial};
use crate::layer::ShapeError;
use crate::{Layer, Module, Path, Visitor, VisitorMut};
use kniff_autograd::Var;
use kniff_tensor::{Element, PoolWindows, Shape};

/// The mean of signals [n, channels, length] under windows that cut them into a given number; see [`AdaptiveAvgPool`].
pub type AdaptiveAvgPool1d = AdaptiveAvgPool<1>;

/// The mean of images [n, channels, h, w] under windows that cut them into given rows and columns; see
/// [`AdaptiveAvgPool`].
///
/// ```
/// use kniff_autograd::Var;
/// use kniff_nn::{Layer, layers::AdaptiveAvgPool2d};
/// use kniff_tensor::Tensor;
/// let x = Var::<f32>::constant(Tensor::arange(16).reshape([1, 1, 4, 4]));
/// assert_eq!(AdaptiveAvgPool2d::new(1).forward(&x).value().to_vec(), [7.5]);
/// ```
pub type AdaptiveAvgPool2d = AdaptiveAvgPool<2>;

/// The largest of signals [n, channels, length] under windows that cut them into a given number; see [`AdaptiveMaxPool`].
pub type AdaptiveMaxPool1d = AdaptiveMaxPool<1>;

/// The largest of images [n, channels, h, w] under windows that cut them into given rows and columns; see
/// [`AdaptiveMaxPool`].
pub type AdaptiveMaxPool2d = AdaptiveMaxPool<2>;

macro_rules! adaptive {
    ($(#[$doc:meta])* $name:ident, $method:ident, $names:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name<const D: usize> {
            output: [usize; D],
        }

        impl<const D: usize> $name<D> {
            /// Gives so many windows per axis.
            ///
            /// # Panics
            /// If it is 0.
            #[track_caller]
            pub fn new(output: impl Into<Sides<D>>) -> Self {
                let Sides(output) = output.into();
                let name = named::<D>($names);
                assert!(!output.contains(&0), "{name}: an output of {output:?} has nothing in it");
                Self { output }
            }
        }

        impl<E: Element, const D: usize> Module<E> for $name<D> {
            fn visit<'a>(&'a self, _: &mut Path, _: &mut dyn Visitor<'a, E>) {}
            fn visit_mut<'a>(&'a mut self, _: &mut Path, _: &mut dyn VisitorMut<'a, E>) {}
        }

        impl<E: Element, const D: usize> Layer<E> for $name<D> {
            fn forward(&self, x: &Var<E>) -> Var<E> {
                check_batch::<D, E>(Layer::<E>::name(self), x);
                x.$method(lift(self.output, 1))
            }

            fn name(&self) -> &'static str {
                named::<D>($names)
            }

            fn output_shape(&self, input: &[usize]) -> Result<Shape, ShapeError> {
                let wrong = |reason: String| ShapeError::new(named::<D>($names), input, reason);
                let Some((channels, sides)) = spatial::<D>(input) else {
                    return Err(wrong(format!("it takes examples of shape {}", example::<D>())));
                };
                PoolWindows::adaptive(lift(sides, 1), lift(self.output, 1)).map_err(wrong)?;
                Ok(example_shape::<D>(channels, self.output))
            }
        }
    };
}

adaptive!(
    /// The mean under windows that cut D spatial axes into given numbers: output i of m sees positions
    /// `floor(i n / m) .. ceil((i + 1) n / m)` of n, as in PyTorch. With 1 it is the mean of each channel.
    AdaptiveAvgPool,
    adaptive_avg_pool,
    ["AdaptiveAvgPool1d", "AdaptiveAvgPool2d"]
);
adaptive!(
    /// The largest under windows that cut D spatial axes into given numbers: output i of m sees positions
    /// `floor(i n / m) .. ceil((i + 1) n / m)` of n, as in PyTorch.
    AdaptiveMaxPool,
    adaptive_max_pool,
    ["AdaptiveMaxPool1d", "AdaptiveMaxPool2d"]
);

#[cfg(test)]
mod tests {
    use super::*;
    use kniff_tensor::Tensor;

    #[test]
    fn windows_overlap_where_the_sizes_do_not_divide() {
        let x = Var::<f64>::constant(Tensor::arange(5).reshape([1, 1, 5]));
        assert_eq!(AdaptiveMaxPool1d::new(3).forward(&x).value().to_vec(), [1.0, 3.0, 4.0]);
        assert_eq!(AdaptiveAvgPool1d::new(3).forward(&x).value().to_vec(), [0.5, 2.0, 3.5]);
    }

    #[test]
    fn the_stated_shape_is_the_shape() {
        for n in [0, 1, 3] {
            let x = Var::<f32>::constant(Tensor::zeros([n, 2, 3, 5]));
            let (mean, max) = (AdaptiveAvgPool2d::new([2, 7]), AdaptiveMaxPool2d::new(1));
            assert_eq!(mean.forward(&x).shape()[1..], *Layer::<f32>::output_shape(&mean, &[2, 3, 5]).unwrap());
            assert_eq!(max.forward(&x).shape()[1..], *Layer::<f32>::output_shape(&max, &[2, 3, 5]).unwrap());
        }
        assert!(Layer::<f32>::output_shape(&AdaptiveAvgPool2d::new(1), &[2, 0, 5]).is_err());
    }
}
