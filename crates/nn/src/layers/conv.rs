//! The convolutional layers of signals and images.

use super::padding::{Padding, PaddingMode};
use super::sides::{Sides, example, example_shape, lift, lower, named, spatial};
use crate::layer::ShapeError;
use crate::{Layer, Module, Stage};
use kniff_autograd::{Parameter, Var};
use kniff_init::Initializer;
use kniff_tensor::kernels::conv::ConvGeometry;
use kniff_tensor::{Algorithm, ConvOptions, ConvPlan, Element, Rng, Shape, Tensor};

/// The convolution of signals: [n, in, length] to [n, out, `(length + 2 padding - dilation (kernel - 1) - 1) / stride + 1`].
///
/// `weight` has shape [out, in / groups, kernel]; all else is as in [`Conv`].
///
/// ```
/// use kniff_init::HeNormal;
/// use kniff_nn::{Layer, layers::Conv1d};
/// use kniff_tensor::Rng;
/// let layer: Conv1d = Conv1d::new(2, 8, 5, HeNormal, &mut Rng::new(0)).with_stride(2);
/// assert_eq!(layer.output_shape(&[2, 100]).unwrap(), [8, 48]);
/// ```
pub type Conv1d<E = f32> = Conv<1, E>;

/// The convolution of images: [n, in, h, w] to [n, out, oh, ow], `oh = (h + 2 padding - dilation (kernel - 1) - 1) / stride + 1`.
///
/// `weight` has shape [out, in / groups, rows, columns]; all else is as in [`Conv`].
///
/// ```
/// use kniff_init::HeNormal;
/// use kniff_nn::{Layer, layers::Conv2d};
/// use kniff_tensor::Rng;
/// let layer: Conv2d = Conv2d::without_bias(3, 16, 3, HeNormal, &mut Rng::new(0)).with_stride(2).with_padding(1);
/// assert_eq!(layer.output_shape(&[3, 32, 32]).unwrap(), [16, 16, 16]);
/// let error = layer.output_shape(&[1, 32, 32]).unwrap_err();
/// assert!(error.to_string().contains("1 channels do not fit a weight for 3"));
/// ```
pub type Conv2d<E = f32> = Conv<2, E>;

/// `y[o] = bias[o] + sum_c weight[o][c] * x[c]` over D spatial axes: [`Conv1d`] or [`Conv2d`].
///
/// The star is the cross-correlation, `(w * x)[i] = sum_k w[k] x[i stride + k dilation - padding]`, as in every framework.
/// Sizes are `(size + padding before and after - dilation (kernel - 1) - 1) / stride + 1`, rounded down. With groups, the
/// channels are cut into as many parts, and each part of the outputs sees one part of the inputs only.
///
/// The names, options and weight layout are PyTorch's. The initialiser of the weight is always named; the bias starts at 0
/// (PyTorch: uniform draws).
#[derive(Clone, Debug, Module)]
#[module(crate = "crate")]
pub struct Conv<const D: usize, E: Element = f32> {
    weight: Parameter<E>,
    bias: Option<Parameter<E>>,
    #[module(skip)]
    stride: [usize; D],
    #[module(skip)]
    padding: Padding<D>,
    #[module(skip)]
    padding_mode: PaddingMode,
    #[module(skip)]
    dilation: [usize; D],
    #[module(skip)]
    groups: usize,
    #[module(skip)]
    algorithm: Algorithm,
}

impl<const D: usize, E: Element> Conv<D, E> {
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
    /// As many groups as inputs make a depthwise convolution. [`Conv::into_without_bias`] takes the bias off.
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
        check_sizes::<D>("Conv", inputs, outputs, kernel, groups);
        let mut shape = vec![outputs, inputs / groups];
        shape.extend(kernel);
        let bias = Some(Tensor::zeros([outputs]));
        Self::from_parts(weight.init(&shape, rng), bias, groups)
    }

    /// A layer of given weights.
    ///
    /// # Panics
    /// Unless the weight has shape [out, in / groups, kernel ..], the groups divide out, and the bias has shape `[out]`.
    #[track_caller]
    pub fn from_parts(weight: Tensor<E>, bias: Option<Tensor<E>>, groups: usize) -> Self {
        let fits = weight.rank() == D + 2
            && groups > 0
            && weight.shape()[0].is_multiple_of(groups)
            && bias.as_ref().is_none_or(|b| **b.shape() == weight.shape()[..1]);
        assert!(
            fits,
            "Conv{D}d::from_parts: a weight of shape {} is not [out, in / {groups}, kernel ..], or does not fit a bias of \
             shape {:?}",
            weight.shape(),
            bias.map(|b| b.shape().to_vec())
        );
        Self {
            weight: Parameter::new(weight),
            bias: bias.map(Parameter::new),
            stride: [1; D],
            padding: Padding::Valid,
            padding_mode: PaddingMode::Zeros,
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

    /// With windows so far apart.
    ///
    /// # Panics
    /// If it is 0, or not 1 where the padding is [`Padding::Same`].
    #[must_use]
    #[track_caller]
    pub fn with_stride(self, stride: impl Into<Sides<D>>) -> Self {
        Self { stride: stride.into().0, ..self }.checked()
    }

    /// With so many elements around the input, or [`Padding::Same`].
    ///
    /// # Panics
    /// If it is [`Padding::Same`] and the stride is not 1.
    #[must_use]
    #[track_caller]
    pub fn with_padding(self, padding: impl Into<Padding<D>>) -> Self {
        Self { padding: padding.into(), ..self }.checked()
    }

    /// With a padding of something other than zeros.
    #[must_use]
    pub fn with_padding_mode(self, padding_mode: PaddingMode) -> Self {
        Self { padding_mode, ..self }
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
        assert!(moves, "Conv{D}d: a stride of {stride:?} and a dilation of {dilation:?} are not all above 0");
        let same = self.padding != Padding::Same || stride == [1; D];
        assert!(same, "Conv{D}d: a padding that keeps the size needs a stride of 1, not {stride:?}");
        self
    }

    /// The weight, [out, in / groups, kernel ..].
    pub fn weight(&self) -> &Parameter<E> {
        &self.weight
    }

    /// The bias, `[out]`.
    pub fn bias(&self) -> Option<&Parameter<E>> {
        self.bias.as_ref()
    }

    /// How a batch of a shape, with its axis of examples, is computed; [`Conv::with_algorithm`] overrides it.
    ///
    /// # Errors
    /// If the layer does not take such a batch.
    pub fn plan(&self, batch: &[usize]) -> Result<ConvPlan, ShapeError> {
        let (&images, input) = batch.split_first().unwrap_or((&0, &[]));
        self.geometry(input).map(|g| g.plan::<E>(images))
    }

    /// The sizes of the operation on examples of a shape, without the axis of examples.
    fn geometry(&self, input: &[usize]) -> Result<ConvGeometry, ShapeError> {
        let wrong = |reason: String| ShapeError::new(self.name(), input, reason);
        let Some((channels, mut sides)) = spatial::<D>(input) else {
            return Err(wrong(format!("it takes examples of shape {}", example::<D>())));
        };
        let mut widths = self.widths();
        if let Some(objection) = (0..D).find_map(|a| self.padding_mode.objection(sides[a], widths[a])) {
            return Err(wrong(objection));
        }
        if self.padding_mode != PaddingMode::Zeros {
            // Those are put around the image before, and are part of it then.
            sides.iter_mut().zip(&widths).for_each(|(side, (before, after))| *side += before + after);
            widths = [(0, 0); D];
        }
        let ([h, w], [kh, kw]) = (lift(sides, 1), lift(self.kernel(), 1));
        let weight = self.weight.value().shape();
        self.options(widths).geometry(&[1, channels, h, w], &[weight[0], weight[1], kh, kw]).map_err(wrong)
    }

    fn kernel(&self) -> [usize; D] {
        let shape = self.weight.value().shape();
        std::array::from_fn(|a| shape[2 + a])
    }

    fn widths(&self) -> [(usize, usize); D] {
        self.padding.widths(self.kernel(), self.dilation)
    }

    /// The options of the operation, with a given padding.
    fn options(&self, widths: [(usize, usize); D]) -> ConvOptions {
        ConvOptions {
            stride: lift(self.stride, 1),
            padding: lift(widths, (0, 0)),
            dilation: lift(self.dilation, 1),
            groups: self.groups,
            algorithm: self.algorithm,
        }
    }
}

impl<const D: usize, E: Element> Layer<E> for Conv<D, E> {
    fn forward(&self, x: &Var<E>) -> Var<E> {
        check_batch::<D, E>(self.name(), x);
        let (weight, bias, widths) = (self.weight.var(), self.bias.as_ref().map(Parameter::var), self.widths());
        if self.padding_mode == PaddingMode::Zeros {
            return x.conv(&weight, bias.as_ref(), &self.options(widths));
        }
        let objection = |a: usize| self.padding_mode.objection(x.shape()[2 + a], widths[a]);
        if let Some(objection) = (0..D).find_map(objection) {
            panic!("{}: an input of shape {}: {objection}", self.name(), x.shape());
        }
        self.padding_mode.pad(x, &widths).conv(&weight, bias.as_ref(), &self.options([(0, 0); D]))
    }

    fn stage(&self) -> Stage<'_, E> {
        if self.padding_mode != PaddingMode::Zeros {
            return Stage::Layer;
        }
        let (weight, bias) = (self.weight.value(), self.bias.as_ref().map(Parameter::value));
        Stage::Conv { weight, bias, options: self.options(self.widths()) }
    }

    fn name(&self) -> &'static str {
        named::<D>(["Conv1d", "Conv2d"])
    }

    fn output_shape(&self, input: &[usize]) -> Result<Shape, ShapeError> {
        self.geometry(input).map(|g| example_shape::<D>(g.channels[1], lower(g.output)))
    }
}

/// What a convolution's constructor asks of its sizes.
#[track_caller]
pub(super) fn check_sizes<const D: usize>(
    name: &str,
    inputs: usize,
    outputs: usize,
    kernel: [usize; D],
    groups: usize,
) {
    let divides = groups > 0 && inputs.is_multiple_of(groups) && outputs.is_multiple_of(groups);
    assert!(divides, "{name}{D}d: {groups} groups do not divide {inputs} input and {outputs} output channels");
    assert!(!kernel.contains(&0), "{name}{D}d: a kernel of {kernel:?} has nothing in it");
}

/// That a batch has as many axes as the layer takes.
#[track_caller]
pub(super) fn check_batch<const D: usize, E: Element>(name: &str, x: &Var<E>) {
    let fits = x.rank() == D + 2;
    assert!(fits, "{name}: an input of shape {} is not a batch of {}", x.shape(), example::<D>());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ModuleExt;
    use kniff_init::{HeNormal, Ones};

    fn ones(padding: impl Into<Padding<1>>) -> Conv1d<f64> {
        Conv1d::without_bias(1, 1, 3, Ones, &mut Rng::new(0)).with_padding(padding)
    }

    #[test]
    fn the_state_has_the_names_and_the_layout_of_pytorch() {
        let layer = Conv2d::<f32>::grouped(4, 6, [3, 5], 2, HeNormal, &mut Rng::new(0));
        let shapes: Vec<_> = layer.parameters().into_iter().map(|(n, p)| (n, p.value().shape().to_vec())).collect();
        assert_eq!(shapes, [("weight".to_owned(), vec![6, 2, 3, 5]), ("bias".to_owned(), vec![6])]);
        assert_eq!(layer.into_without_bias().parameter_count(), 6 * 2 * 3 * 5);
    }

    #[test]
    fn padding_modes_agree_with_pytorch() {
        // torch.nn.Conv1d(1, 1, 3, padding=2, padding_mode=..) with a weight of ones on 1, 2, 4.
        let x = Var::constant(Tensor::from_slice(&[1.0, 2.0, 4.0], [1, 1, 3]));
        let y = |mode| ones(2).with_padding_mode(mode).forward(&x).value().to_vec();
        assert_eq!(y(PaddingMode::Zeros), [1.0, 3.0, 7.0, 6.0, 4.0]);
        assert_eq!(y(PaddingMode::Reflect), [7.0, 5.0, 7.0, 8.0, 7.0]);
        assert_eq!(y(PaddingMode::Replicate), [3.0, 4.0, 7.0, 10.0, 12.0]);
        assert_eq!(y(PaddingMode::Circular), [7.0, 7.0, 7.0, 7.0, 7.0]);
    }

    #[test]
    fn the_way_it_is_computed_can_be_asked_for_and_changed() {
        let layer = Conv2d::<f32>::new(16, 16, 3, HeNormal, &mut Rng::new(0)).with_padding(1);
        let text = |layer: &Conv2d<f32>| layer.plan(&[4, 16, 16, 16]).unwrap().to_string();
        assert!(text(&layer).starts_with("forward Winograd"));
        assert_eq!(text(&layer.clone().with_algorithm(Algorithm::Exact)), "forward grid, dx grid, dw columns");
        let reflected = layer.with_padding_mode(PaddingMode::Reflect);
        assert!(text(&reflected).starts_with("forward Winograd"));
        assert!(reflected.plan(&[4, 3, 16, 16]).is_err() && reflected.plan(&[]).is_err());
    }

    #[test]
    fn the_stated_shape_is_the_shape() {
        let mut rng = Rng::new(1);
        let cases = [
            (Conv2d::<f32>::new(2, 4, 3, HeNormal, &mut rng), [2, 3, 3]),
            (Conv2d::new(2, 4, [3, 2], HeNormal, &mut rng).with_stride([1, 4]).with_padding([0, 1]), [2, 8, 9]),
            (Conv2d::new(2, 4, [4, 3], HeNormal, &mut rng).with_dilation(2).with_padding(Padding::Same), [2, 5, 9]),
            (Conv2d::grouped(2, 4, 1, 2, HeNormal, &mut rng).with_stride(3), [2, 7, 2]),
            (
                Conv2d::new(2, 4, 2, HeNormal, &mut rng).with_padding([2, 1]).with_padding_mode(PaddingMode::Reflect),
                [2, 3, 3],
            ),
        ];
        for (layer, [c, h, w]) in cases {
            for n in [0, 1, 3] {
                let y = layer.forward(&Var::constant(Tensor::zeros([n, c, h, w])));
                assert_eq!(y.shape()[1..], *layer.output_shape(&[c, h, w]).unwrap());
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let mut rng = Rng::new(2);
        let layer = Conv2d::<f32>::new(3, 4, 5, HeNormal, &mut rng).with_padding(1);
        let reason = |input: &[usize]| layer.output_shape(input).unwrap_err().reason;
        assert_eq!(reason(&[3, 9]), "it takes examples of shape [channels, rows, columns]");
        assert_eq!(reason(&[4, 9, 9]), "4 channels do not fit a weight for 3");
        assert_eq!(reason(&[3, 2, 9]), "a window of [5, 5] does not fit into a padded image of [4, 11]");
        let mirrored = layer.with_padding_mode(PaddingMode::Reflect).with_padding(4);
        let error = mirrored.output_shape(&[3, 4, 4]).unwrap_err();
        assert!(error.reason.contains("at most by 3"), "{error}");
    }

    #[test]
    #[should_panic(expected = "Conv2d: an input of shape [1, 3, 9] is not a batch of [channels, rows, columns]")]
    fn a_signal_is_no_image() {
        let layer = Conv2d::<f32>::new(3, 4, [1, 3], HeNormal, &mut Rng::new(0));
        layer.forward(&Var::constant(Tensor::zeros([1, 3, 9])));
    }

    #[test]
    #[should_panic(expected = "Conv2d: 2 groups do not divide 3 input and 4 output channels")]
    fn groups_that_do_not_divide_are_refused() {
        let _ = Conv2d::<f32>::grouped(3, 4, 3, 2, HeNormal, &mut Rng::new(0));
    }

    #[test]
    #[should_panic(expected = "needs a stride of 1, not [2]")]
    fn the_same_size_at_another_stride_is_refused() {
        let _ = ones(Padding::Same).with_stride(2);
    }
}
