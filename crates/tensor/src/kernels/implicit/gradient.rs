//! A convolution's adjoint in the weight: for each element of the window a product over the places of the grid.

use crate::buffer::Buffer;
use crate::kernels::conv::ConvGeometry;
use crate::kernels::grids::{self, Pass, Source};
use crate::kernels::panels::{Left, Out, PANEL, READ, Right, multiply};
use crate::kernels::transpose;
use crate::simd::{Isa, Kernel, dispatch};
use crate::{Element, parallel};
use std::ops::Range;

/// Bytes of both sides that are worked on at once: a part of the second cache.
const AT_ONCE: usize = 512 << 10;
/// The most parts that the sum is cut into, and the most numbers that these hold together.
const MOST_PARTS: usize = 8;
const PARTS_LEN: usize = 1 << 22;

struct Plan {
    source: Source,
    pass: Pass,
    inputs: usize,
    outputs: usize,
    to: [usize; 2],
    /// Input channels filled up to what a product reads.
    wide: usize,
    /// Images of one sum, and places of so many of them.
    together: usize,
    places: usize,
    /// The farthest element of the window.
    farthest: usize,
    /// Numbers from an output channel's places to the next.
    row: usize,
}

impl Plan {
    fn new<E>(g: &ConvGeometry, most: usize) -> Self {
        let (source, pass) = grids::forward(g);
        let [inputs, outputs] = g.channels;
        let wide = inputs.next_multiple_of(READ);
        let image = source.places() * (source.phases.len() * wide + outputs) * size_of::<E>();
        let together = (AT_ONCE / image).clamp(1, most);
        let places = (together * source.places()).next_multiple_of(transpose::BLOCK);
        let farthest = pass.taps.iter().map(|tap| tap.at).max().unwrap_or(0);
        let row = ((farthest + places).div_ceil(READ) | 1) * READ;
        Self { source, pass, inputs, outputs, to: g.output, wide, together, places, farthest, row }
    }

    /// Numbers of one part of the sum: `[elements][outputs][inputs]`.
    fn len(&self) -> usize {
        self.pass.taps.len() * self.outputs * self.inputs
    }
}

/// Some images as both sides of the products.
struct Fill<'a, E> {
    plan: &'a Plan,
    images: Range<usize>,
    x: &'a [E],
    dy: &'a [E],
    /// Room for eight input channels.
    channels: &'a mut [E],
    /// Input channels, `[phases][places][wide]`.
    right: &'a mut [E],
    /// Output channels, `[outputs][row]`, as many zeros first as the farthest element of the window needs.
    left: &'a mut [E],
}

impl<E: Element> Kernel for Fill<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let Self { plan, images, x, dy, channels, right, left } = self;
        let (area, grid) = (plan.source.size[0] * plan.source.size[1], plan.source.places());
        let used = images.len() * grid;
        for (phase, right) in right.chunks_exact_mut(plan.places * plan.wide).enumerate() {
            for first in (0..plan.wide).step_by(transpose::BLOCK) {
                for (c, places) in channels.chunks_exact_mut(plan.places).enumerate() {
                    places[used..].fill(E::ZERO);
                    if first + c >= plan.inputs {
                        places.fill(E::ZERO);
                        continue;
                    }
                    for (image, places) in images.clone().zip(places.chunks_exact_mut(grid)) {
                        let x = &x[(image * plan.inputs + first + c) * area..][..area];
                        plan.source.fill(
                            plan.source.phases[phase],
                            false,
                            places,
                            #[inline(always)]
                            |to, from, step| grids::copy(&x[from..], step, to),
                        );
                    }
                }
                for place in (0..plan.places).step_by(transpose::BLOCK) {
                    let to = &mut right[place * plan.wide + first..];
                    transpose::block::<E, I>(&channels[place..], plan.places, to, plan.wide);
                }
            }
        }
        let (area, across) = (plan.to[0] * plan.to[1], plan.source.grid[1]);
        for (c, row) in left.chunks_exact_mut(plan.row).enumerate() {
            let (before, places) = row.split_at_mut(plan.farthest);
            before.fill(E::ZERO);
            places[used..].fill(E::ZERO);
            for (image, places) in images.clone().zip(places.chunks_exact_mut(grid)) {
                let dy = &dy[(image * plan.outputs + c) * area..][..area];
                let (inner, outer) = places.split_at_mut(plan.to[0] * across);
                for (to, dy) in inner.chunks_exact_mut(across).zip(dy.chunks_exact(plan.to[1])) {
                    let (to, rest) = to.split_at_mut(dy.len());
                    grids::copy(dy, 1, to);
                    rest.fill(E::ZERO);
                }
                outer.fill(E::ZERO);
            }
        }
    }
}

/// The sum over images and places of output times window, into `dw`; without groups.
///
/// Summed in parts of consecutive images, whose number follows from the sizes; then part by part.
///
/// # Panics
/// If a slice is too short.
pub(in crate::kernels) fn gradient<E: Element>(g: &ConvGeometry, x: &[E], dy: &[E], dw: &mut [E]) {
    let images = dy.len() / (g.channels[1] * g.output[0] * g.output[1]);
    let parts = (PARTS_LEN / dw.len()).clamp(1, MOST_PARTS).min(images);
    let each = images.div_ceil(parts);
    let parts = images.div_ceil(each);
    let plan = Plan::new::<E>(g, each);
    let mut sums = Buffer::scratch(parts * plan.len());
    let threads = rayon::current_num_threads() > 1;
    parallel::chunks_if(threads, sums.as_mut_slice(), plan.len(), |part, sum| {
        let mut channels = Buffer::scratch(transpose::BLOCK * plan.places);
        let mut right = Buffer::scratch(plan.source.phases.len() * plan.places * plan.wide);
        let mut left = Buffer::scratch(plan.outputs * plan.row);
        let (channels, right, left) = (channels.as_mut_slice(), right.as_mut_slice(), left.as_mut_slice());
        let images = part * each..((part + 1) * each).min(images);
        for first in images.clone().step_by(plan.together) {
            let some = first..(first + plan.together).min(images.end);
            dispatch(Fill { plan: &plan, images: some, x, dy, channels, right, left });
            for (number, tap) in plan.pass.taps.iter().enumerate() {
                let left = Left { data: &left[plan.farthest - tap.at..], row: plan.row, by_columns: false };
                let right = &right[tap.phase * plan.places * plan.wide..];
                let right = Right { data: right, row: plan.wide, panel: PANEL };
                let data = &mut sum[number * plan.outputs * plan.inputs..][..plan.outputs * plan.inputs];
                let sizes = (plan.outputs, plan.inputs, plan.places);
                multiply(sizes, left, right, Out { data, row: plan.inputs }, first > images.start);
            }
        }
    });
    let (sums, elements) = (sums.as_slice(), plan.pass.taps.len());
    parallel::chunks_if(threads, dw, plan.inputs * elements, |output, dw| {
        for (number, tap) in plan.pass.taps.iter().enumerate() {
            for (input, dw) in dw.iter_mut().skip(tap.weight).step_by(elements).enumerate() {
                let at = (number * plan.outputs + output) * plan.inputs + input;
                *dw = sums[at..].iter().step_by(plan.len()).copied().sum();
            }
        }
    });
}
