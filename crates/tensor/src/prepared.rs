//! Operations whose weight never changes: laid out once, applied many times.

use crate::kernels::elementwise::Unary;
use crate::kernels::ready::{self, Ready};
use crate::simd::Isa;
use crate::{ConvOptions, Element, Tensor};

/// `y = x Wᵀ + b` over the last axis, or the ReLU of it, with the weight laid out for products of many rows.
///
/// One row is multiplied by the weight as it lies; the first call with more of them lays out a copy of it. The same numbers as
/// [`Tensor::linear`] up to rounding.
///
/// ```
/// use kniff_tensor::{PreparedLinear, Tensor};
/// let w = Tensor::<f64>::from_slice(&[1.0, 2.0, 0.0, -1.0], [2, 2]);
/// let linear = PreparedLinear::new(w, Some(Tensor::from_slice(&[0.5, 0.0], [2]))).with_relu();
/// let x = Tensor::from_slice(&[1.0, 1.0, 0.0, -3.0], [2, 2]);
/// assert_eq!(linear.apply(&x).to_vec(), [3.5, 0.0, 0.0, 3.0]);
/// ```
pub struct PreparedLinear<E: Element = f32> {
    weight: Tensor<E>,
    bias: Option<Tensor<E>>,
    relu: bool,
    ready: Ready<E>,
}

impl<E: Element> PreparedLinear<E> {
    /// A weight [out, in] and a bias `[out]`.
    ///
    /// # Panics
    /// If they have other shapes.
    #[track_caller]
    pub fn new(weight: Tensor<E>, bias: Option<Tensor<E>>) -> Self {
        let fits = weight.rank() == 2 && bias.as_ref().is_none_or(|b| **b.shape() == weight.shape()[..1]);
        assert!(
            fits,
            "PreparedLinear: a weight of shape {} is not [out, in], or does not fit its bias",
            weight.shape()
        );
        let bias = bias.map(|b| b.contiguous());
        Self { weight: weight.contiguous(), bias, relu: false, ready: Ready::new() }
    }

    /// With `max(0, y)` of the result.
    #[must_use]
    pub fn with_relu(self) -> Self {
        Self { relu: true, ..self }
    }

    /// The weight, [out, in].
    pub fn weight(&self) -> &Tensor<E> {
        &self.weight
    }

    /// Bytes that the laid out copy of the weight takes; 0 before it is needed.
    pub fn prepared_bytes(&self) -> usize {
        self.ready.bytes()
    }

    /// The result for [.., in]: [.., out].
    ///
    /// # Panics
    /// If the last axis does not have `in` elements.
    #[track_caller]
    pub fn apply(&self, x: &Tensor<E>) -> Tensor<E> {
        let (outputs, inputs) = (self.weight.shape()[0], self.weight.shape()[1]);
        let rows = x.len().checked_div(inputs).unwrap_or(0);
        if rows <= 1 {
            return if self.relu {
                x.linear_with(&self.weight, self.bias.as_ref(), Relu)
            } else {
                x.linear(&self.weight, self.bias.as_ref())
            };
        }
        let fits = x.rank() >= 1 && x.shape()[x.rank() - 1] == inputs;
        assert!(fits, "linear: shapes {} and {} do not fit", x.shape(), self.weight.shape());
        let mut shape = *x.shape();
        shape.axes_mut()[x.rank() - 1] = outputs;
        let x = x.contiguous();
        let mut y = Tensor::scratch(shape);
        let bias = self.bias.as_ref().map(Tensor::slice_of);
        let weight = (self.weight.slice_of(), &self.ready);
        ready::linear(x.slice_of(), weight, (rows, inputs, outputs), bias, self.relu, y.fresh_mut());
        y
    }
}

#[derive(Clone, Copy)]
struct Relu;

impl<E: Element> Unary<E> for Relu {
    #[inline(always)]
    fn at<I: Isa>(self, x: E) -> E {
        if x < E::ZERO { E::ZERO } else { x }
    }
}

/// A convolution, optionally with a bias, a tensor that is added to the result, and the ReLU of that; its weight stays at
/// Winograd's points where that is the way to compute it.
///
/// The points take four times the memory of the weight, and are made at the first call that wants them. Since they need not be
/// made again, small batches and small images are computed this way too, which [`Tensor::conv`] does by the sums themselves:
/// the same numbers up to rounding, 1e-6 to 5e-6 of the result in f32.
///
/// ```
/// use kniff_tensor::{ConvOptions, PreparedConv, Tensor};
/// let w = Tensor::<f64>::from_slice(&[-1.0, 1.0], [1, 1, 1, 2]);
/// let conv = PreparedConv::new(w, None, ConvOptions::default()).with_relu();
/// let x = Tensor::from_slice(&[1.0, 3.0, 2.0], [1, 1, 1, 3]);
/// assert_eq!(conv.apply(&x, None).to_vec(), [2.0, 0.0]);
/// let shortcut = Tensor::from_slice(&[1.0, 5.0], [1, 1, 1, 2]);
/// assert_eq!(conv.apply(&x, Some(&shortcut)).to_vec(), [3.0, 4.0]);
/// ```
pub struct PreparedConv<E: Element = f32> {
    weight: Tensor<E>,
    bias: Option<Tensor<E>>,
    options: ConvOptions,
    relu: bool,
    ready: Ready<E>,
}

impl<E: Element> PreparedConv<E> {
    /// A weight [out, in / groups, kh, kw] and a bias `[out]`.
    ///
    /// # Panics
    /// If they have other shapes.
    #[track_caller]
    pub fn new(weight: Tensor<E>, bias: Option<Tensor<E>>, options: ConvOptions) -> Self {
        let fits = weight.rank() == 4 && bias.as_ref().is_none_or(|b| **b.shape() == weight.shape()[..1]);
        let shape = weight.shape();
        assert!(
            fits,
            "PreparedConv: a weight of shape {shape} is not [out, in / groups, kh, kw], or does not fit its bias"
        );
        let bias = bias.map(|b| b.contiguous());
        Self { weight: weight.contiguous(), bias, options, relu: false, ready: Ready::new() }
    }

    /// With `max(0, y)` of the result.
    #[must_use]
    pub fn with_relu(self) -> Self {
        Self { relu: true, ..self }
    }

    /// Bytes that the weight's points take; 0 before they are needed.
    pub fn prepared_bytes(&self) -> usize {
        self.ready.bytes()
    }

    /// The result for images [n, in, h, w], with a tensor of the result's shape added before the ReLU.
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[track_caller]
    pub fn apply(&self, x: &Tensor<E>, add: Option<&Tensor<E>>) -> Tensor<E> {
        let g = match self.options.geometry(x.shape(), self.weight.shape()) {
            Ok(geometry) => geometry,
            Err(e) => panic!("conv: shapes {} and {} do not fit: {e}", x.shape(), self.weight.shape()),
        };
        let shape = g.output_shape(x.shape()[0]);
        if let Some(add) = add {
            assert!(*add.shape() == shape, "conv: {} cannot be added to a result of {shape:?}", add.shape());
        }
        let (x, add) = (x.contiguous(), add.map(Tensor::contiguous));
        let mut y = Tensor::scratch(shape);
        let weight = (self.weight.slice_of(), &self.ready);
        let finish = (self.bias.as_ref().map(Tensor::slice_of), add.as_ref().map(Tensor::slice_of), self.relu);
        ready::convolve(&g, x.slice_of(), weight, finish, y.fresh_mut());
        y
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Algorithm, Rng, parallel};

    /// The error beside the size of the whole, both as root mean squares.
    fn error(found: &Tensor<f32>, expected: &Tensor<f64>) -> f64 {
        assert_eq!(found.shape(), expected.shape());
        let (found, expected) = (found.to_vec(), expected.to_vec());
        let rest: f64 = found.iter().zip(&expected).map(|(&f, e)| (f64::from(f) - e).powi(2)).sum();
        (rest / expected.iter().map(|e| e * e).sum::<f64>().max(1e-30)).sqrt()
    }

    fn wide(t: &Tensor<f32>) -> Tensor<f64> {
        Tensor::from_vec(t.to_vec().into_iter().map(f64::from).collect(), *t.shape())
    }

    #[test]
    fn a_prepared_linear_is_the_linear() {
        let mut rng = Rng::new(1);
        for (rows, inputs, outputs) in [(0, 3, 2), (1, 40, 9), (2, 1, 1), (5, 33, 100), (300, 70, 130), (64, 784, 10)] {
            let draw = |shape: &[usize], rng: &mut Rng| Tensor::<f32>::randn(shape, rng);
            let (x, w, b) =
                (draw(&[rows, inputs], &mut rng), draw(&[outputs, inputs], &mut rng), draw(&[outputs], &mut rng));
            let plain = PreparedLinear::new(w.clone(), None).apply(&x);
            assert!(error(&plain, &wide(&x).linear(&wide(&w), None)) < 1e-6);
            let finished = PreparedLinear::new(w.clone(), Some(b.clone())).with_relu();
            let expected = wide(&x).linear(&wide(&w), Some(&wide(&b))).relu();
            assert!(error(&finished.apply(&x), &expected) < 1e-6);
            // Rows that lie apart, and more axes than two.
            let apart = Tensor::concat(&[&x, &x], 1).narrow(inputs);
            assert_eq!(finished.apply(&apart).to_vec(), finished.apply(&x).to_vec());
            let more = x.reshape([1, rows, 1, inputs]);
            assert_eq!(*finished.apply(&more).shape(), [1, rows, 1, outputs]);
            let one = parallel::with_threads(1, || finished.apply(&x).to_vec());
            assert_eq!(one, parallel::with_threads(3, || finished.apply(&x).to_vec()));
        }
    }

    impl Tensor<f32> {
        fn narrow(&self, columns: usize) -> Self {
            self.slice_axis(1, 0..columns)
        }
    }

    #[test]
    fn a_prepared_convolution_is_the_convolution() {
        let mut rng = Rng::new(2);
        let same = ConvOptions { padding: [(1, 1); 2], ..ConvOptions::default() };
        let halving = ConvOptions { stride: [2, 2], ..same };
        let cases = [
            (same, [1, 16, 8, 8], [40, 16, 3, 3]),
            (same, [1, 8, 40, 33], [100, 8, 3, 3]),
            (same, [3, 16, 9, 13], [33, 16, 3, 3]),
            (same, [1, 64, 3, 3], [8, 64, 3, 3]),
            (same, [2, 3, 9, 7], [5, 3, 3, 3]),
            (halving, [2, 8, 9, 9], [16, 8, 3, 3]),
            (ConvOptions { groups: 4, ..same }, [2, 4, 6, 5], [8, 1, 3, 3]),
            (ConvOptions { groups: 2, ..same }, [2, 4, 6, 5], [6, 2, 3, 3]),
            (ConvOptions { algorithm: Algorithm::Exact, ..same }, [1, 16, 8, 8], [16, 16, 3, 3]),
            (ConvOptions::default(), [2, 8, 6, 5], [6, 8, 1, 1]),
            (same, [0, 8, 6, 5], [8, 8, 3, 3]),
        ];
        for (options, image, window) in cases {
            let (x, w) = (Tensor::<f32>::randn(image, &mut rng), Tensor::<f32>::randn(window, &mut rng));
            let b = Tensor::<f32>::randn([window[0]], &mut rng);
            let plain = wide(&x).conv2d(&wide(&w), None, &options);
            let found = PreparedConv::new(w.clone(), None, options).apply(&x, None);
            assert!(error(&found, &plain) < 6e-6, "{options:?} {image:?}");
            let add = Tensor::<f32>::randn(*plain.shape(), &mut rng);
            let prepared = PreparedConv::new(w.clone(), Some(b.clone()), options).with_relu();
            let expected = wide(&x).conv2d(&wide(&w), Some(&wide(&b)), &options).add(&wide(&add)).relu();
            let found = prepared.apply(&x, Some(&add));
            assert!(error(&found, &expected) < 6e-6, "{options:?} {image:?}");
            let one = parallel::with_threads(1, || prepared.apply(&x, Some(&add)).to_vec());
            assert_eq!(one, parallel::with_threads(3, || prepared.apply(&x, Some(&add)).to_vec()));
            // Images of another size, with the same weight.
            let (tall, points) = (Tensor::concat(&[&x, &x], 2), prepared.prepared_bytes());
            let expected = wide(&tall).conv2d(&wide(&w), Some(&wide(&b)), &options).relu();
            assert!(error(&prepared.apply(&tall, None), &expected) < 6e-6);
            assert!(points == 0 || prepared.prepared_bytes() == points);
        }
    }

    #[test]
    fn nan_passes_the_limit() {
        let w = Tensor::<f32>::ones([1, 1, 1, 1]);
        let x = Tensor::from_slice(&[f32::NAN, -1.0], [1, 1, 1, 2]);
        let y = PreparedConv::new(w, None, ConvOptions::default()).with_relu().apply(&x, None).to_vec();
        assert!(y[0].is_nan() && y[1] == 0.0);
    }

    #[test]
    #[should_panic(expected = "conv: [1, 1, 2, 2] cannot be added to a result of [1, 1, 1, 1]")]
    fn an_addend_of_another_shape_is_refused() {
        let conv = PreparedConv::<f32>::new(Tensor::ones([1, 1, 2, 2]), None, ConvOptions::default());
        conv.apply(&Tensor::zeros([1, 1, 2, 2]), Some(&Tensor::zeros([1, 1, 2, 2])));
    }

    #[test]
    #[should_panic(expected = "linear: shapes [2, 3] and [2, 2] do not fit")]
    fn rows_of_another_length_are_refused() {
        PreparedLinear::<f32>::new(Tensor::ones([2, 2]), None).apply(&Tensor::zeros([2, 3]));
    }
}
