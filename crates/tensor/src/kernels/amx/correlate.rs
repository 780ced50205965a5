//! A convolution and its adjoint in the image, as products of tiles: no windows are laid out.
//!
//! Rows of the left side are output channels, columns of the right side are neighbouring places of the grid, and the sums run over
//! the elements of the window and pairs of input channels.

use super::half::{interleave, pair, put};
use super::tiles::{DEEP, ROW, SIDE, Shaped, Sum, TILE, sum_of};
use crate::buffer::Buffer;
use crate::kernels::conv::ConvGeometry;
use crate::kernels::grids::{self, Pass, Source, Strips};
use crate::parallel;
use crate::simd::{Isa, Kernel, dispatch};

/// Places, and output channels, of which the sums are kept at once.
const BLOCK: usize = 2 * SIDE;
/// Pairs in a row of a packed tile.
const PAIRS: usize = ROW / size_of::<u32>();

/// All that the images of a batch share.
struct Plan {
    source: Source,
    passes: Vec<Pass>,
    inputs: usize,
    outputs: usize,
    to: [usize; 2],
    /// Input channels of one step, and steps that all of them take.
    deep: usize,
    times: usize,
    /// Pairs from a channel's grid to the next.
    stride: usize,
}

impl Plan {
    fn new(source: Source, passes: Vec<Pass>, [inputs, outputs]: [usize; 2], to: [usize; 2]) -> Self {
        let times = inputs.div_ceil(DEEP);
        let deep = inputs.div_ceil(times).next_multiple_of(2);
        // The last block reads on behind the grid. An odd number of cache lines puts the rows of a tile on different ones.
        let stride = ((source.places() + BLOCK).div_ceil(SIDE) | 1) * SIDE;
        Self { source, passes, inputs, outputs, to, deep, times, stride }
    }

    fn pairs(&self) -> usize {
        self.times * self.deep / 2
    }

    fn steps(&self, pass: &Pass) -> usize {
        pass.taps.len() * self.times
    }

    /// Tiles of the weight before those of a pass.
    fn tiles_before(&self, pass: usize) -> usize {
        let down = self.outputs.div_ceil(SIDE);
        self.passes[..pass].iter().map(|p| down * self.steps(p)).sum()
    }

    /// The weight in tiles, `[pass][outputs / 16][step][16][32]`; `at(output, input, element)` says where a number lies.
    fn pack(&self, w: &[f32], at: impl Fn(usize, usize, usize) -> usize + Sync) -> Buffer<u32> {
        let mut packed = Buffer::scratch(self.tiles_before(self.passes.len()) * TILE / size_of::<u32>());
        let mut rest = packed.as_mut_slice();
        for pass in &self.passes {
            let row = self.steps(pass) * SIDE * PAIRS;
            let (tiles, later) = rest.split_at_mut(self.outputs.div_ceil(SIDE) * row);
            rest = later;
            if row == 0 {
                continue;
            }
            parallel::chunks_if(parallel::pays(tiles.len()), tiles, row, |block, tiles| {
                for (step, tile) in tiles.chunks_exact_mut(SIDE * PAIRS).enumerate() {
                    let (tap, first) = (pass.taps[step / self.times], step % self.times * self.deep);
                    for (r, row) in tile.chunks_exact_mut(PAIRS).enumerate() {
                        let output = block * SIDE + r;
                        let number = |input: usize| {
                            let there = output < self.outputs && input < self.inputs.min(first + self.deep);
                            if there { w[at(output, input, tap.weight)] } else { 0.0 }
                        };
                        for (p, to) in row.iter_mut().enumerate() {
                            *to = pair(number(first + 2 * p), number(first + 2 * p + 1));
                        }
                    }
                }
            });
        }
        packed
    }

    fn run(&self, x: &[f32], weight: &Buffer<u32>, bias: Option<&[f32]>, y: &mut [f32]) {
        let (from, to) =
            (self.inputs * self.source.size[0] * self.source.size[1], self.outputs * self.to[0] * self.to[1]);
        if to == 0 {
            return;
        }
        let steps: Vec<Vec<[isize; 2]>> = self.passes.iter().map(|pass| self.table(pass)).collect();
        let across = self.source.grid[1];
        let strips: Vec<Strips> = self.passes.iter().map(|pass| Strips::new(pass, SIDE, across, self.to[1])).collect();
        parallel::chunks_if(rayon::current_num_threads() > 1, y, to, |i, y| {
            let mut grids = Buffer::scratch(self.source.phases.len() * self.pairs() * self.stride);
            let (grids, x) = (grids.as_mut_slice(), &x[i * from..][..from]);
            dispatch(OneImage {
                plan: self,
                steps: &steps,
                strips: &strips,
                weight: weight.as_slice(),
                bias,
                x,
                grids,
                y,
            });
        });
    }

    /// Where the operands of every step lie, in bytes.
    fn table(&self, pass: &Pass) -> Vec<[isize; 2]> {
        let mut table = Vec::with_capacity(self.steps(pass));
        for tap in &pass.taps {
            for time in 0..self.times {
                let grid = tap.phase * self.pairs() + time * self.deep / 2;
                let right = (grid * self.stride + tap.at) * size_of::<u32>();
                table.push([(table.len() * TILE) as isize, right as isize]);
            }
        }
        table
    }
}

struct OneImage<'a> {
    plan: &'a Plan,
    steps: &'a [Vec<[isize; 2]>],
    strips: &'a [Strips],
    weight: &'a [u32],
    bias: Option<&'a [f32]>,
    x: &'a [f32],
    grids: &'a mut [u32],
    y: &'a mut [f32],
}

impl Kernel for OneImage<'_> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(mut self) {
        let shaped = Shaped::new(self.plan.deep);
        self.fill(&shaped);
        for (number, strips) in self.strips.iter().enumerate() {
            self.pass(&shaped, number, strips);
        }
    }
}

impl OneImage<'_> {
    /// Pairs of channels onto the grids.
    #[inline(always)]
    fn fill(&mut self, shaped: &Shaped) {
        let plan = self.plan;
        let area = plan.source.size[0] * plan.source.size[1];
        for (number, grid) in self.grids.chunks_exact_mut(plan.stride).enumerate() {
            let (phase, first) = (plan.source.phases[number / plan.pairs()], number % plan.pairs() * 2);
            let channel = |c: usize| (c < plan.inputs).then(|| &self.x[c * area..][..area]);
            let (a, b) = (channel(first), channel(first + 1));
            plan.source.fill(
                phase,
                false,
                grid,
                #[inline(always)]
                |to, from, step| match (a, b) {
                    (Some(a), Some(b)) if step == 1 => interleave(shaped, &a[from..], &b[from..], to),
                    (Some(a), Some(b)) => {
                        let (a, b) = (a[from..].iter().step_by(step), b[from..].iter().step_by(step));
                        to.iter_mut().zip(a.zip(b)).for_each(|(to, (&a, &b))| *to = pair(a, b));
                    }
                    (Some(a), None) => {
                        to.iter_mut().zip(a[from..].iter().step_by(step)).for_each(|(to, &a)| *to = pair(a, 0.0));
                    }
                    _ => to.fill(0),
                },
            );
        }
    }

    #[inline(always)]
    fn pass(&mut self, shaped: &Shaped, number: usize, strips: &Strips) {
        let (plan, steps) = (self.plan, &self.steps[number]);
        let area = plan.to[0] * plan.to[1];
        let mut room = Room([0.0; BLOCK * BLOCK]);
        let ends = steps.as_ptr_range();
        for two in strips.all.chunks(2) {
            let place = two[0].place;
            let next = two.last().map_or(0, |second| second.place as isize - place as isize);
            for output in (0..plan.outputs).step_by(BLOCK) {
                let some = (plan.outputs - output).min(BLOCK);
                let tile = plan.tiles_before(number) + output / SIDE * steps.len();
                let sums = room.0.as_mut_ptr();
                let sum = Sum {
                    a: self.weight[tile * SIDE * PAIRS..].as_ptr().cast(),
                    b: self.grids[place..].as_ptr().cast(),
                    a_row: ROW,
                    b_row: plan.stride * size_of::<u32>(),
                    a_next: steps.len() * TILE,
                    steps: ends.start,
                    end: ends.end,
                    c: sums,
                    c_row: BLOCK * size_of::<f32>(),
                    c_next: sums.wrapping_add(SIDE * BLOCK),
                    add: 0,
                    b_next: next * size_of::<u32>() as isize,
                };
                // SAFETY: the weight holds `steps` tiles for each 16 outputs; the grids hold a row of `stride` for every pair of
                // channels, which is 32 longer than the grid, and place + distance of an output are inside it; the room is
                // 32 x 32.
                unsafe { sum_of(shaped, (some.div_ceil(SIDE), two.len()), &sum) };
                for (r, sums) in room.0.chunks_exact(BLOCK).take(some).enumerate() {
                    let bias = self.bias.map_or(0.0, |bias| bias[output + r]);
                    let y = &mut self.y[(output + r) * area..][..area];
                    for (strip, sums) in two.iter().zip(sums.as_chunks::<SIDE>().0) {
                        if let Some(to) = strip.whole
                            && strip.len == SIDE
                            && let Some(y) = y[to..].first_chunk_mut()
                        {
                            put(shaped, sums, bias, y);
                            continue;
                        }
                        for run in &strips.runs[strip.runs.clone()] {
                            let (y, sums) = (y[run.to..].iter_mut().step_by(strips.step), &sums[run.from..]);
                            y.take(run.len).zip(sums).for_each(|(y, &sum)| *y = sum + bias);
                        }
                    }
                }
            }
        }
    }
}

#[repr(align(64))]
struct Room([f32; BLOCK * BLOCK]);

/// The outputs of a convolution without groups.
///
/// # Panics
/// If a slice is too short.
pub(in crate::kernels) fn convolve(g: &ConvGeometry, x: &[f32], w: &[f32], bias: Option<&[f32]>, y: &mut [f32]) {
    let (source, pass) = grids::forward(g);
    let plan = Plan::new(source, vec![pass], g.channels, g.output);
    let (inputs, window) = (g.channels[0], g.kernel[0] * g.kernel[1]);
    let weight = plan.pack(w, |output, input, element| (output * inputs + input) * window + element);
    plan.run(x, &weight, bias, y);
}

/// The adjoint in the image.
///
/// # Panics
/// If a slice is too short.
pub(in crate::kernels) fn adjoint(g: &ConvGeometry, dy: &[f32], w: &[f32], dx: &mut [f32]) {
    let (source, passes) = grids::adjoint(g);
    let [inner, outer] = g.channels;
    let plan = Plan::new(source, passes, [outer, inner], g.input);
    let window = g.kernel[0] * g.kernel[1];
    let weight = plan.pack(w, |output, input, element| (input * inner + output) * window + element);
    plan.run(dy, &weight, None, dx);
}
