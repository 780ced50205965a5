//! Convolution and its two adjoints: each one's derivatives are made of the other two.

use crate::Var;
#[cfg(feature = "cases")]
use crate::case::{Case, draw};
use crate::op::{At, Cotangents, Keeps, Op, apply};
use kniff_tensor::{ConvGeometry, ConvOptions, Element, Tensor};

/// Adds what is there of two terms.
fn both<E: Element>(a: Option<Var<E>>, b: Option<Var<E>>) -> Option<Var<E>> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.add(&b)),
        (a, b) => a.or(b),
    }
}

/// From an image and a weight to an output, with a bias per channel if there is a third input.
#[derive(Clone, Copy)]
struct Conv(ConvGeometry);

impl<E: Element> Op<E> for Conv {
    fn name(&self) -> &'static str {
        "conv"
    }

    fn keeps(&self) -> Keeps {
        Keeps::inputs(0b11)
    }

    fn value(&mut self, x: &[&Tensor<E>]) -> Tensor<E> {
        x[0].conv(x[1], x.get(2).copied(), &self.0)
    }

    fn pull_back(&self, g: &Var<E>, at: &At<'_, E>, to: &mut Cotangents<'_, E>) {
        to.input(0, || apply(ConvInput(self.0), &[g, &at.input(1)]));
        to.input(1, || apply(ConvWeight(self.0), &[&at.input(0), g]));
        if at.arity() == 3 {
            to.input(2, || g.sum(&[0, 2, 3], false));
        }
    }

    fn push_forward(&self, dx: &[Option<&Var<E>>], at: &At<'_, E>) -> Option<Var<E>> {
        let image = dx[0].map(|dx| apply(*self, &[dx, &at.input(1)]));
        let weight = dx[1].map(|dw| apply(*self, &[&at.input(0), dw]));
        let linear = both(image, weight);
        let Some(bias) = dx.get(2).copied().flatten() else { return linear };
        let bias = bias.reshape([1, bias.len(), 1, 1]);
        Some(match linear {
            Some(linear) => linear.add(&bias),
            None => bias.broadcast_to(self.0.output_shape(at.shape(0)[0])),
        })
    }
}

/// From an output and a weight to an image: the transposed convolution.
#[derive(Clone, Copy)]
struct ConvInput(ConvGeometry);

impl<E: Element> Op<E> for ConvInput {
    fn name(&self) -> &'static str {
        "conv_transpose"
    }

    fn keeps(&self) -> Keeps {
        Keeps::inputs(0b11)
    }

    fn value(&mut self, x: &[&Tensor<E>]) -> Tensor<E> {
        x[0].conv_input(x[1], &self.0)
    }

    fn pull_back(&self, g: &Var<E>, at: &At<'_, E>, to: &mut Cotangents<'_, E>) {
        to.input(0, || apply(Conv(self.0), &[g, &at.input(1)]));
        to.input(1, || apply(ConvWeight(self.0), &[g, &at.input(0)]));
    }

    fn push_forward(&self, dx: &[Option<&Var<E>>], at: &At<'_, E>) -> Option<Var<E>> {
        let output = dx[0].map(|dy| apply(*self, &[dy, &at.input(1)]));
        both(output, dx[1].map(|dw| apply(*self, &[&at.input(0), dw])))
    }
}

/// From an image and an output to a weight: the gradient of the weight.
#[derive(Clone, Copy)]
struct ConvWeight(ConvGeometry);

impl<E: Element> Op<E> for ConvWeight {
    fn name(&self) -> &'static str {
        "conv_weight"
    }

    fn keeps(&self) -> Keeps {
        Keeps::inputs(0b11)
    }

    fn value(&mut self, x: &[&Tensor<E>]) -> Tensor<E> {
        x[0].conv_weight(x[1], &self.0)
    }

    fn pull_back(&self, g: &Var<E>, at: &At<'_, E>, to: &mut Cotangents<'_, E>) {
        to.input(0, || apply(ConvInput(self.0), &[&at.input(1), g]));
        to.input(1, || apply(Conv(self.0), &[&at.input(0), g]));
    }

    fn push_forward(&self, dx: &[Option<&Var<E>>], at: &At<'_, E>) -> Option<Var<E>> {
        let image = dx[0].map(|dx| apply(*self, &[dx, &at.input(1)]));
        both(image, dx[1].map(|dy| apply(*self, &[&at.input(0), dy])))
    }
}

impl<E: Element> Var<E> {
    /// Cross-correlation with a weight [out, in / groups, kh, kw], as deep learning calls convolution.
    ///
    /// Takes images [n, in, h, w] to [n, out, oh, ow], `y[o] = bias[o] + sum_c w[o][c] * x[c]` with the rows and columns of
    /// [`ConvOptions::output_size`]. A signal [n, in, l] with a weight [out, in / groups, k] is an image of one row, which
    /// the second numbers of the options are for.
    ///
    /// ```
    /// use kniff_autograd::Var;
    /// use kniff_tensor::{ConvOptions, Tensor};
    /// let x = Var::<f64>::constant(Tensor::from_slice(&[1.0, 2.0, 4.0], [1, 1, 3]));
    /// let w = Var::tracked(Tensor::from_slice(&[-1.0, 1.0], [1, 1, 2]));
    /// let y = x.conv(&w, None, &ConvOptions::default());
    /// assert_eq!(y.value().to_vec(), [1.0, 2.0]);
    /// assert_eq!(y.sum_all().backward().of(&w).unwrap().to_vec(), [3.0, 6.0]);
    /// ```
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[track_caller]
    pub fn conv(&self, weight: &Var<E>, bias: Option<&Var<E>>, options: &ConvOptions) -> Var<E> {
        self.on_image("conv", |image| {
            let weight = weight.as_image();
            let geometry = match options.geometry(image.shape(), weight.shape()) {
                Ok(geometry) => geometry,
                Err(e) => panic!("conv: shapes {} and {} do not fit: {e}", image.shape(), weight.shape()),
            };
            match bias {
                Some(bias) => apply(Conv(geometry), &[image, &weight, bias]),
                None => apply(Conv(geometry), &[image, &weight]),
            }
        })
    }

    /// The transposed convolution with a weight [in, out / groups, kh, kw]: the adjoint of [`Var::conv`], plus a bias.
    ///
    /// Takes images [n, in, h, w] to [n, out, oh, ow] with the rows and columns of [`ConvOptions::transposed_size`]. The
    /// convolution that it undoes the shape of may have cut off rows and columns; `output_padding` adds them again, after
    /// the image. A signal [n, in, l] is an image of one row.
    ///
    /// ```
    /// use kniff_autograd::Var;
    /// use kniff_tensor::{ConvOptions, Tensor};
    /// let x = Var::<f64>::constant(Tensor::from_slice(&[1.0, 2.0], [1, 1, 2]));
    /// let w = Var::constant(Tensor::from_slice(&[3.0, 4.0], [1, 1, 2]));
    /// let y = x.conv_transpose(&w, None, &ConvOptions::default(), [0, 0]);
    /// assert_eq!(y.value().to_vec(), [3.0, 10.0, 8.0]);
    /// ```
    ///
    /// # Panics
    /// If the shapes do not fit, or the output padding is not below stride or dilation.
    #[track_caller]
    pub fn conv_transpose(
        &self,
        weight: &Var<E>,
        bias: Option<&Var<E>>,
        options: &ConvOptions,
        output_padding: [usize; 2],
    ) -> Var<E> {
        self.on_image("conv_transpose", |image| {
            let weight = weight.as_image();
            let geometry = match options.transposed_geometry(image.shape(), weight.shape(), output_padding) {
                Ok(geometry) => geometry,
                Err(e) => panic!("conv_transpose: shapes {} and {} do not fit: {e}", image.shape(), weight.shape()),
            };
            let y = apply(ConvInput(geometry), &[image, &weight]);
            match bias {
                Some(bias) => y.add(&bias.reshape([1, geometry.channels[0], 1, 1])),
                None => y,
            }
        })
    }

    /// A signal as an image of one row; an image as it is.
    pub(super) fn as_image(&self) -> Var<E> {
        if self.rank() == 3 { self.unsqueeze(2) } else { self.clone() }
    }

    /// Applies `f` to this as an image, and makes what comes out a signal again if this is one.
    #[track_caller]
    pub(super) fn on_image(&self, name: &str, f: impl FnOnce(&Var<E>) -> Var<E>) -> Var<E> {
        let signal = self.rank() == 3;
        let fits = signal || self.rank() == 4;
        assert!(fits, "{name}: an input of shape {} is not [n, channels, h, w] or [n, channels, length]", self.shape());
        let y = f(&self.as_image());
        if !signal {
            return y;
        }
        assert!(y.shape()[2] == 1, "{name}: a signal of shape {} grew to {}", self.shape(), y.shape());
        y.squeeze(2)
    }
}

/// Options that leave something of images of 4 x 5 under windows of 2 x 3.
#[cfg(feature = "cases")]
fn options(groups: usize) -> ConvOptions {
    ConvOptions { stride: [2, 1], padding: [(1, 0), (0, 2)], dilation: [1, 2], groups, ..ConvOptions::default() }
}

#[cfg(feature = "cases")]
fn grouped(rng: &mut kniff_tensor::Rng) -> Vec<Tensor<f64>> {
    let (n, groups) = (1 + rng.below(2), 2);
    let (x, w) = (draw(rng, [n, 4, 4, 5], -2.0, 2.0, &[]), draw(rng, [2, 2, 2, 3], -2.0, 2.0, &[]));
    vec![x, w, draw(rng, [groups], -1.0, 1.0, &[])]
}

#[cfg(feature = "cases")]
pub(super) const CONV: Case = Case {
    name: "conv",
    inputs: |rng| {
        let (n, i, o) = (1 + rng.below(2), 1 + rng.below(3), 1 + rng.below(3));
        let (h, w) = (2 + rng.below(3), 3 + rng.below(2));
        let x = draw(rng, [n, i, h, w], -2.0, 2.0, &[]);
        vec![x, draw(rng, [o, i, 2, 3], -2.0, 2.0, &[]), draw(rng, [o], -1.0, 1.0, &[])]
    },
    f: |x| x[0].conv(&x[1], Some(&x[2]), &ConvOptions { padding: [(1, 1); 2], ..ConvOptions::default() }).square(),
};
#[cfg(feature = "cases")]
pub(super) const GROUPED: Case =
    Case { name: "conv_grouped", inputs: grouped, f: |x| x[0].conv(&x[1], Some(&x[2]), &options(2)).square() };
#[cfg(feature = "cases")]
pub(super) const SIGNAL: Case = Case {
    name: "conv_signal",
    inputs: |rng| vec![draw(rng, [2, 2, 6], -2.0, 2.0, &[]), draw(rng, [3, 2, 3], -2.0, 2.0, &[])],
    f: |x| x[0].conv(&x[1], None, &ConvOptions { stride: [1, 2], ..ConvOptions::default() }).square(),
};
#[cfg(feature = "cases")]
pub(super) const TRANSPOSE: Case = Case {
    name: "conv_transpose",
    inputs: |rng| {
        let n = 1 + rng.below(2);
        let (x, w) = (draw(rng, [n, 2, 3, 2], -2.0, 2.0, &[]), draw(rng, [2, 2, 2, 3], -2.0, 2.0, &[]));
        vec![x, w, draw(rng, [4], -1.0, 1.0, &[])]
    },
    f: |x| x[0].conv_transpose(&x[1], Some(&x[2]), &options(2), [1, 0]).square(),
};
#[cfg(feature = "cases")]
pub(super) const WEIGHT: Case = Case {
    name: "conv_weight",
    inputs: |rng| {
        let x = grouped(rng).swap_remove(0);
        let geometry = options(2).geometry(x.shape(), &[2, 2, 2, 3]).expect("sizes that fit");
        let dy = draw(rng, geometry.output_shape(x.shape()[0]), -2.0, 2.0, &[]);
        vec![x, dy]
    },
    f: |x| {
        let geometry = options(2).geometry(x[0].shape(), &[2, 2, 2, 3]).expect("sizes that fit");
        apply(ConvWeight(geometry), &[&x[0], &x[1]]).square()
    },
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "conv: shapes [1, 2, 4, 4] and [1, 3, 2, 2] do not fit: 2 channels do not fit")]
    fn channels_that_do_not_fit_are_named() {
        let (x, w) = (Tensor::<f32>::zeros([1, 2, 4, 4]), Tensor::zeros([1, 3, 2, 2]));
        let _ = Var::from(x).conv(&w.into(), None, &ConvOptions::default());
    }

    #[test]
    #[should_panic(expected = "an output padding of 2 is not below a stride of 2")]
    fn an_output_padding_as_large_as_the_stride_is_refused() {
        let options = ConvOptions { stride: [2, 2], ..ConvOptions::default() };
        let (x, w) = (Tensor::<f32>::zeros([1, 1, 3, 3]), Tensor::zeros([1, 1, 2, 2]));
        let _ = Var::from(x).conv_transpose(&w.into(), None, &options, [2, 0]);
    }

    #[test]
    fn an_output_padding_may_exceed_the_stride_where_the_dilation_does() {
        // PyTorch 2.15: conv_transpose1d of [1, 2] with [1, 1], dilation 3, output padding 2, and of ones pulled back.
        let options = ConvOptions { dilation: [1, 3], ..ConvOptions::default() };
        let x = Var::<f64>::tracked(Tensor::from_slice(&[1.0, 2.0], [1, 1, 2]));
        let y = x.conv_transpose(&Tensor::ones([1, 1, 2]).into(), None, &options, [0, 2]);
        assert_eq!(y.value().to_vec(), [1.0, 2.0, 0.0, 1.0, 2.0, 0.0, 0.0]);
        assert_eq!(y.sum_all().backward().of(&x).unwrap().to_vec(), [2.0, 2.0]);
    }
}
