//! Whole channels switched off at random in training.

use crate::Layer;
use crate::layer::ShapeError;
use kniff_autograd::Var;
use kniff_autograd::ops::DropoutMask;
use kniff_tensor::{Element, Rng, Shape};

/// Dropout of whole channels: in training each channel of each example is 0 with probability p and divided by `1 - p`
/// otherwise; at test time it stays as it is.
///
/// Neighbours in an image say nearly the same, so that dropping them one by one drops little. [`Dropout1d`] takes
/// [n, channels, length], [`Dropout2d`] [n, channels, height, width].
/// Source: Tompson, Goroshin, Jain, LeCun, Bregler, "Efficient object localization using convolutional networks" (2015).
///
/// ```
/// use kniff_autograd::Var;
/// use kniff_nn::{Layer, layers::Dropout2d};
/// use kniff_tensor::{Rng, Tensor};
/// let x = Var::<f32>::constant(Tensor::ones([8, 4, 3, 3]));
/// let y = Dropout2d::new(0.5).forward_train(&x, &mut Rng::new(0));
/// // Every plane of nine is all 0 or all 2.
/// assert!(y.value().sum(&[2, 3], false).to_vec().iter().all(|&s| s == 0.0 || s == 18.0));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChannelDropout<const AXES: usize> {
    p: f64,
}

/// Dropout of the channels of [n, channels, length].
pub type Dropout1d = ChannelDropout<1>;

/// Dropout of the channels of images [n, channels, height, width].
pub type Dropout2d = ChannelDropout<2>;

impl<const AXES: usize> ChannelDropout<AXES> {
    const NAME: &'static str = if AXES == 1 { "Dropout1d" } else { "Dropout2d" };

    /// Drops with probability `p`.
    ///
    /// # Panics
    /// Unless `p` is within 0..=1.
    #[track_caller]
    pub fn new(p: f64) -> Self {
        let name = Self::NAME;
        assert!((0.0..=1.0).contains(&p), "{name}: p is {p}; it is the probability of being dropped, from 0 to 1");
        Self { p }
    }

    /// The probability of being dropped.
    pub fn p(&self) -> f64 {
        self.p
    }

    #[track_caller]
    fn check<E: Element>(x: &Var<E>) {
        assert!(
            x.rank() == AXES + 2,
            "{}: an input of shape {} is not [n, channels] and {AXES} more axes",
            Self::NAME,
            x.shape()
        );
    }
}

crate::stateless!(ChannelDropout<1>, ChannelDropout<2>);

impl<const AXES: usize, E: Element> Layer<E> for ChannelDropout<AXES>
where
    Self: crate::Module<E>,
{
    fn forward(&self, x: &Var<E>) -> Var<E> {
        Self::check(x);
        x.clone()
    }

    fn forward_train(&mut self, x: &Var<E>, rng: &mut Rng) -> Var<E> {
        self.forward_sampling(x, rng)
    }

    fn forward_sampling(&self, x: &Var<E>, rng: &mut Rng) -> Var<E> {
        Self::check(x);
        if self.p == 0.0 {
            return x.clone();
        }
        x.dropout(&DropoutMask::draw_channels(*x.shape(), self.p, rng))
    }

    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn output_shape(&self, input: &[usize]) -> Result<Shape, ShapeError> {
        if input.len() == AXES + 1 {
            return Ok(Shape::new(input));
        }
        Err(ShapeError::new(Self::NAME, input, format!("it takes channels and {AXES} more axes")))
    }

    fn is_transparent(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kniff_tensor::Tensor;

    #[test]
    fn another_number_of_axes_is_reported() {
        let error = Layer::<f32>::output_shape(&Dropout2d::new(0.5), &[3, 4]).unwrap_err().to_string();
        assert!(error.contains("Dropout2d") && error.contains("2 more axes"), "{error}");
    }

    #[test]
    fn test_time_is_the_identity_and_sampling_draws_as_training_does() {
        let x = Var::<f32>::constant(Tensor::ones([5, 6, 4]));
        let mut dropout = Dropout1d::new(0.5);
        assert_eq!(dropout.forward(&x).value().to_vec(), x.value().to_vec());
        let trained = dropout.forward_train(&x, &mut Rng::new(3)).value().to_vec();
        assert_eq!(dropout.forward_sampling(&x, &mut Rng::new(3)).value().to_vec(), trained);
        assert_ne!(trained, x.value().to_vec());
    }
}
