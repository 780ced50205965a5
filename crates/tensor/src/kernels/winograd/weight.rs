//! The gradient of the windows: the adjoint of the convolution in its weight, point by point.

use super::lanes::{Lanes, OnLanes, on_widest};
use super::transforms::{IN, LANES, OUT, OutputAdjoint, POINTS, WINDOW, WindowAdjoint, both_sides, half_done};
use super::{GAP, Scatter, Winograd, depth, room};
use crate::buffer::Buffer;
use crate::kernels::panels::{Left, Out, PANEL, Right, multiply};
use crate::simd::{Isa, Kernel, dispatch};
use crate::{Element, parallel};

/// Tiles of one product: the length of its sums.
const TILES: usize = 64;
/// Groups that are transformed before they are multiplied.
const GROUPS: usize = 4;

/// Tiles of an output's gradient, which do not overlap.
struct ScatterGradient<'a, E>(Scatter<'a, E>);

impl<E: Element> Kernel for ScatterGradient<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        on_widest::<E, I>(self);
    }
}

impl<E: Element> OnLanes<E> for ScatterGradient<'_, E> {
    #[inline(always)]
    fn on<I: Isa, V: Lanes<E>>(self) {
        self.0.tiles::<I, V, OutputAdjoint, OUT>();
    }
}

/// From the points to the windows of some outputs.
struct FromPoints<'a, E> {
    points: &'a [E],
    inputs: usize,
    outputs: usize,
    first: usize,
    dw: &'a mut [E],
}

impl<E: Element> Kernel for FromPoints<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        on_widest::<E, I>(self);
    }
}

impl<E: Element> OnLanes<E> for FromPoints<'_, E> {
    #[inline(always)]
    fn on<I: Isa, V: Lanes<E>>(self) {
        let area = WINDOW * WINDOW;
        let some = LANES.min(self.outputs - self.first);
        let (mut half, mut room) = (half_done(), [E::ZERO; LANES]);
        for input in 0..self.inputs {
            for first in (0..some).step_by(V::WIDTH) {
                let here = V::WIDTH.min(some - first);
                let dw = &mut self.dw[(first * self.inputs + input) * area..];
                both_sides::<WindowAdjoint, E, V, WINDOW, IN>(
                    &mut half,
                    #[inline(always)]
                    |i, j| {
                        let at = ((i * IN + j) * self.inputs + input) * self.outputs + self.first + first;
                        if here == V::WIDTH {
                            return V::load(&self.points[at..]);
                        }
                        let mut lanes = [E::ZERO; LANES];
                        lanes[..here].copy_from_slice(&self.points[at..at + here]);
                        V::load(&lanes)
                    },
                    #[inline(always)]
                    |i, j, w| {
                        w.store(&mut room);
                        for l in 0..here {
                            dw[l * self.inputs * area + i * WINDOW + j] = room[l];
                        }
                    },
                );
            }
        }
    }
}

/// The sum over images and places of output times window, into `dw`: [outputs, inputs, 3, 3].
///
/// # Panics
/// If a slice is too short.
pub(in crate::kernels) fn gradient<E: Element>(d: &Winograd, x: &[E], dy: &[E], dw: &mut [E]) {
    let (inputs, outputs) = (d.inputs, d.outputs);
    let (from, to) = (inputs * d.from[0] * d.from[1], outputs * d.to[0] * d.to[1]);
    let images = dy.len() / to;
    let [down, across] = d.tiles();
    // A group: some small images, or some rows of tiles of a large one, so that memory does not grow with the image.
    let together = (TILES / (down * across)).clamp(1, images.max(1));
    let rows = if together > 1 { down } else { (TILES / across).clamp(1, down) };
    let bands = down.div_ceil(rows);
    let all = images.div_ceil(together) * bands;
    let images_of = |group: usize| {
        let first = group / bands * together;
        first..(first + together).min(images)
    };
    let band_of = |group: usize| {
        let first = group % bands * rows;
        (first, rows.min(down - first), across)
    };
    let (deep_in, deep_out) = (depth(inputs), depth(outputs));
    let tiles = together * rows * across;
    let (stride_in, stride_out) = (tiles * deep_in + GAP, tiles * deep_out + GAP);
    let (whole_in, whole_out) = (POINTS * stride_in, POINTS * stride_out);
    let at_once = GROUPS.min(all);
    let mut points_in = Buffer::scratch(at_once * whole_in);
    let mut points_out = Buffer::scratch(at_once * whole_out);
    let mut sums = Buffer::zeros(POINTS * inputs * outputs);
    let threads = rayon::current_num_threads() > 1;
    for first in (0..all).step_by(GROUPS) {
        let groups = GROUPS.min(all - first);
        let (a, b) =
            (&mut points_in.as_mut_slice()[..groups * whole_in], &mut points_out.as_mut_slice()[..groups * whole_out]);
        parallel::chunks2_if(threads, (a, whole_in), (b, whole_out), |group, points_in, points_out| {
            let mut places = Buffer::scratch(room(IN, across, inputs).max(room(OUT, across, outputs)));
            let room = places.as_mut_slice();
            let band = band_of(first + group);
            let each = band.1 * across;
            for (i, image) in images_of(first + group).enumerate() {
                dispatch(Scatter {
                    image: &x[image * from..][..from],
                    size: d.from,
                    channels: inputs,
                    before: d.before,
                    band,
                    room,
                    points: &mut points_in[i * each * deep_in..],
                    stride: stride_in,
                });
                dispatch(ScatterGradient(Scatter {
                    image: &dy[image * to..][..to],
                    size: d.to,
                    channels: outputs,
                    before: [0; 2],
                    band,
                    room,
                    points: &mut points_out[i * each * deep_out..],
                    stride: stride_out,
                }));
            }
        });
        let (points_in, points_out) = (points_in.as_slice(), points_out.as_slice());
        parallel::chunks_if(threads, sums.as_mut_slice(), inputs * outputs, |point, sum| {
            for group in 0..groups {
                let tiles = images_of(first + group).len() * band_of(first + group).1 * across;
                let a = &points_in[group * whole_in + point * stride_in..];
                let b = &points_out[group * whole_out + point * stride_out..];
                let a = Left { data: a, row: deep_in, by_columns: true };
                let b = Right { data: b, row: deep_out, panel: PANEL };
                multiply((inputs, outputs, tiles), a, b, Out { data: sum, row: outputs }, true);
            }
        });
    }
    let points = sums.as_slice();
    let chunk = LANES * inputs * WINDOW * WINDOW;
    parallel::chunks_if(threads, dw, chunk, |i, dw| {
        dispatch(FromPoints { points, inputs, outputs, first: i * LANES, dw });
    });
}
