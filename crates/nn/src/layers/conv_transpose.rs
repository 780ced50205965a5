//! The transposed convolutional layers of signals and images.

use super::conv::{check_batch, check_sizes};
use super::sides::{Sides, example, example_shape, lift, lower, named, spatial};
use crate::layer::ShapeError;
use crate::{Layer, Module};
use kniff_autograd::{Parameter, Var};
use kniff_init::Initializer;
use kniff_tensor::{Algorithm, ConvOptions, Element, Rng, Shape, Tensor};

/// The transposed convolution of signals, [n, in, length] to [n, out, longer]; see [`ConvTranspose`].
pub type ConvTranspose1d<E = f32> = ConvTranspose<1, E>;

/// The transposed convolution of images, [n, in, h, w] to [n, out, oh, ow]; see [`ConvTranspose`].
///
/// ```
/// use kniff_init::HeNormal;
/// use kniff_nn::{Layer, layers::ConvTranspose2d};
/// use kniff_tensor::Rng;
/// let layer: ConvTranspose2d = ConvTranspose2d::new(16, 3, 4, HeNormal, &mut Rng::new(0)).with_stride(2).with_padding(1);
/// assert_eq!(layer.output_shape(&[16, 8, 8]).unwrap(), [3, 16, 16]);
/// ```
pub type ConvTranspose2d<E = f32> = ConvTranspose<2, E>;

/// The adjoint of a convolution over D spatial axes, plus a bias: [`ConvTranspose1d`] or [`ConvTranspose2d`].
///
/// Adds to the output, for every input element, the kernel times it: `y[i stride + k dilation - padding] += w[k] x[i]`.
/// Sizes are `(size - 1) stride - 2 padding + dilation (kernel - 1) + output padding + 1`. A convolution with the same
/// options takes a shape of this output back to one of this input.
///
/// The names, options and weight layout, [in, out / groups, kernel ..], are PyTorch's. Differs from PyTorch: the
/// initialiser fills a weight [out, in / groups, kernel ..], so that its fan_in is the channels that one output sees, and
/// this is then transposed; PyTorch takes axis 1, the outputs, for the inputs. A scheme needs no other layout here. The bias
/// starts at 0 (PyTorch: uniform draws).
#[derive(Clone, Debug, Module)]
#[module(crate = "crate")]
pub struct ConvTranspose<const D: usize, E: Element = f32> {
    weight: Parameter<E>,
    bias: Option<Parameter<E>>,
    #[module(skip)]
    stride: [usize; D],
    #[module(skip)]
    padding: [usize; D],
    #[module(skip)]
    output_padding: [usize; D],
    #[module(skip)]
    dilation: [usize; D],
    #[module(skip)]
    groups: usize,
    #[module(skip)]
    algorithm: Algorithm,
}

impl<const D: usize, E: Element> ConvTranspose<D, E> {
    /// A layer with a bias of zeros; stride 1, no padding, dilation 1, one group.
    #[track_caller]
    pub fn new(
        inputs: usize,
        outputs: usize,
        kernel: impl Into<Sides<D>>,
        weight: impl Initializer,
        rng: &mut Rng,
    ) -> Self {
        Self::grouped(inputs, outputs, kernel, 1, weight, rng)
    }

    /// A layer without a bias: before batch norm, which would take it out again.
    #[track_caller]
    pub fn without_bias(
        inputs: usize,
        outputs: usize,
        kernel: impl Into<Sides<D>>,
        weight: impl Initializer,
        rng: &mut Rng,
    ) -> Self {
        Self { bias: None, ..Self::grouped(inputs, outputs, kernel, 1, weight, rng) }
    }

    /// A layer whose channels are cut into groups that do not see each other, with a bias of zeros.
    ///
    /// # Panics
    /// If the groups do not divide inputs and outputs, or a size of the kernel is 0.
    #[track_caller]
    pub fn grouped(
        inputs: usize,
        outputs: usize,
        kernel: impl Into<Sides<D>>,
        groups: usize,
        weight: impl Initializer,
        rng: &mut Rng,
    ) -> Self {
        let Sides(kernel) = kernel.into();
        check_sizes::<D>("ConvTranspose", inputs, outputs, kernel, groups);
        let mut shape = vec![outputs, inputs / groups];
        shape.extend(kernel);
        let drawn: Tensor<E> = weight.init(&shape, rng);
        // [groups, out / groups, in / groups, ..] with the two in the middle exchanged.
        let window: usize = kernel.iter().product();
        let (o, i) = (outputs / groups, inputs / groups);
        let turned = drawn.reshape([groups, o, i, window]).permute(&[0, 2, 1, 3]);
        let mut shape = vec![inputs, o];
        shape.extend(kernel);
        Self::from_parts(turned.reshape(shape), Some(Tensor::zeros([outputs])), groups)
    }

    /// A layer of given weights.
    ///
    /// # Panics
    /// Unless the weight has shape [in, out / groups, kernel ..], the groups divide in, and the bias has shape `[out]`.
    #[track_caller]
    pub fn from_parts(weight: Tensor<E>, bias: Option<Tensor<E>>, groups: usize) -> Self {
        let fits = weight.rank() == D + 2
            && groups > 0
            && weight.shape()[0].is_multiple_of(groups)
            && bias.as_ref().is_none_or(|b| *b.shape() == [weight.shape()[1] * groups]);
        assert!(
            fits,
            "ConvTranspose{D}d::from_parts: a weight of shape {} is not [in, out / {groups}, kernel ..], or does not fit a \
             bias of shape {:?}",
            weight.shape(),
            bias.map(|b| b.shape().to_vec())
        );
        Self {
            weight: Parameter::new(weight),
            bias: bias.map(Parameter::new),
            stride: [1; D],
            padding: [0; D],
            output_padding: [0; D],
            dilation: [1; D],
            groups,
            algorithm: Algorithm::Auto,
        }
    }

    /// The layer without its bias.
    #[must_use]
    pub fn into_without_bias(self) -> Self {
        Self { bias: None, ..self }
    }

    /// With inputs that land so far apart in the output.
    ///
    /// # Panics
    /// If it is 0.
    #[must_use]
    #[track_caller]
    pub fn with_stride(self, stride: impl Into<Sides<D>>) -> Self {
        Self { stride: stride.into().0, ..self }.checked()
    }

    /// With so many elements cut off on both sides: the padding of the convolution that this transposes.
    #[must_use]
    pub fn with_padding(self, padding: impl Into<Sides<D>>) -> Self {
        Self { padding: padding.into().0, ..self }
    }

    /// With so many elements more after each axis, which a stride above 1 leaves open; below stride or dilation.
    #[must_use]
    pub fn with_output_padding(self, output_padding: impl Into<Sides<D>>) -> Self {
        Self { output_padding: output_padding.into().0, ..self }
    }

    /// With the elements of the kernel so far apart.
    ///
    /// # Panics
    /// If it is 0.
    #[must_use]
    #[track_caller]
    pub fn with_dilation(self, dilation: impl Into<Sides<D>>) -> Self {
        Self { dilation: dilation.into().0, ..self }.checked()
    }

    /// Computed this way.
    #[must_use]
    pub fn with_algorithm(self, algorithm: Algorithm) -> Self {
        Self { algorithm, ..self }
    }

    #[track_caller]
    fn checked(self) -> Self {
        let (stride, dilation) = (self.stride, self.dilation);
        let moves = !stride.contains(&0) && !dilation.contains(&0);
        assert!(moves, "ConvTranspose{D}d: a stride of {stride:?} and a dilation of {dilation:?} are not all above 0");
        self
    }

    /// The weight, [in, out / groups, kernel ..].
    pub fn weight(&self) -> &Parameter<E> {
        &self.weight
    }

    /// The bias, `[out]`.
    pub fn bias(&self) -> Option<&Parameter<E>> {
        self.bias.as_ref()
    }

    fn options(&self) -> ConvOptions {
        ConvOptions {
            stride: lift(self.stride, 1),
            padding: lift(self.padding.map(|p| (p, p)), (0, 0)),
            dilation: lift(self.dilation, 1),
            groups: self.groups,
            algorithm: self.algorithm,
        }
    }
}

impl<const D: usize, E: Element> Layer<E> for ConvTranspose<D, E> {
    fn forward(&self, x: &Var<E>) -> Var<E> {
        check_batch::<D, E>(self.name(), x);
        let bias = self.bias.as_ref().map(Parameter::var);
        x.conv_transpose(&self.weight.var(), bias.as_ref(), &self.options(), lift(self.output_padding, 0))
    }

    fn name(&self) -> &'static str {
        named::<D>(["ConvTranspose1d", "ConvTranspose2d"])
    }

    fn output_shape(&self, input: &[usize]) -> Result<Shape, ShapeError> {
        let wrong = |reason: String| ShapeError::new(self.name(), input, reason);
        let Some((channels, sides)) = spatial::<D>(input) else {
            return Err(wrong(format!("it takes examples of shape {}", example::<D>())));
        };
        let weight = self.weight.value().shape();
        let kernel: [usize; D] = std::array::from_fn(|a| weight[2 + a]);
        let ([h, w], [kh, kw]) = (lift(sides, 1), lift(kernel, 1));
        let geometry = self.options().transposed_geometry(
            &[1, channels, h, w],
            &[weight[0], weight[1], kh, kw],
            lift(self.output_padding, 0),
        );
        geometry.map(|g| example_shape::<D>(g.channels[0], lower(g.input))).map_err(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ModuleExt;
    use kniff_init::HeNormal;

    #[test]
    fn the_initialiser_sees_the_inputs_of_one_output() {
        // fan_in = 64 / 2 channels times 9: a deviation of sqrt(2 / 288).
        let layer = ConvTranspose2d::<f64>::grouped(64, 32, 3, 2, HeNormal, &mut Rng::new(3));
        let w = layer.weight().value().to_vec();
        let deviation = (w.iter().map(|w| w * w).sum::<f64>() / w.len() as f64).sqrt();
        // Five times the scatter of a deviation over n draws, sigma / sqrt(2 n).
        let expected = (2.0f64 / 288.0).sqrt();
        assert!((deviation / expected - 1.0).abs() < 5.0 / (2.0 * w.len() as f64).sqrt(), "{deviation}");
    }

    #[test]
    fn the_state_has_the_names_and_the_layout_of_pytorch() {
        let layer = ConvTranspose1d::<f32>::grouped(4, 6, 3, 2, HeNormal, &mut Rng::new(0));
        let shapes: Vec<_> = layer.parameters().into_iter().map(|(n, p)| (n, p.value().shape().to_vec())).collect();
        assert_eq!(shapes, [("weight".to_owned(), vec![4, 3, 3]), ("bias".to_owned(), vec![6])]);
        assert!(layer.into_without_bias().bias().is_none());
    }

    #[test]
    fn the_stated_shape_is_the_shape() {
        let mut rng = Rng::new(1);
        let cases = [
            ConvTranspose2d::<f32>::new(2, 3, 3, HeNormal, &mut rng),
            ConvTranspose2d::new(2, 3, [3, 2], HeNormal, &mut rng).with_stride([2, 3]).with_output_padding([1, 2]),
            ConvTranspose2d::grouped(2, 4, 3, 2, HeNormal, &mut rng).with_dilation(2).with_padding(1),
        ];
        for layer in cases {
            for n in [0, 1, 3] {
                let y = layer.forward(&Var::constant(Tensor::zeros([n, 2, 4, 5])));
                assert_eq!(y.shape()[1..], *layer.output_shape(&[2, 4, 5]).unwrap());
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let layer = ConvTranspose1d::<f32>::new(2, 3, 3, HeNormal, &mut Rng::new(0)).with_padding(2);
        let reason = |layer: &ConvTranspose1d<f32>, input: &[usize]| layer.output_shape(input).unwrap_err().reason;
        assert_eq!(reason(&layer, &[3, 9]), "3 channels do not fit a weight for 2");
        assert!(reason(&layer, &[2, 2]).contains("is all cut off"));
        assert!(reason(&layer.with_output_padding(1), &[2, 9]).contains("not below a stride of 1"));
    }
}
