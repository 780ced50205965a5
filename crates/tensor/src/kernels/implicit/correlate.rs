//! A convolution and its adjoint in the image.

use crate::buffer::Buffer;
use crate::kernels::conv::ConvGeometry;
use crate::kernels::finish::Finish;
use crate::kernels::grids::{self, Pass, Source, Strips, Tap};
use crate::kernels::panels::{Left, Out, PANEL, Right, multiply_parts};
use crate::simd::{Isa, Kernel, dispatch};
use crate::{Element, parallel};

/// Places whose sums are kept at once.
const PLACES: usize = PANEL;
/// Output channels whose sums are kept at once: with the places, a part of the first cache.
const OUTPUTS: usize = 64;

/// Images of one task, which need zeros around them only once, and tasks that a batch is cut into at least.
const MOST_TOGETHER: usize = 4;
const FEWEST_TASKS: usize = 16;

/// All that the images of a batch share.
struct Plan {
    source: Source,
    passes: Vec<Pass>,
    inputs: usize,
    outputs: usize,
    to: [usize; 2],
    /// Numbers from a channel's grid to the next.
    stride: usize,
}

/// What the images of a batch share of one pass.
struct Prepared<E: Element> {
    /// `[outputs][taps][inputs]`.
    weight: Buffer<E>,
    /// Numbers from an output's weights to the next.
    row: usize,
    /// Where the grids' places begin that each tap meets.
    starts: Vec<usize>,
    strips: Strips,
}

impl Plan {
    fn new(source: Source, passes: Vec<Pass>, [inputs, outputs]: [usize; 2], to: [usize; 2]) -> Self {
        // The last sums read on behind the grid. An odd number of cache lines puts the grids' places on different ones.
        let stride = ((source.places() + PLACES).div_ceil(16) | 1) * 16;
        Self { source, passes, inputs, outputs, to, stride }
    }

    /// Numbers from an output's weights of a pass to the next; those of rows that fall on the same lines of the cache would push each
    /// other out.
    fn row(&self, pass: &Pass) -> usize {
        ((pass.taps.len() * self.inputs).div_ceil(16) | 1) * 16
    }

    /// What each pass needs; `at(output, input, element)` says where a number of the weight lies.
    fn prepare<E: Element>(&self, w: &[E], at: impl Fn(usize, usize, usize) -> usize + Sync) -> Vec<Prepared<E>> {
        let across = self.source.grid[1];
        let of = |pass: &Pass| {
            let row = self.row(pass);
            let mut packed = Buffer::scratch(self.outputs * row);
            parallel::chunks_if(parallel::pays(w.len()), packed.as_mut_slice(), row, |output, row| {
                for (tap, row) in pass.taps.iter().zip(row.chunks_exact_mut(self.inputs)) {
                    row.iter_mut().enumerate().for_each(|(input, to)| *to = w[at(output, input, tap.weight)]);
                }
            });
            let start = |tap: &Tap| tap.phase * self.inputs * self.stride + tap.at;
            Prepared {
                weight: packed,
                row,
                starts: pass.taps.iter().map(start).collect(),
                strips: Strips::new(pass, PLACES, across, self.to[1]),
            }
        };
        self.passes.iter().map(of).collect()
    }

    fn run<E: Element>(&self, x: &[E], passes: &[Prepared<E>], finish: Finish<'_, E>, y: &mut [E]) {
        let (from, to) =
            (self.inputs * self.source.size[0] * self.source.size[1], self.outputs * self.to[0] * self.to[1]);
        if to == 0 {
            return;
        }
        let images = y.len() / to;
        let together = (images / FEWEST_TASKS).clamp(1, MOST_TOGETHER);
        parallel::chunks_if(rayon::current_num_threads() > 1, y, together * to, |block, y| {
            let mut grids = Buffer::scratch(self.source.phases.len() * self.inputs * self.stride);
            let grids = grids.as_mut_slice();
            let mut room = Buffer::scratch(OUTPUTS * PLACES);
            for (i, y) in y.chunks_exact_mut(to).enumerate() {
                let image = block * together + i;
                dispatch(Fill { plan: self, x: &x[image * from..][..from], again: i > 0, grids });
                for pass in passes {
                    self.pass(pass, grids, finish.bias, room.as_mut_slice(), y);
                }
                if finish.more() {
                    finish.from(image * to).rest(y);
                }
            }
        });
    }

    fn pass<E: Element>(&self, pass: &Prepared<E>, grids: &[E], bias: Option<&[E]>, room: &mut [E], y: &mut [E]) {
        let area = self.to[0] * self.to[1];
        let Prepared { weight, row, starts, strips } = pass;
        let weight = weight.as_slice();
        for (number, strip) in strips.all.iter().enumerate() {
            for first in (0..self.outputs).step_by(OUTPUTS) {
                let outputs = OUTPUTS.min(self.outputs - first);
                let left = Left { data: &weight[first * row..], row: *row, by_columns: false };
                let right = Right { data: &grids[strip.place..], row: self.stride, panel: PANEL };
                let out = Out { data: &mut *room, row: PLACES };
                multiply_parts((outputs, strip.len, self.inputs), left, (right, starts), out);
                let bias = bias.map(|bias| &bias[first..]);
                let y = &mut y[first * area..][..outputs * area];
                dispatch(Empty { strips, number, room, bias, area, y });
            }
        }
    }
}

/// An image onto its grids.
struct Fill<'a, E> {
    plan: &'a Plan,
    x: &'a [E],
    /// Whether the grids have been filled from another image before.
    again: bool,
    grids: &'a mut [E],
}

impl<E: Element> Kernel for Fill<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let Self { plan, x, again, grids } = self;
        let area = plan.source.size[0] * plan.source.size[1];
        for (number, grid) in grids.chunks_exact_mut(plan.stride).enumerate() {
            let (phase, x) = (plan.source.phases[number / plan.inputs], &x[number % plan.inputs * area..][..area]);
            plan.source.fill(
                phase,
                again,
                grid,
                #[inline(always)]
                |to, from, step| grids::copy(&x[from..], step, to),
            );
        }
    }
}

/// Sums of some places from the room to the outputs.
struct Empty<'a, E> {
    strips: &'a Strips,
    number: usize,
    room: &'a [E],
    bias: Option<&'a [E]>,
    area: usize,
    y: &'a mut [E],
}

impl<E: Element> Kernel for Empty<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let Self { strips, number, room, bias, area, y } = self;
        let strip = &strips.all[number];
        for (r, (y, sums)) in y.chunks_exact_mut(area).zip(room.chunks_exact(PLACES)).enumerate() {
            let bias = bias.map_or(E::ZERO, |bias| bias[r]);
            for run in &strips.runs[strip.runs.clone()] {
                let sums = &sums[run.from..][..run.len];
                if strips.step == 1 {
                    y[run.to..][..run.len].iter_mut().zip(sums).for_each(|(y, &sum)| *y = sum + bias);
                } else {
                    let y = y[run.to..].iter_mut().step_by(strips.step);
                    y.zip(sums).for_each(|(y, &sum)| *y = sum + bias);
                }
            }
        }
    }
}

/// The outputs of a convolution without groups.
///
/// # Panics
/// If a slice is too short.
pub(in crate::kernels) fn convolve<E: Element>(g: &ConvGeometry, x: &[E], w: &[E], finish: Finish<'_, E>, y: &mut [E]) {
    let (source, pass) = grids::forward(g);
    let plan = Plan::new(source, vec![pass], g.channels, g.output);
    let (inputs, window) = (g.channels[0], g.kernel[0] * g.kernel[1]);
    let passes = plan.prepare(w, |output, input, element| (output * inputs + input) * window + element);
    plan.run(x, &passes, finish, y);
}

/// The adjoint in the image.
///
/// # Panics
/// If a slice is too short.
pub(in crate::kernels) fn adjoint<E: Element>(g: &ConvGeometry, dy: &[E], w: &[E], dx: &mut [E]) {
    let (source, passes) = grids::adjoint(g);
    let [inner, outer] = g.channels;
    let plan = Plan::new(source, passes, [outer, inner], g.input);
    let window = g.kernel[0] * g.kernel[1];
    let passes = plan.prepare(w, |output, input, element| (input * inner + output) * window + element);
    plan.run(dy, &passes, Finish::bias(None), dx);
}
