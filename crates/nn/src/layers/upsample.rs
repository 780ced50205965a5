//! Signals and images made larger by a whole factor.

use super::conv::check_batch;
use super::sides::{Sides, example, example_shape, named, spatial};
use crate::layer::ShapeError;
use crate::{Layer, Module, Path, Visitor, VisitorMut};
use kniff_autograd::Var;
use kniff_tensor::{Element, Shape, Tensor};

/// Signals [n, channels, length] made longer; see [`Upsample`].
pub type Upsample1d = Upsample<1>;

/// Images [n, channels, h, w] made larger; see [`Upsample`].
pub type Upsample2d = Upsample<2>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Nearest,
    Linear,
    LinearAligned,
}

/// D spatial axes made larger by whole factors: [`Upsample1d`] or [`Upsample2d`].
///
/// ```
/// use kniff_autograd::Var;
/// use kniff_nn::{Layer, layers::Upsample1d};
/// use kniff_tensor::Tensor;
/// let x = Var::<f64>::constant(Tensor::from_slice(&[1.0, 2.0, 4.0], [1, 1, 3]));
/// assert_eq!(Upsample1d::nearest(2).forward(&x).value().to_vec(), [1.0, 1.0, 2.0, 2.0, 4.0, 4.0]);
/// assert_eq!(Upsample1d::linear(2).forward(&x).value().to_vec(), [1.0, 1.25, 1.75, 2.5, 3.5, 4.0]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upsample<const D: usize> {
    factor: [usize; D],
    mode: Mode,
}

impl<const D: usize> Upsample<D> {
    /// Every element repeated.
    ///
    /// # Panics
    /// If a factor is 0.
    #[track_caller]
    pub fn nearest(factor: impl Into<Sides<D>>) -> Self {
        Self::of(factor.into(), Mode::Nearest)
    }

    /// The line between neighbours, axis by axis: output i lies at `(i + 1/2) / factor - 1/2`, the ends are repeated.
    ///
    /// PyTorch's `linear` and `bilinear` with `align_corners=False`.
    ///
    /// # Panics
    /// If a factor is 0.
    #[track_caller]
    pub fn linear(factor: impl Into<Sides<D>>) -> Self {
        Self::of(factor.into(), Mode::Linear)
    }

    /// The line between neighbours, axis by axis: output i lies at `i (n - 1) / (n factor - 1)`, ends upon ends.
    ///
    /// PyTorch's `linear` and `bilinear` with `align_corners=True`.
    ///
    /// # Panics
    /// If a factor is 0.
    #[track_caller]
    pub fn linear_aligned(factor: impl Into<Sides<D>>) -> Self {
        Self::of(factor.into(), Mode::LinearAligned)
    }

    #[track_caller]
    fn of(Sides(factor): Sides<D>, mode: Mode) -> Self {
        assert!(!factor.contains(&0), "Upsample{D}d: a factor of {factor:?} leaves nothing");
        Self { factor, mode }
    }

    /// The last axes, each times its factor.
    fn repeated<E: Element>(&self, x: &Var<E>) -> Var<E> {
        let sides = &x.shape()[2..];
        let (mut split, mut wide, mut joined) = (x.shape()[..2].to_vec(), x.shape()[..2].to_vec(), x.shape().to_vec());
        for (a, (&n, factor)) in sides.iter().zip(self.factor).enumerate() {
            split.extend([n, 1]);
            wide.extend([n, factor]);
            joined[2 + a] = n * factor;
        }
        x.reshape(split).broadcast_to(wide).reshape(joined)
    }

    /// The matrix [n factor, n] that interpolates along one axis.
    fn interpolation<E: Element>(&self, n: usize, factor: usize) -> Tensor<E> {
        let outputs = n * factor;
        let mut matrix = vec![0.0; outputs * n];
        for (i, row) in matrix.chunks_exact_mut(n).enumerate() {
            let at = match self.mode {
                Mode::LinearAligned if outputs > 1 => (i * (n - 1)) as f64 / (outputs - 1) as f64,
                Mode::LinearAligned => 0.0,
                _ => ((i as f64 + 0.5) / factor as f64 - 0.5).clamp(0.0, (n - 1) as f64),
            };
            let left = (at.floor() as usize).min(n - 1);
            let right = (left + 1).min(n - 1);
            row[left] += 1.0 - (at - left as f64);
            row[right] += at - left as f64;
        }
        Tensor::from_fn([outputs, n], |i| E::from_f64(matrix[i]))
    }
}

impl<E: Element, const D: usize> Module<E> for Upsample<D> {
    fn visit<'a>(&'a self, _: &mut Path, _: &mut dyn Visitor<'a, E>) {}
    fn visit_mut<'a>(&'a mut self, _: &mut Path, _: &mut dyn VisitorMut<'a, E>) {}
}

impl<E: Element, const D: usize> Layer<E> for Upsample<D> {
    fn forward(&self, x: &Var<E>) -> Var<E> {
        check_batch::<D, E>(Layer::<E>::name(self), x);
        if self.mode == Mode::Nearest || x.is_empty() {
            return self.repeated(x);
        }
        let along = |a: usize| Var::constant(self.interpolation(x.shape()[2 + a], self.factor[a]));
        let y = x.matmul(&along(D - 1).t());
        if D == 1 { y } else { along(0).matmul(&y) }
    }

    fn name(&self) -> &'static str {
        named::<D>(["Upsample1d", "Upsample2d"])
    }

    fn output_shape(&self, input: &[usize]) -> Result<Shape, ShapeError> {
        let Some((channels, sides)) = spatial::<D>(input) else {
            let reason = format!("it takes examples of shape {}", example::<D>());
            return Err(ShapeError::new(Layer::<E>::name(self), input, reason));
        };
        Ok(example_shape::<D>(channels, std::array::from_fn(|a| sides[a] * self.factor[a])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_agree_with_pytorch() {
        // torch.nn.functional.interpolate of [[1, 2], [4, 8]] by (2, 3), bilinear.
        let x = Var::<f64>::constant(Tensor::from_slice(&[1.0, 2.0, 4.0, 8.0], [1, 1, 2, 2]));
        let close = |layer: Upsample2d, expected: [f64; 24]| {
            let y = layer.forward(&x).value().to_vec();
            y.iter().zip(expected).for_each(|(y, e)| assert!((y - e).abs() < 1e-12, "{y} instead of {e}"));
        };
        let third = 1.0 / 3.0;
        close(
            Upsample2d::linear([2, 3]),
            [
                [1.0, 1.0, 1.0 + third, 2.0 - third, 2.0, 2.0],
                [1.75, 1.75, 2.0 + third, 3.5 - 1.75 * third, 3.5, 3.5],
                [3.25, 3.25, 4.0 + third, 6.5 - 3.25 * third, 6.5, 6.5],
                [4.0, 4.0, 5.0 + third, 7.0 - third, 8.0, 8.0],
            ]
            .concat()
            .try_into()
            .unwrap(),
        );
        close(
            Upsample2d::linear_aligned([2, 3]),
            [
                [1.0, 1.2, 1.4, 1.6, 1.8, 2.0],
                [2.0, 2.4, 2.8, 3.2, 3.6, 4.0],
                [3.0, 3.6, 4.2, 4.8, 5.4, 6.0],
                [4.0, 4.8, 5.6, 6.4, 7.2, 8.0],
            ]
            .concat()
            .try_into()
            .unwrap(),
        );
        let y = Upsample2d::nearest([1, 2]).forward(&x).value().to_vec();
        assert_eq!(y, [1.0, 1.0, 2.0, 2.0, 4.0, 4.0, 8.0, 8.0]);
    }

    #[test]
    fn the_stated_shape_is_the_shape() {
        for layer in [Upsample2d::nearest([2, 3]), Upsample2d::linear(2), Upsample2d::linear_aligned([1, 2])] {
            for n in [0, 1, 3] {
                let y = layer.forward(&Var::<f32>::constant(Tensor::zeros([n, 2, 1, 5])));
                assert_eq!(y.shape()[1..], *Layer::<f32>::output_shape(&layer, &[2, 1, 5]).unwrap());
            }
        }
    }
}
