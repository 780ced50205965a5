//! A convolution's adjoint in the weight: sums over the places of the grid, 32 at a step.
//!
//! Rows of the left side are output channels, columns of the right side are input channels; the places of several images follow
//! each other. An element of the window moves the left side, whose rows are places; the right side has pairs of places as rows.

use super::half::{halves, narrow, turn};
use super::tiles::{DEEP, ROW, SIDE, Shaped, Sum, sum_of};
use crate::buffer::Buffer;
use crate::kernels::conv::ConvGeometry;
use crate::kernels::grids::{self, Pass, Source};
use crate::parallel;
use crate::simd::{Isa, Kernel, dispatch};
use std::ops::Range;

/// Bytes of both sides that are worked on at once: a part of the second cache.
const AT_ONCE: usize = 768 << 10;
/// The most parts that the sum is cut into, and the most numbers that these hold together.
const MOST_PARTS: usize = 8;
const PARTS_LEN: usize = 1 << 22;

/// How the sum is made.
struct Plan {
    source: Source,
    pass: Pass,
    inputs: usize,
    outputs: usize,
    to: [usize; 2],
    /// Channels filled up to whole tiles.
    wide: usize,
    high: usize,
    /// Images of one sum, and places of so many of them.
    together: usize,
    places: usize,
    /// The farthest element of the window.
    farthest: usize,
    /// Halves from an output channel's places to the next.
    row: usize,
}

impl Plan {
    fn new(g: &ConvGeometry, most: usize) -> Self {
        let (source, pass) = grids::forward(g);
        let [inputs, outputs] = g.channels;
        let (wide, high) = (inputs.next_multiple_of(SIDE), outputs.next_multiple_of(SIDE));
        let image = source.places() * (source.phases.len() * wide + high) * size_of::<u16>();
        let together = (AT_ONCE / image).clamp(1, most);
        let places = (together * source.places()).next_multiple_of(DEEP);
        let farthest = pass.taps.iter().map(|tap| tap.at).max().unwrap_or(0);
        let row = ((farthest + places).div_ceil(DEEP) | 1) * DEEP;
        Self { source, pass, inputs, outputs, to: g.output, wide, high, together, places, farthest, row }
    }

    /// Numbers of one part of the sum: `[elements][high][wide]`.
    fn len(&self) -> usize {
        self.pass.taps.len() * self.high * self.wide
    }
}

/// The sum over some images.
struct Part<'a> {
    plan: &'a Plan,
    images: Range<usize>,
    x: &'a [f32],
    dy: &'a [f32],
    /// Room for 16 input channels, for all of them turned, and for the output channels.
    channels: &'a mut [u32],
    turned: &'a mut [u32],
    left: &'a mut [u32],
    steps: &'a [[isize; 2]],
    sum: &'a mut [f32],
}

impl Kernel for Part<'_> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(mut self) {
        let shaped = Shaped::new(DEEP);
        let Range { start, end } = self.images;
        for first in (start..end).step_by(self.plan.together) {
            let images = first..(first + self.plan.together).min(end);
            self.fill_right::<I>(&shaped, images.clone());
            self.fill_left(&shaped, images);
            self.add(&shaped, first > start);
        }
    }
}

impl Part<'_> {
    /// Input channels: `[phases][places / 2][wide]` pairs of places.
    #[inline(always)]
    fn fill_right<I: Isa>(&mut self, shaped: &Shaped, images: Range<usize>) {
        let plan = self.plan;
        let (area, grid) = (plan.source.size[0] * plan.source.size[1], plan.source.places());
        for (phase, turned) in self.turned.chunks_exact_mut(plan.places / 2 * plan.wide).enumerate() {
            for first in (0..plan.wide).step_by(SIDE) {
                let channels = halves(self.channels);
                for (c, places) in channels.chunks_exact_mut(plan.places).enumerate() {
                    if first + c >= plan.inputs {
                        places.fill(0);
                        continue;
                    }
                    let mut filled = 0;
                    for (image, places) in images.clone().zip(places.chunks_exact_mut(grid)) {
                        let x = &self.x[(image * plan.inputs + first + c) * area..][..area];
                        plan.source.fill(
                            plan.source.phases[phase],
                            false,
                            places,
                            #[inline(always)]
                            |to, from, step| put(shaped, x, to, from, step),
                        );
                        filled += grid;
                    }
                    places[filled..].fill(0);
                }
                for place in (0..plan.places / 2).step_by(SIDE) {
                    let to = &mut turned[place * plan.wide + first..];
                    turn::<I>(&self.channels[place..], plan.places / 2, to, plan.wide);
                }
            }
        }
    }

    /// Output channels: `[high][row]` halves, as many zeros first as the farthest element of the window needs.
    #[inline(always)]
    fn fill_left(&mut self, shaped: &Shaped, images: Range<usize>) {
        let plan = self.plan;
        let (area, grid, across) = (plan.to[0] * plan.to[1], plan.source.places(), plan.source.grid[1]);
        for (c, row) in halves(self.left).chunks_exact_mut(plan.row).enumerate() {
            if c >= plan.outputs {
                row.fill(0);
                continue;
            }
            let (before, places) = row.split_at_mut(plan.farthest);
            before.fill(0);
            let mut filled = 0;
            for (image, places) in images.clone().zip(places.chunks_exact_mut(grid)) {
                let dy = &self.dy[(image * plan.outputs + c) * area..][..area];
                let (inner, outer) = places.split_at_mut(plan.to[0] * across);
                for (to, dy) in inner.chunks_exact_mut(across).zip(dy.chunks_exact(plan.to[1])) {
                    let (to, rest) = to.split_at_mut(dy.len());
                    narrow(shaped, dy, to);
                    rest.fill(0);
                }
                outer.fill(0);
                filled += grid;
            }
            places[filled..].fill(0);
        }
    }

    #[inline(always)]
    fn add(&mut self, shaped: &Shaped, add: bool) {
        let plan = self.plan;
        let ends = self.steps.as_ptr_range();
        for output in (0..plan.high).step_by(2 * SIDE) {
            for input in (0..plan.wide).step_by(2 * SIDE) {
                let tiles = |n: usize| (n / SIDE).min(2);
                for (number, tap) in plan.pass.taps.iter().enumerate() {
                    let left = output * plan.row + plan.farthest - tap.at;
                    let right = tap.phase * (plan.places / 2) * plan.wide + input;
                    let at = (number * plan.high + output) * plan.wide + input;
                    let sums = self.sum[at..].as_mut_ptr();
                    let sum = Sum {
                        a: halves(self.left)[left..].as_ptr().cast(),
                        b: self.turned[right..].as_ptr().cast(),
                        a_row: plan.row * size_of::<u16>(),
                        b_row: plan.wide * size_of::<u32>(),
                        a_next: SIDE * plan.row * size_of::<u16>(),
                        steps: ends.start,
                        end: ends.end,
                        c: sums,
                        c_row: plan.wide * size_of::<f32>(),
                        c_next: sums.wrapping_add(SIDE * plan.wide),
                        add: usize::from(add),
                        b_next: ROW as isize,
                    };
                    // SAFETY: a row of the left side has `farthest` halves and then all places, of which the steps take 32 at a
                    // time, and `tap.at` is at most `farthest`; the right side has half as many rows of `wide` pairs; the sums
                    // have `wide` numbers for each of `high` rows.
                    unsafe { sum_of(shaped, (tiles(plan.high - output), tiles(plan.wide - input)), &sum) };
                }
            }
        }
    }
}

#[inline(always)]
fn put(shaped: &Shaped, x: &[f32], to: &mut [u16], from: usize, step: usize) {
    if step == 1 {
        narrow(shaped, &x[from..], to);
    } else {
        for (to, &x) in to.iter_mut().zip(x[from..].iter().step_by(step)) {
            *to = super::half::half(x) as u16;
        }
    }
}

/// The sum over images and places of output times window, into `dw`; without groups.
///
/// Summed in parts of consecutive images, whose number follows from the sizes; then part by part.
///
/// # Panics
/// If a slice is too short.
pub(in crate::kernels) fn gradient(g: &ConvGeometry, x: &[f32], dy: &[f32], dw: &mut [f32]) {
    let images = dy.len() / (g.channels[1] * g.output[0] * g.output[1]);
    let parts = (PARTS_LEN / dw.len()).clamp(1, MOST_PARTS).min(images);
    let each = images.div_ceil(parts);
    let parts = images.div_ceil(each);
    let plan = Plan::new(g, each);
    let steps: Vec<[isize; 2]> = (0..plan.places / DEEP)
        .map(|s| [(s * ROW) as isize, (s * SIDE * plan.wide * size_of::<u32>()) as isize])
        .collect();
    let mut sums = Buffer::scratch(parts * plan.len());
    let threads = rayon::current_num_threads() > 1;
    parallel::chunks_if(threads, sums.as_mut_slice(), plan.len(), |part, sum| {
        let mut channels = Buffer::scratch(SIDE * plan.places / 2);
        let mut turned = Buffer::scratch(plan.source.phases.len() * plan.places / 2 * plan.wide);
        let mut left = Buffer::scratch(plan.high * plan.row / 2);
        dispatch(Part {
            plan: &plan,
            images: part * each..((part + 1) * each).min(images),
            x,
            dy,
            channels: channels.as_mut_slice(),
            turned: turned.as_mut_slice(),
            left: left.as_mut_slice(),
            steps: &steps,
            sum,
        });
    });
    let (sums, elements) = (sums.as_slice(), plan.pass.taps.len());
    parallel::chunks_if(threads, dw, plan.inputs * elements, |output, dw| {
        for (number, tap) in plan.pass.taps.iter().enumerate() {
            for (input, dw) in dw.iter_mut().skip(tap.weight).step_by(elements).enumerate() {
                let at = (number * plan.high + output) * plan.wide + input;
                *dw = sums[at..].iter().step_by(plan.len()).sum();
            }
        }
    });
}
