//! 3x3 convolution with a quarter of the products: Winograd's F(4x4, 3x3), in all three directions.
//!
//! Tiles of 6x6 inputs are transformed, multiplied by the transformed window point by point (36 matrix products over the
//! channels instead of 144 products per tile), and transformed to 4x4 outputs. In f32 the error is some ten times that
//! of the sum itself, 1e-6 to 5e-6 of the result. Lavin and Gray, "Fast algorithms for convolutional neural networks" (2016).

mod lanes;
mod layout;
mod one_image;
mod transforms;
mod weight;
pub(super) mod windows;

use super::ahead::{LINE, ask};
use super::conv::{Algorithm, ConvGeometry};
use super::finish::Finish;
use super::panels::{Left, Out, multiply};
use crate::buffer::Buffer;
use crate::simd::{Isa, Kernel, dispatch};
use crate::{Element, parallel};
use lanes::{Lanes, OnLanes, on_widest};
use layout::{Places, fill_row};
use transforms::{IN, Input, LANES, Matrix, OUT, Output, POINTS, WINDOW, both_sides, half_done};

/// Fewer channels than this on either side leave the lanes too empty.
const FEWEST_CHANNELS: usize = 8;
/// Fewer tiles than this in a batch do not earn the transform of the weight, whose points are four times the weight.
const FEWEST_TILES: usize = 32;
/// The same where the weight has been transformed before.
const FEWEST_TILES_READY: usize = 4;
/// Elements that lie between two points, so that their places do not fall on the same lines of the cache.
const GAP: usize = 16;

/// A convolution with windows of 3x3, stride 1 and no groups.
#[derive(Clone, Copy, Debug)]
pub(super) struct Winograd {
    inputs: usize,
    outputs: usize,
    /// Rows and columns before and after.
    from: [usize; 2],
    to: [usize; 2],
    /// Zeros before the image.
    before: [usize; 2],
    /// Whether the weight is that of the convolution that this is the adjoint of.
    adjoint: bool,
}

impl Winograd {
    /// The convolution of a geometry on so many images, if it is one for this.
    pub(super) fn forward<E: Element>(g: &ConvGeometry, images: usize) -> Option<Self> {
        Self::from_tiles::<E>(g, images, FEWEST_TILES)
    }

    /// [`Winograd::forward`] for a weight at its points already.
    pub(super) fn forward_ready<E: Element>(g: &ConvGeometry, images: usize) -> Option<Self> {
        Self::from_tiles::<E>(g, images, FEWEST_TILES_READY)
    }

    fn from_tiles<E: Element>(g: &ConvGeometry, images: usize, fewest: usize) -> Option<Self> {
        let o = &g.options;
        let [inputs, outputs] = g.channels;
        let before = [o.padding[0].0, o.padding[1].0];
        let this = Self { inputs, outputs, from: g.input, to: g.output, before, adjoint: false };
        let fits = o.algorithm == Algorithm::Auto
            && size_of::<E>() == 4
            && g.kernel == [WINDOW; 2]
            && o.stride == [1; 2]
            && o.dilation == [1; 2]
            && o.groups == 1
            && inputs.min(outputs) >= FEWEST_CHANNELS;
        (fits && this.pays(images, fewest)).then_some(this)
    }

    /// The adjoint of the convolution of a geometry on so many images, if it is one for this.
    pub(super) fn backward<E: Element>(g: &ConvGeometry, images: usize) -> Option<Self> {
        let Self { inputs, outputs, from, to, before, .. } = Self::forward::<E>(g, images)?;
        let before = [2usize.checked_sub(before[0])?, 2usize.checked_sub(before[1])?];
        let this = Self { inputs: outputs, outputs: inputs, from: to, to: from, before, adjoint: true };
        this.pays(images, FEWEST_TILES).then_some(this)
    }

    /// Whether there are enough tiles, and they do not stand out too far beyond the image.
    fn pays(&self, images: usize, fewest: usize) -> bool {
        let [down, across] = self.tiles();
        let area = self.to[0] * self.to[1];
        area > 0
            && self.from[0] * self.from[1] > 0
            && OUT * OUT * down * across <= 2 * area
            && images * down * across >= fewest
    }

    /// Tiles down and across.
    fn tiles(&self) -> [usize; 2] {
        self.to.map(|n| n.div_ceil(OUT))
    }
}

/// Channels with their lanes filled up.
fn depth(channels: usize) -> usize {
    channels.next_multiple_of(LANES)
}

/// Brings some rows of tiles of an image to their points: `[points, tiles, depth]`.
struct Scatter<'a, E> {
    image: &'a [E],
    size: [usize; 2],
    channels: usize,
    before: [usize; 2],
    /// The first row of tiles, how many, and how many tiles are in one.
    band: (usize, usize, usize),
    room: &'a mut [E],
    /// From the first tile of the band on.
    points: &'a mut [E],
    /// Elements from a point to the next.
    stride: usize,
}

/// Elements of the room for one row of tiles of `side` that overlap: little enough for the first cache where channels are few.
fn room(side: usize, across: usize, channels: usize) -> usize {
    side * (across * OUT + side - OUT) * depth(channels)
}

impl<E: Element> Scatter<'_, E> {
    /// # Panics
    /// If a slice is too short.
    #[inline(always)]
    fn tiles<I: Isa, V: Lanes<E>, T: Matrix<IN, S>, const S: usize>(self) {
        let (first, rows, across) = self.band;
        let depth = depth(self.channels);
        let line = (across * OUT + S - OUT) * depth;
        let mut half = half_done();
        for ty in 0..rows {
            // The rows of one row of tiles go round in the room: the last ones are the first of the next.
            let mut at = [0; S];
            for (i, at) in at.iter_mut().enumerate() {
                *at = (ty * OUT + i) % S * line;
            }
            let top = ((first + ty) * OUT) as isize - self.before[0] as isize;
            for (i, &at) in at.iter().enumerate().skip(if ty > 0 { S - OUT } else { 0 }) {
                let (row, left) = (&mut self.room[at..][..line], self.before[1] as isize);
                fill_row::<E, I>(self.image, self.size, self.channels, [top + i as isize, left], row, depth);
            }
            for tx in 0..across {
                self.ask_ahead(top + S as isize, tx, across);
                let tile = (ty * across + tx) * depth;
                for c in (0..depth).step_by(V::WIDTH) {
                    let data = &self.room[tx * OUT * depth + c..];
                    let points = &mut self.points[tile + c..];
                    both_sides::<T, E, V, IN, S>(
                        &mut half,
                        #[inline(always)]
                        |i, j| V::load(&data[at[i] + j * depth..]),
                        #[inline(always)]
                        |i, j, v| {
                            let at = (i * IN + j) * self.stride;
                            v.store(&mut points[at..]);
                            ask::<true, E>(points, at + depth);
                        },
                    );
                }
            }
        }
    }

    /// Asks for what the next row of tiles reads of some channels, from the image's row `next` on or from that of the next image:
    /// its planes lie so far apart that the processor does not see them coming.
    #[inline(always)]
    fn ask_ahead(&self, next: isize, tx: usize, across: usize) {
        let [h, w] = self.size;
        let start = if next < h as isize { next.max(0) as usize * w } else { self.image.len() };
        for c in self.channels * tx / across..self.channels * (tx + 1) / across {
            for line in (0..OUT * w).step_by(LINE / size_of::<E>()) {
                ask::<false, E>(self.image, start + c * h * w + line);
            }
        }
    }
}

impl<E: Element> OnLanes<E> for Scatter<'_, E> {
    #[inline(always)]
    fn on<I: Isa, V: Lanes<E>>(self) {
        self.tiles::<I, V, Input, IN>();
    }
}

impl<E: Element> Kernel for Scatter<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        on_widest::<E, I>(self);
    }
}

/// Brings some rows of tiles back from their points to the image.
struct Gather<'a, E> {
    points: &'a [E],
    stride: usize,
    band: (usize, usize, usize),
    channels: usize,
    room: &'a mut [E],
    finish: Finish<'a, E>,
    image: &'a mut [E],
    size: [usize; 2],
}

impl<E: Element> OnLanes<E> for Gather<'_, E> {
    #[inline(always)]
    fn on<I: Isa, V: Lanes<E>>(self) {
        let (first, rows, across) = self.band;
        let (depth, wide) = (depth(self.channels), across * OUT);
        let mut half = half_done();
        for ty in 0..rows {
            for tx in 0..across {
                let tile = (ty * across + tx) * depth;
                for c in (0..depth).step_by(V::WIDTH) {
                    let points = &self.points[tile + c..];
                    let data = &mut self.room[tx * OUT * depth + c..];
                    both_sides::<Output, E, V, OUT, IN>(
                        &mut half,
                        #[inline(always)]
                        |i, j| V::load(&points[(i * IN + j) * self.stride..]),
                        #[inline(always)]
                        |i, j, y| y.store(&mut data[(i * wide + j) * depth..]),
                    );
                }
            }
            let places = Places { data: self.room, across: wide, depth };
            let top = (first + ty) * OUT;
            let inside = OUT.min(self.size[0] - top);
            places.empty::<I>(self.image, self.size, self.channels, inside, top, self.finish);
        }
    }
}

impl<E: Element> Kernel for Gather<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        on_widest::<E, I>(self);
    }
}

/// Tiles that are worked on at once: few enough that their points stay in the second cache, enough for a product.
fn tiles_at_once(inputs: usize, outputs: usize) -> usize {
    (4500 / (inputs + outputs)).clamp(32, 128)
}

/// The convolution of a batch.
///
/// # Panics
/// If a slice is too short.
pub(super) fn convolve<E: Element>(d: &Winograd, x: &[E], w: &[E], finish: Finish<'_, E>, y: &mut [E]) {
    let mut windows = Buffer::scratch(windows::room(d));
    windows::at_points(d, w, windows.as_mut_slice());
    convolve_ready(d, x, windows.as_slice(), finish, y);
}

/// [`convolve`] with a weight at its points already.
///
/// # Panics
/// If a slice is too short.
pub(super) fn convolve_ready<E: Element>(d: &Winograd, x: &[E], windows: &[E], finish: Finish<'_, E>, y: &mut [E]) {
    let (inputs, outputs) = (d.inputs, d.outputs);
    let (from, to) = (inputs * d.from[0] * d.from[1], outputs * d.to[0] * d.to[1]);
    if y.len() == to {
        return one_image::convolve(d, x, windows, finish, y);
    }
    let [down, across] = d.tiles();
    let most = tiles_at_once(inputs, outputs);
    let together = (most / (down * across)).max(1);
    let rows = (most / across).clamp(1, down);
    let tiles = if together > 1 { together * down * across } else { rows * across };
    let (deep_in, deep_out) = (depth(inputs), depth(outputs));
    let (stride_in, stride_out) = (tiles * deep_in + GAP, tiles * deep_out + GAP);
    parallel::chunks_if(rayon::current_num_threads() > 1, y, together * to, |block, y| {
        let mut points_in = Buffer::scratch(POINTS * stride_in);
        let mut points_out = Buffer::scratch(POINTS * stride_out);
        let sides = room(IN, across, inputs).max(room(OUT, across, outputs));
        let mut places = Buffer::scratch(sides);
        let (points_in, points_out, places) =
            (points_in.as_mut_slice(), points_out.as_mut_slice(), places.as_mut_slice());
        let images = y.len() / to;
        let x = &x[block * together * from..][..images * from];
        let finish = finish.from(block * together * to);
        for first in (0..down).step_by(rows) {
            let band = (first, rows.min(down - first), across);
            let each = band.1 * across;
            for (i, image) in x.chunks_exact(from).enumerate() {
                let points = &mut points_in[i * each * deep_in..];
                let (size, before) = (d.from, d.before);
                dispatch(Scatter {
                    image,
                    size,
                    channels: inputs,
                    before,
                    band,
                    room: places,
                    points,
                    stride: stride_in,
                });
            }
            for point in 0..POINTS {
                let a = Left { data: &points_in[point * stride_in..], row: deep_in, by_columns: false };
                let c = Out { data: &mut points_out[point * stride_out..], row: deep_out };
                multiply((images * each, outputs, inputs), a, windows::of_point(d, windows, point, 0), c, false);
            }
            for (i, image) in y.chunks_exact_mut(to).enumerate() {
                let points = &points_out[i * each * deep_out..];
                dispatch(Gather {
                    points,
                    stride: stride_out,
                    band,
                    channels: outputs,
                    room: places,
                    finish: finish.from(i * to),
                    image,
                    size: d.to,
                });
            }
        }
    });
}

pub(super) use weight::gradient;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::conv::{ConvOptions, backward_input, backward_weight, forward};
    use crate::{Rng, parallel};

    fn normal(n: usize, rng: &mut Rng) -> Vec<f32> {
        let mut v = vec![0.0; n];
        rng.fill_normal(&mut v, 0.0, 1.0);
        v
    }

    fn wide(v: &[f32]) -> Vec<f64> {
        v.iter().map(|&x| f64::from(x)).collect()
    }

    /// The error beside the size of the whole, both as root mean squares.
    fn error(found: &[f32], expected: &[f64]) -> f64 {
        let rest: f64 = found.iter().zip(expected).map(|(&f, e)| (f64::from(f) - e).powi(2)).sum();
        (rest / expected.iter().map(|e| e * e).sum::<f64>()).sqrt()
    }

    /// Images, inputs, outputs, size, zeros before and after down and across.
    type Case = (usize, [usize; 2], [usize; 2], [(usize, usize); 2]);
    const SAME: [(usize, usize); 2] = [(1, 1); 2];
    const CASES: [Case; 13] = [
        (1, [8, 8], [4, 4], SAME),
        (3, [16, 16], [32, 32], SAME),
        (2, [9, 13], [7, 8], SAME),
        (5, [17, 40], [8, 8], SAME),
        (2, [64, 32], [16, 12], SAME),
        (70, [10, 8], [8, 8], SAME),
        (2, [8, 24], [28, 26], [(0, 0); 2]),
        (2, [20, 8], [12, 11], [(2, 2), (0, 1)]),
        (1, [8, 8], [13, 14], [(3, 1), (1, 4)]),
        (9, [8, 100], [10, 66], SAME),
        (1, [130, 8], [6, 150], [(0, 2), (2, 0)]),
        (2, [8, 9], [70, 61], SAME),
        (0, [8, 8], [8, 8], SAME),
    ];

    fn geometry(&(_, [inputs, outputs], size, padding): &Case) -> ConvGeometry {
        let options = ConvOptions { padding, ..ConvOptions::default() };
        options.geometry(&[1, inputs, size[0], size[1]], &[outputs, inputs, 3, 3]).unwrap()
    }

    /// More images than any case has, so that there are always enough tiles.
    const MANY: usize = 1000;

    /// All three directions; the adjoint only where there is one.
    fn all(g: &ConvGeometry, x: &[f32], w: &[f32], bias: &[f32], dy: &[f32]) -> [Vec<f32>; 3] {
        let (mut y, mut dw) = (vec![f32::NAN; dy.len()], vec![f32::NAN; w.len()]);
        let plan = Winograd::forward::<f32>(g, MANY).unwrap();
        convolve(&plan, x, w, Finish::bias(Some(bias)), &mut y);
        gradient(&plan, x, dy, &mut dw);
        let mut dx = vec![f32::NAN; x.len()];
        match Winograd::backward::<f32>(g, MANY) {
            Some(plan) => convolve(&plan, dy, w, Finish::bias(None), &mut dx),
            None => backward_input(g, dy, w, &mut dx),
        }
        [y, dx, dw]
    }

    #[test]
    fn all_three_directions_agree_with_the_sum_itself_in_double_precision() {
        let mut rng = Rng::new(1);
        for case in &CASES {
            let (g, images) = (geometry(case), case.0);
            let shapes = [g.input_shape(images), g.weight_shape(), g.output_shape(images)];
            let [nx, nw, ny] = shapes.map(|s| s.iter().product::<usize>());
            let (x, w, bias, dy) =
                (normal(nx, &mut rng), normal(nw, &mut rng), normal(g.channels[1], &mut rng), normal(ny, &mut rng));
            assert!(Winograd::forward::<f64>(&g, MANY).is_none(), "{g:?}");
            if images == 0 {
                let mut dw = vec![f32::NAN; nw];
                backward_weight(&g, &x, &dy, &mut dw);
                assert!(dw.iter().all(|&x| x == 0.0));
                continue;
            }
            let [y, dx, dw] = all(&g, &x, &w, &bias, &dy);
            let (x64, w64, b64, dy64) = (wide(&x), wide(&w), wide(&bias), wide(&dy));
            let (mut y64, mut dx64, mut dw64) = (vec![0.0; ny], vec![0.0; nx], vec![0.0; nw]);
            forward(&g, &x64, &w64, Some(&b64), &mut y64);
            backward_input(&g, &dy64, &w64, &mut dx64);
            backward_weight(&g, &x64, &dy64, &mut dw64);
            let errors = [error(&y, &y64), error(&dx, &dx64), error(&dw, &dw64)];
            assert!(errors.iter().all(|&e| e < 6e-6), "{case:?}: {errors:?}");
        }
    }

    #[test]
    fn threads_change_nothing() {
        let mut rng = Rng::new(2);
        for case in &CASES[..12] {
            let (g, images) = (geometry(case), case.0);
            let shapes = [g.input_shape(images), g.weight_shape(), g.output_shape(images)];
            let [nx, nw, ny] = shapes.map(|s| s.iter().product::<usize>());
            let (x, w, dy) = (normal(nx, &mut rng), normal(nw, &mut rng), normal(ny, &mut rng));
            let bias = normal(g.channels[1], &mut rng);
            let run = |threads| parallel::with_threads(threads, || all(&g, &x, &w, &bias, &dy));
            let one = run(1);
            assert!(one == run(2) && one == run(3), "{case:?}");
        }
    }

    #[test]
    fn what_is_not_for_it_is_left_to_the_sum_itself() {
        let plain = geometry(&CASES[1]);
        let but = |change: &dyn Fn(&mut ConvGeometry)| {
            let mut g = plain;
            change(&mut g);
            Winograd::forward::<f32>(&g, MANY).is_none()
        };
        assert!(!but(&|_| {}));
        assert!(but(&|g| g.options.stride = [2, 1]));
        assert!(but(&|g| g.options.dilation = [1, 2]));
        assert!(but(&|g| g.options.groups = 2));
        assert!(but(&|g| g.options.algorithm = Algorithm::Exact));
        assert!(but(&|g| g.kernel = [3, 1]));
        assert!(but(&|g| g.channels = [3, 64]));
        assert!(but(&|g| g.output = [5, 5]));
        // A frame of three zeros has no adjoint of this kind.
        let g = geometry(&CASES[8]);
        assert!(Winograd::forward::<f32>(&g, MANY).is_some() && Winograd::backward::<f32>(&g, MANY).is_none());
        // 16 tiles an image: too few of them for one, enough for two.
        assert!(Winograd::forward::<f32>(&geometry(&(1, [16, 16], [16, 16], SAME)), 1).is_none());
        assert!(Winograd::forward::<f32>(&geometry(&(1, [16, 16], [16, 16], SAME)), 2).is_some());
    }
}
