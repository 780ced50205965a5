//! Convolution of images, its two adjoints, all of them over [n, channels, h, w].

use crate::kernels::conv::{self, ConvGeometry, ConvOptions};
use crate::{Element, Tensor};

impl<E: Element> Tensor<E> {
    /// Cross-correlation of images [n, in, h, w] with a weight [out, in / groups, kh, kw]: [n, out, oh, ow].
    ///
    /// `y[o][i][j] = bias[o] + sum_{c, k, l} w[o][c][k][l] x[c][i s + k d - p][j s + l d - p]`, zero outside the image.
    ///
    /// ```
    /// use kniff_tensor::{ConvOptions, Tensor};
    /// let x = Tensor::<f64>::arange(9).reshape([1, 1, 3, 3]);
    /// let w = Tensor::from_slice(&[1.0, 0.0, 0.0, -1.0], [1, 1, 2, 2]);
    /// assert_eq!(x.conv2d(&w, None, &ConvOptions::default()).to_vec(), [-4.0; 4]);
    /// ```
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[track_caller]
    pub fn conv2d(&self, weight: &Tensor<E>, bias: Option<&Tensor<E>>, options: &ConvOptions) -> Tensor<E> {
        match options.geometry(&self.shape, &weight.shape) {
            Ok(geometry) => self.conv(weight, bias, &geometry),
            Err(e) => panic!("conv2d: shapes {} and {} do not fit: {e}", self.shape, weight.shape),
        }
    }

    /// [`Tensor::conv2d`] with all sizes given.
    ///
    /// # Panics
    /// If the shapes are not those of the geometry.
    #[track_caller]
    pub fn conv(&self, weight: &Tensor<E>, bias: Option<&Tensor<E>>, geometry: &ConvGeometry) -> Tensor<E> {
        let images = self.images("conv", geometry.input_shape(self.first()));
        weight.images("conv", geometry.weight_shape());
        let fits = bias.is_none_or(|b| b.shape == [geometry.channels[1]]);
        assert!(fits, "conv: a bias of shape {:?} for {} channels", bias.map(|b| b.shape), geometry.channels[1]);
        let (x, w, bias) = (self.contiguous(), weight.contiguous(), bias.map(Tensor::contiguous));
        let mut out = Tensor::scratch(geometry.output_shape(images));
        conv::forward(geometry, x.slice_of(), w.slice_of(), bias.as_ref().map(Tensor::slice_of), out.fresh_mut());
        out
    }

    /// The adjoint of [`Tensor::conv`] in the image: from [n, out, oh, ow] and the weight to [n, in, h, w].
    ///
    /// This is the transposed convolution, whose weight [in, out / groups, kh, kw] is that of the convolution which goes
    /// the other way.
    ///
    /// # Panics
    /// If the shapes are not those of the geometry.
    #[track_caller]
    pub fn conv_input(&self, weight: &Tensor<E>, geometry: &ConvGeometry) -> Tensor<E> {
        let images = self.images("conv_input", geometry.output_shape(self.first()));
        weight.images("conv_input", geometry.weight_shape());
        let (dy, w) = (self.contiguous(), weight.contiguous());
        let mut out = Tensor::scratch(geometry.input_shape(images));
        conv::backward_input(geometry, dy.slice_of(), w.slice_of(), out.fresh_mut());
        out
    }

    /// The adjoint of [`Tensor::conv`] in the weight: from the image and the output's cotangent to the weight's shape.
    ///
    /// # Panics
    /// If the shapes are not those of the geometry.
    #[track_caller]
    pub fn conv_weight(&self, cotangent: &Tensor<E>, geometry: &ConvGeometry) -> Tensor<E> {
        let images = self.images("conv_weight", geometry.input_shape(self.first()));
        cotangent.images("conv_weight", geometry.output_shape(images));
        let (x, dy) = (self.contiguous(), cotangent.contiguous());
        let mut out = Tensor::scratch(geometry.weight_shape());
        conv::backward_weight(geometry, x.slice_of(), dy.slice_of(), out.fresh_mut());
        out
    }

    fn first(&self) -> usize {
        self.shape.first().copied().unwrap_or(0)
    }

    #[track_caller]
    fn images(&self, name: &str, expected: [usize; 4]) -> usize {
        assert!(self.shape == expected, "{name}: shape {} where {expected:?} was expected", self.shape);
        expected[0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Rng, parallel};

    /// The definition, in seven loops.
    fn naive(x: &Tensor<f64>, w: &Tensor<f64>, g: &ConvGeometry) -> Tensor<f64> {
        let images = x.shape()[0];
        let [outputs, per_group, kh, kw] = g.weight_shape();
        let (o, width) = (g.options, outputs / g.options.groups);
        let shape = g.output_shape(images);
        Tensor::from_fn(shape, |flat| {
            let (j, i, c) = (flat % shape[3], flat / shape[3] % shape[2], flat / (shape[3] * shape[2]) % shape[1]);
            let n = flat / (shape[3] * shape[2] * shape[1]);
            let mut sum = 0.0;
            for (p, k, l) in (0..per_group * kh * kw).map(|r| (r / (kh * kw), r / kw % kh, r % kw)) {
                let y = (i * o.stride[0] + k * o.dilation[0]).wrapping_sub(o.padding[0].0);
                let z = (j * o.stride[1] + l * o.dilation[1]).wrapping_sub(o.padding[1].0);
                if y < g.input[0] && z < g.input[1] {
                    sum += w.at(&[c, p, k, l]) * x.at(&[n, c / width * per_group + p, y, z]);
                }
            }
            sum
        })
    }

    fn draws() -> Vec<(Tensor<f64>, Tensor<f64>, ConvGeometry)> {
        let mut rng = Rng::new(5);
        let mut out = Vec::new();
        while out.len() < 60 {
            let pair = |rng: &mut Rng, low, n| [low + rng.below(n), low + rng.below(n)];
            let groups = 1 + rng.below(3);
            let (stride, dilation) = (pair(&mut rng, 1, 4), pair(&mut rng, 1, 3));
            let (before, after) = (pair(&mut rng, 0, 4), pair(&mut rng, 0, 4));
            let padding = [(before[0], after[0]), (before[1], after[1])];
            let options = ConvOptions { stride, padding, dilation, groups, ..ConvOptions::default() };
            let (kernel, size) = (pair(&mut rng, 1, 4), pair(&mut rng, 1, 8));
            let (per_group, outputs) = (1 + rng.below(3), groups * (1 + rng.below(3)));
            let x = Tensor::randn([1 + rng.below(3), per_group * groups, size[0], size[1]], &mut rng);
            let w = Tensor::randn([outputs, per_group, kernel[0], kernel[1]], &mut rng);
            if let Ok(geometry) = options.geometry(x.shape(), w.shape()) {
                out.push((x, w, geometry));
            }
        }
        out
    }

    fn inner(a: &Tensor<f64>, b: &Tensor<f64>) -> f64 {
        assert_eq!(a.shape(), b.shape());
        a.mul(b).to_vec().iter().sum()
    }

    #[test]
    fn every_geometry_agrees_with_the_definition_and_its_adjoints() {
        let mut rng = Rng::new(6);
        for (x, w, g) in draws() {
            let y = x.conv(&w, None, &g);
            let expected = naive(&x, &w, &g);
            assert_eq!(y.shape(), expected.shape());
            for (a, b) in y.to_vec().iter().zip(expected.to_vec()) {
                assert!((a - b).abs() < 1e-12, "{g:?}: {a} instead of {b}");
            }
            // <conv(x, w), u> is linear in x and in w, which the adjoints must give.
            let u = Tensor::randn(y.shape(), &mut rng);
            let number = inner(&y, &u);
            assert!((inner(&x, &u.conv_input(&w, &g)) - number).abs() < 1e-10, "{g:?}");
            assert!((inner(&w, &x.conv_weight(&u, &g)) - number).abs() < 1e-10, "{g:?}");
        }
    }

    #[test]
    fn threads_change_nothing() {
        let mut rng = Rng::new(7);
        let options = ConvOptions { padding: [(1, 1); 2], ..ConvOptions::default() };
        let (x, w) = (Tensor::<f32>::randn([9, 8, 20, 20], &mut rng), Tensor::<f32>::randn([16, 8, 3, 3], &mut rng));
        let geometry = options.geometry(x.shape(), w.shape()).unwrap();
        let run = |threads| {
            parallel::with_threads(threads, || {
                let y = x.conv(&w, None, &geometry);
                (y.to_vec(), y.conv_input(&w, &geometry).to_vec(), x.conv_weight(&y, &geometry).to_vec())
            })
        };
        assert!(run(1) == run(3));
    }

    #[test]
    fn blocks_and_parts_do_not_show() {
        // 64 * 9 rows of columns and 40 * 40 positions take many blocks; 20 images are summed in parts.
        let mut rng = Rng::new(8);
        let options = ConvOptions { padding: [(1, 1); 2], ..ConvOptions::default() };
        let (x, w) = (Tensor::<f64>::randn([20, 64, 40, 40], &mut rng), Tensor::randn([4, 64, 3, 3], &mut rng));
        let geometry = options.geometry(x.shape(), w.shape()).unwrap();
        let y = x.conv(&w, None, &geometry);
        let one = x.slice_axis(0, 19..20);
        let last = one.conv(&w, None, &geometry);
        let pixel: f64 = (0..64 * 9)
            .map(|r| w.at(&[3, r / 9, r / 3 % 3, r % 3]) * one.at(&[0, r / 9, 30 + r / 3 % 3 - 1, 17 + r % 3 - 1]))
            .sum();
        assert!((last.at(&[0, 3, 30, 17]) - pixel).abs() < 1e-11);
        assert_eq!(y.slice_axis(0, 19..20), last);
        let u = Tensor::randn(y.shape(), &mut rng);
        let number = inner(&y, &u);
        assert!((inner(&x, &u.conv_input(&w, &geometry)) / number - 1.0).abs() < 1e-9);
        assert!((inner(&w, &x.conv_weight(&u, &geometry)) / number - 1.0).abs() < 1e-9);
    }

    #[test]
    fn no_images_give_no_outputs_and_a_gradient_of_zero() {
        let (x, w) = (Tensor::<f32>::zeros([0, 2, 5, 5]), Tensor::<f32>::ones([3, 2, 3, 3]));
        let geometry = ConvOptions::default().geometry(x.shape(), w.shape()).unwrap();
        let y = x.conv(&w, None, &geometry);
        assert_eq!(*y.shape(), [0, 3, 3, 3]);
        assert_eq!(*y.conv_input(&w, &geometry).shape(), [0, 2, 5, 5]);
        assert_eq!(x.conv_weight(&y, &geometry), Tensor::zeros([3, 2, 3, 3]));
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let message = |options: ConvOptions, x: [usize; 4], w: [usize; 4]| options.geometry(&x, &w).unwrap_err();
        let plain = ConvOptions::default();
        assert_eq!(
            message(plain, [1, 1, 2, 5], [1, 1, 3, 3]),
            "a window of [3, 3] does not fit into a padded image of [2, 5]"
        );
        assert_eq!(message(plain, [1, 3, 5, 5], [1, 2, 3, 3]), "3 channels do not fit a weight for 2");
        let grouped = ConvOptions { groups: 2, ..plain };
        assert!(message(grouped, [1, 3, 5, 5], [2, 1, 3, 3]).starts_with("2 groups do not divide 3 input"));
        let still = ConvOptions { stride: [0, 1], ..plain };
        assert!(message(still, [1, 1, 5, 5], [1, 1, 3, 3]).contains("not all above 0"));
    }

    #[test]
    #[should_panic(expected = "conv2d: shapes [1, 1, 2, 2] and [1, 1, 3, 3] do not fit")]
    fn a_window_larger_than_the_image_is_refused() {
        Tensor::<f32>::zeros([1, 1, 2, 2]).conv2d(&Tensor::zeros([1, 1, 3, 3]), None, &ConvOptions::default());
    }
}
