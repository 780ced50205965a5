//! Convolution as matrix products: the windows of one image are laid out as columns, a block at a time.

use super::amx;
use super::columns;
use super::depthwise;
use super::finish::Finish;
use super::gemm::{MatMut, MatRef, gemm};
use super::grids;
use super::implicit;
use super::winograd::{self, Winograd};
use crate::buffer::Buffer;
use crate::{Element, parallel};
use std::ops::Range;

/// How a window moves over an image; both arrays are (down, across).
///
/// ```
/// use kniff_tensor::ConvOptions;
/// let halving = ConvOptions { stride: [2, 2], padding: [(1, 1); 2], ..ConvOptions::default() };
/// assert_eq!(halving.output_size([32, 32], [3, 3]), Some([16, 16]));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvOptions {
    /// How far the window moves from one output to the next.
    pub stride: [usize; 2],
    /// Zeros before and after the image.
    pub padding: [(usize, usize); 2],
    /// How far the elements of the window are apart.
    pub dilation: [usize; 2],
    /// Parts that the channels are cut into; each part of the outputs sees one part of the inputs.
    pub groups: usize,
    /// Which way it is computed.
    pub algorithm: Algorithm,
}

/// Which way a convolution is computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Algorithm {
    /// By the sizes alone: Winograd's F(4x4, 3x3) for windows of 3x3 with stride 1 in f32, from eight channels and, in the
    /// batch, 32 tiles of 4x4 outputs on; the sums themselves otherwise, and always in f64.
    ///
    /// It takes a quarter of the products, at an error of 1e-6 to 5e-6 of the result, more with more channels. A number that is
    /// infinite or NaN spoils its whole tile of 4x4 outputs, and so do numbers so large that a hundred times the sum of their products
    /// over the channels could be infinite. In the gradient of the weight, what is not finite may reach every element of a
    /// window. Lavin and Gray, "Fast algorithms for convolutional neural networks" (2016).
    #[default]
    Auto,
    /// The sums themselves, at an error below 1e-6 in f32; what is not finite stays within reach of its windows. The precision that the
    /// factors are rounded to is another choice: [`crate::Precision`].
    Exact,
}

impl Default for ConvOptions {
    /// Stride 1, no padding, dilation 1, one group, computed as fits the sizes.
    fn default() -> Self {
        Self { stride: [1; 2], padding: [(0, 0); 2], dilation: [1; 2], groups: 1, algorithm: Algorithm::Auto }
    }
}

impl ConvOptions {
    /// What a window covers along an axis; `None` if it has no element, or covers more than there are numbers for.
    fn extent(&self, a: usize, kernel: usize) -> Option<usize> {
        self.dilation[a].checked_mul(kernel.checked_sub(1)?)?.checked_add(1)
    }

    /// `(size + padding - dilation (kernel - 1) - 1) / stride + 1`, rounded down; `None` where the window does not fit.
    pub fn output_size(&self, input: [usize; 2], kernel: [usize; 2]) -> Option<[usize; 2]> {
        let along = |a: usize| {
            let extent = self.extent(a, kernel[a])?;
            let (before, after) = self.padding[a];
            let padded = input[a].checked_add(before)?.checked_add(after)?;
            Some(padded.checked_sub(extent)? / self.stride[a].max(1) + 1)
        };
        Some([along(0)?, along(1)?])
    }

    /// `(size - 1) stride - padding + dilation (kernel - 1) + extra + 1`: the size that a transposed convolution gives.
    ///
    /// `None` where nothing is left.
    pub fn transposed_size(&self, input: [usize; 2], kernel: [usize; 2], extra: [usize; 2]) -> Option<[usize; 2]> {
        let along = |a: usize| {
            let extent = self.extent(a, kernel[a])?;
            let (before, after) = self.padding[a];
            let full =
                input[a].checked_sub(1)?.checked_mul(self.stride[a])?.checked_add(extent)?.checked_add(extra[a])?;
            full.checked_sub(before.checked_add(after)?).filter(|&size| size > 0)
        };
        Some([along(0)?, along(1)?])
    }

    /// The sizes of the convolution of images [n, in, h, w] with a weight [out, in / groups, kh, kw].
    ///
    /// # Errors
    /// What does not fit, in words.
    pub fn geometry(&self, input: &[usize], weight: &[usize]) -> Result<ConvGeometry, String> {
        let (&[_, channels, h, w], &[out, per_group, kh, kw]) = (input, weight) else {
            return Err(format!(
                "an input of shape {input:?} and a weight of shape {weight:?} have not four axes each"
            ));
        };
        self.check(channels, out, per_group)?;
        let Some(output) = self.output_size([h, w], [kh, kw]) else {
            let padded = [0, 1].map(|a| [h, w][a].saturating_add(self.padding[a].0).saturating_add(self.padding[a].1));
            let extent = [0, 1].map(|a| self.extent(a, [kh, kw][a].max(1)).unwrap_or(usize::MAX));
            return Err(format!("a window of {extent:?} does not fit into a padded image of {padded:?}"));
        };
        Ok(ConvGeometry { options: *self, channels: [channels, out], input: [h, w], kernel: [kh, kw], output })
    }

    /// The sizes of the transposed convolution of images [n, in, h, w] with a weight [in, out / groups, kh, kw]: those of
    /// the convolution that goes the other way. `extra` rows and columns are added to the larger side.
    ///
    /// # Errors
    /// What does not fit, in words.
    pub fn transposed_geometry(
        &self,
        input: &[usize],
        weight: &[usize],
        extra: [usize; 2],
    ) -> Result<ConvGeometry, String> {
        let (&[_, channels, h, w], &[outer, per_group, kh, kw]) = (input, weight) else {
            return Err(format!(
                "an input of shape {input:?} and a weight of shape {weight:?} have not four axes each"
            ));
        };
        if channels != outer {
            return Err(format!("{channels} channels do not fit a weight for {outer}"));
        }
        let outputs = per_group.saturating_mul(self.groups);
        self.check(outputs, outer, per_group)?;
        if let Some(a) = (0..2).find(|&a| extra[a] >= self.stride[a].max(self.dilation[a])) {
            let (stride, dilation) = (self.stride[a], self.dilation[a]);
            let extra = extra[a];
            return Err(format!(
                "an output padding of {extra} is not below a stride of {stride} or a dilation of {dilation}"
            ));
        }
        let Some(larger) = self.transposed_size([h, w], [kh, kw], extra) else {
            return Err(format!("an image of {:?} is all cut off by a padding of {:?}", [h, w], self.padding));
        };
        Ok(ConvGeometry { options: *self, channels: [outputs, outer], input: larger, kernel: [kh, kw], output: [h, w] })
    }

    fn check(&self, inputs: usize, outputs: usize, per_group: usize) -> Result<(), String> {
        let ConvOptions { stride, dilation, groups, .. } = *self;
        if stride.contains(&0) || dilation.contains(&0) || groups == 0 {
            return Err(format!(
                "a stride of {stride:?}, a dilation of {dilation:?} and {groups} groups are not all above 0"
            ));
        }
        if !inputs.is_multiple_of(groups) || !outputs.is_multiple_of(groups) {
            return Err(format!("{groups} groups do not divide {inputs} input and {outputs} output channels"));
        }
        let wanted = per_group.saturating_mul(groups);
        if wanted != inputs {
            return Err(format!("{inputs} channels do not fit a weight for {wanted}"));
        }
        Ok(())
    }
}

/// All sizes of one convolution: the larger side is its input, the smaller its output.
///
/// The convolution, its adjoint (the transposed convolution) and the gradient of its weight share one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvGeometry {
    /// How the window moves.
    pub options: ConvOptions,
    /// Input and output channels.
    pub channels: [usize; 2],
    /// Rows and columns of the input.
    pub input: [usize; 2],
    /// Rows and columns of the window.
    pub kernel: [usize; 2],
    /// Rows and columns of the output.
    pub output: [usize; 2],
}

impl ConvGeometry {
    /// [n, in, h, w].
    pub fn input_shape(&self, images: usize) -> [usize; 4] {
        [images, self.channels[0], self.input[0], self.input[1]]
    }

    /// [n, out, oh, ow].
    pub fn output_shape(&self, images: usize) -> [usize; 4] {
        [images, self.channels[1], self.output[0], self.output[1]]
    }

    /// [out, in / groups, kh, kw].
    pub fn weight_shape(&self) -> [usize; 4] {
        [self.channels[1], self.channels[0] / self.options.groups, self.kernel[0], self.kernel[1]]
    }

    /// Elements of one image that goes in.
    fn input_len(&self) -> usize {
        self.channels[0] * self.input[0] * self.input[1]
    }

    /// Elements of one image that comes out.
    fn output_len(&self) -> usize {
        self.channels[1] * self.positions()
    }

    fn positions(&self) -> usize {
        self.output[0] * self.output[1]
    }

    /// Elements under one window in one group.
    fn window(&self) -> usize {
        self.channels[0] / self.options.groups * self.kernel[0] * self.kernel[1]
    }

    /// Multiply-adds of one image.
    fn work(&self) -> usize {
        self.output_len() * self.window()
    }

    /// Whether every window is one element in its place, so that the image is the matrix of columns.
    pub(super) fn pointwise(&self) -> bool {
        let o = &self.options;
        self.kernel == [1; 2] && o.stride == [1; 2] && o.padding == [(0, 0); 2] && self.input == self.output
    }

    /// The input position along axis `a` that element `k` of window `o` reads, if it is inside.
    #[inline(always)]
    pub(super) fn source(&self, a: usize, o: usize, k: usize) -> Option<usize> {
        let at = (o * self.options.stride[a] + k * self.options.dilation[a]).checked_sub(self.options.padding[a].0)?;
        (at < self.input[a]).then_some(at)
    }

    /// The windows along axis `a` whose element `k` is inside the input.
    pub(super) fn inside(&self, a: usize, k: usize) -> Range<usize> {
        let (stride, before, ahead) = (self.options.stride[a], self.options.padding[a].0, k * self.options.dilation[a]);
        let end = match (self.input[a] + before).checked_sub(ahead + 1) {
            Some(room) => (room / stride + 1).min(self.output[a]),
            None => 0,
        };
        before.saturating_sub(ahead).div_ceil(stride).min(end)..end
    }

    /// How many rows of windows are laid out at once: as many as the second cache holds.
    fn block_rows(&self) -> usize {
        (BLOCK / (self.window() * self.output[1]).max(1)).clamp(1, self.output[0])
    }

    /// Whether every group has one input channel and few outputs, so that no matrix product is worth its packing.
    pub(super) fn depthwise(&self) -> bool {
        self.channels[0] == self.options.groups && self.channels[1] <= 4 * self.options.groups
    }

    /// Whether the caller asked for products in bfloat16, and a batch of so many images is worth them.
    pub(super) fn in_tiles(&self, images: usize) -> bool {
        let few = grids::places(self) <= 16 * self.positions() + (1 << 12);
        amx::asked() && self.options.groups == 1 && few && images * self.work() >= PARALLEL_FROM
    }

    /// Calls `f` for consecutive blocks of rows of windows.
    fn for_each_block(&self, mut f: impl FnMut(Range<usize>)) {
        let step = self.block_rows();
        for first in (0..self.output[0]).step_by(step) {
            f(first..(first + step).min(self.output[0]));
        }
    }

    /// Room for the columns of one block.
    fn scratch<E: Element>(&self) -> Buffer<E> {
        Buffer::scratch(if self.pointwise() { 0 } else { self.window() * self.block_rows() * self.output[1] })
    }
}

/// Elements of the columns that are laid out at once.
const BLOCK: usize = 1 << 16;
/// Multiply-adds of a batch from which on its images are dealt to the threads.
const PARALLEL_FROM: usize = 1 << 18;
/// The most parts that a weight's gradient is summed in, and the most elements that these hold together.
const MOST_PARTS: usize = 16;
const PARTS_LEN: usize = 1 << 22;

/// Calls `f` for every image of a batch; in parallel where that pays.
fn each_image<E: Element>(batch: &mut [E], image: usize, work: usize, f: impl Fn(usize, &mut [E]) + Sync) {
    if image == 0 {
        return;
    }
    let images = batch.len() / image;
    if images > 1 && work * images >= PARALLEL_FROM && rayon::current_num_threads() > 1 {
        let together = (PARALLEL_FROM / work.max(1)).clamp(1, images);
        parallel::chunks(batch, together * image, |block, batch| {
            batch.chunks_mut(image).enumerate().for_each(|(i, image)| f(block * together + i, image));
        });
    } else {
        batch.chunks_mut(image).enumerate().for_each(|(i, image)| f(i, image));
    }
}

/// `y[o] = sum_c w[o][c] * x[c] + bias[o]` for every image of a batch, as a cross-correlation.
///
/// # Panics
/// If a slice is too short for the geometry.
pub fn forward<E: Element>(g: &ConvGeometry, x: &[E], w: &[E], bias: Option<&[E]>, y: &mut [E]) {
    E::convolve(g, x, w, bias, y);
}

/// [`forward`], where it is compiled.
pub(super) fn forward_here<E: Element>(g: &ConvGeometry, x: &[E], w: &[E], bias: Option<&[E]>, y: &mut [E]) {
    if g.in_tiles(y.len() / g.output_len().max(1))
        && let (Some(x), Some(w), Some(y)) = (amx::single(x), amx::single(w), amx::single_mut(y))
    {
        return amx::correlate::convolve(g, x, w, bias.and_then(amx::single), y);
    }
    if let Some(plan) = Winograd::forward::<E>(g, y.len() / g.output_len().max(1)) {
        return winograd::convolve(&plan, x, w, Finish::bias(bias), y);
    }
    forward_direct(g, x, w, Finish::bias(bias), y);
}

/// The sums themselves.
pub(super) fn forward_direct<E: Element>(g: &ConvGeometry, x: &[E], w: &[E], finish: Finish<'_, E>, y: &mut [E]) {
    if implicit::fits(g, y.len() / g.output_len().max(1)) {
        return implicit::convolve(g, x, w, finish, y);
    }
    let bias = finish.bias;
    let (window, positions, groups) = (g.window(), g.positions(), g.options.groups);
    let (outputs, inputs) = (g.channels[1] / groups, g.input_len() / groups);
    let beta = if bias.is_some() { E::ONE } else { E::ZERO };
    each_image(y, g.output_len(), g.work(), |i, y| {
        let x = &x[i * g.input_len()..][..g.input_len()];
        if g.depthwise() {
            match bias {
                Some(bias) => y.chunks_exact_mut(positions).zip(bias).for_each(|(y, &b)| y.fill(b)),
                None => y.fill(E::ZERO),
            }
            depthwise::add_output(g, x, w, y);
            return finish.from(i * g.output_len()).rest(y);
        }
        let mut room = g.scratch();
        for group in 0..groups {
            let w = MatRef::row_major(&w[group * outputs * window..], outputs, window);
            let x = &x[group * inputs..][..inputs];
            let y = &mut y[group * outputs * positions..][..outputs * positions];
            if let Some(bias) = bias {
                let bias = &bias[group * outputs..][..outputs];
                y.chunks_exact_mut(positions).zip(bias).for_each(|(y, &b)| y.fill(b));
            }
            if g.pointwise() {
                gemm(w, MatRef::row_major(x, window, positions), beta, MatMut::row_major(y, outputs, positions));
                continue;
            }
            g.for_each_block(|rows| {
                let (first, n) = (rows.start * g.output[1], rows.len() * g.output[1]);
                let columns = &mut room.as_mut_slice()[..window * n];
                columns::unfold(g, x, rows, columns);
                let columns = MatRef::row_major(columns, window, n);
                gemm(w, columns, beta, MatMut::new(&mut y[first..], (outputs, n), positions));
            });
        }
        if finish.more() {
            let finish = finish.from(i * g.output_len());
            parallel::pieces(y, |from, y| finish.from(from).rest(y));
        }
    });
}

/// The adjoint of [`forward()`] in x: what a transposed convolution computes.
///
/// # Panics
/// If a slice is too short for the geometry.
pub fn backward_input<E: Element>(g: &ConvGeometry, dy: &[E], w: &[E], dx: &mut [E]) {
    E::convolve_backward_input(g, dy, w, dx);
}

/// [`backward_input`], where it is compiled.
pub(super) fn backward_input_here<E: Element>(g: &ConvGeometry, dy: &[E], w: &[E], dx: &mut [E]) {
    if g.in_tiles(dx.len() / g.input_len().max(1))
        && let (Some(dy), Some(w), Some(dx)) = (amx::single(dy), amx::single(w), amx::single_mut(dx))
    {
        return amx::correlate::adjoint(g, dy, w, dx);
    }
    if let Some(plan) = Winograd::backward::<E>(g, dx.len() / g.input_len().max(1)) {
        return winograd::convolve(&plan, dy, w, Finish::bias(None), dx);
    }
    if implicit::fits(g, dx.len() / g.input_len().max(1)) {
        return implicit::adjoint(g, dy, w, dx);
    }
    let (window, positions, groups) = (g.window(), g.positions(), g.options.groups);
    let (outputs, inputs) = (g.channels[1] / groups, g.input_len() / groups);
    each_image(dx, g.input_len(), g.work(), |i, dx| {
        let dy = &dy[i * g.output_len()..][..g.output_len()];
        if g.depthwise() {
            dx.fill(E::ZERO);
            return depthwise::add_input(g, dy, w, dx);
        }
        let mut room = g.scratch();
        for group in 0..groups {
            let w = MatRef::row_major(&w[group * outputs * window..], outputs, window).t();
            let dx = &mut dx[group * inputs..][..inputs];
            let dy = &dy[group * outputs * positions..][..outputs * positions];
            if g.pointwise() {
                let dy = MatRef::row_major(dy, outputs, positions);
                gemm(w, dy, E::ZERO, MatMut::row_major(dx, window, positions));
                continue;
            }
            dx.fill(E::ZERO);
            g.for_each_block(|rows| {
                let (first, n) = (rows.start * g.output[1], rows.len() * g.output[1]);
                let columns = &mut room.as_mut_slice()[..window * n];
                let dy = MatRef::new(dy.get(first..).unwrap_or(&[]), (outputs, n), (positions, 1));
                gemm(w, dy, E::ZERO, MatMut::row_major(columns, window, n));
                columns::fold(g, columns, rows, dx);
            });
        }
    });
}

/// The adjoint of [`forward()`] in w: the sum over images and positions of output times window.
///
/// Summed in parts of consecutive images, whose number follows from the sizes; then part by part.
///
/// # Panics
/// If a slice is too short for the geometry.
pub fn backward_weight<E: Element>(g: &ConvGeometry, x: &[E], dy: &[E], dw: &mut [E]) {
    E::convolve_backward_weight(g, x, dy, dw);
}

/// [`backward_weight`], where it is compiled.
pub(super) fn backward_weight_here<E: Element>(g: &ConvGeometry, x: &[E], dy: &[E], dw: &mut [E]) {
    let (len, images) = (dw.len(), if g.output_len() == 0 { 0 } else { dy.len() / g.output_len() });
    if len == 0 {
        return;
    }
    if images == 0 || g.work() == 0 {
        return dw.fill(E::ZERO);
    }
    if g.in_tiles(images)
        && let (Some(x), Some(dy), Some(dw)) = (amx::single(x), amx::single(dy), amx::single_mut(dw))
    {
        return amx::gradient::gradient(g, x, dy, dw);
    }
    if let Some(plan) = Winograd::forward::<E>(g, images) {
        return winograd::gradient(&plan, x, dy, dw);
    }
    if implicit::fits_gradient(g, images) {
        return implicit::gradient(g, x, dy, dw);
    }
    let useful = (images * g.work()).div_ceil(PARALLEL_FROM);
    let parts = MOST_PARTS.min(PARTS_LEN / len).min(useful).clamp(1, images);
    let together = images.div_ceil(parts);
    if parts == 1 {
        return weight_of(g, x, dy, 0..images, dw);
    }
    let parts = images.div_ceil(together);
    let mut sums = Buffer::scratch(parts * len);
    parallel::chunks_if(rayon::current_num_threads() > 1, sums.as_mut_slice(), len, |p, sum| {
        weight_of(g, x, dy, p * together..((p + 1) * together).min(images), sum);
    });
    let sums = sums.as_slice();
    parallel::pieces(dw, |from, dw| {
        dw.copy_from_slice(&sums[from..from + dw.len()]);
        for part in sums.chunks_exact(len).skip(1) {
            dw.iter_mut().zip(&part[from..]).for_each(|(sum, &x)| *sum += x);
        }
    });
}

/// The weight's gradient of some images, one after the other.
fn weight_of<E: Element>(g: &ConvGeometry, x: &[E], dy: &[E], images: Range<usize>, dw: &mut [E]) {
    let (window, positions, groups) = (g.window(), g.positions(), g.options.groups);
    let (outputs, inputs) = (g.channels[1] / groups, g.input_len() / groups);
    if g.depthwise() {
        let mut room = Buffer::scratch(g.output[1]);
        dw.fill(E::ZERO);
        for i in images {
            let (x, dy) = (&x[i * g.input_len()..][..g.input_len()], &dy[i * g.output_len()..][..g.output_len()]);
            depthwise::add_weight(g, x, dy, dw, room.as_mut_slice());
        }
        return;
    }
    let mut room = g.scratch();
    let mut beta = E::ZERO;
    for i in images {
        for group in 0..groups {
            let x = &x[i * g.input_len() + group * inputs..][..inputs];
            let dy = &dy[i * g.output_len() + group * outputs * positions..][..outputs * positions];
            let dw = &mut dw[group * outputs * window..][..outputs * window];
            let mut beta = beta;
            let mut add = |dy: MatRef<'_, E>, columns: MatRef<'_, E>| {
                gemm(dy, columns.t(), beta, MatMut::row_major(dw, outputs, window));
                beta = E::ONE;
            };
            if g.pointwise() {
                add(MatRef::row_major(dy, outputs, positions), MatRef::row_major(x, window, positions));
                continue;
            }
            g.for_each_block(|rows| {
                let (first, n) = (rows.start * g.output[1], rows.len() * g.output[1]);
                let columns = &mut room.as_mut_slice()[..window * n];
                columns::unfold(g, x, rows, columns);
                let dy = MatRef::new(&dy[first..], (outputs, n), (positions, 1));
                add(dy, MatRef::row_major(columns, window, n));
            });
        }
        beta = E::ONE;
    }
}
