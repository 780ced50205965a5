//! Where the numbers of an image lie for a convolution without columns, and which of them each element of a window meets.
//!
//! An image is brought onto a grid with zeros around it, one for each phase of the stride; each element of a window is a distance on
//! the grid. Places that follow each other on the grid are the columns of the products, those at the grid's edge in vain.

use super::conv::ConvGeometry;
use std::ops::Range;

/// The grids of one side of a convolution.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// Rows and columns of the image.
    pub(super) size: [usize; 2],
    step: [usize; 2],
    before: [usize; 2],
    /// Place (i, j) of a grid is pixel (i step + phase - before).
    pub(super) phases: Vec<[usize; 2]>,
    /// Rows and columns.
    pub(super) grid: [usize; 2],
}

impl Source {
    /// Places of a grid.
    pub(super) fn places(&self) -> usize {
        self.grid[0] * self.grid[1]
    }

    /// The places along an axis whose pixels are inside the image, and the pixel of the first one.
    fn inside(&self, axis: usize, phase: usize) -> (Range<usize>, usize) {
        let (step, before, size) = (self.step[axis], self.before[axis], self.size[axis]);
        let first = before.saturating_sub(phase).div_ceil(step);
        let end = match (size + before).checked_sub(phase + 1) {
            Some(last) => (last / step + 1).min(self.grid[axis]),
            None => 0,
        };
        (first.min(end)..end, (first * step + phase).saturating_sub(before))
    }

    /// Brings one channel, or what stands for one, onto a grid: `put(row of the grid, pixels, step)` for its inner part,
    /// and zeros around it, which may be `there` already.
    #[inline(always)]
    pub(super) fn fill<T: Copy + Default>(
        &self,
        phase: [usize; 2],
        there: bool,
        grid: &mut [T],
        mut put: impl FnMut(&mut [T], usize, usize),
    ) {
        let across = self.grid[1];
        let (rows, first_row) = self.inside(0, phase[0]);
        let (columns, first_column) = self.inside(1, phase[1]);
        for (i, row) in grid.chunks_exact_mut(across).take(self.grid[0]).enumerate() {
            // Where a step goes over the whole image, a row has no pixel on some phase's grid.
            if !rows.contains(&i) || columns.is_empty() {
                if !there {
                    row.fill(T::default());
                }
                continue;
            }
            let pixel = (first_row + (i - rows.start) * self.step[0]) * self.size[1] + first_column;
            put(&mut row[columns.clone()], pixel, self.step[1]);
            if !there {
                row[..columns.start].fill(T::default());
                row[columns.end..].fill(T::default());
            }
        }
    }
}

/// Places of a grid of a convolution's input.
pub(super) fn places(g: &ConvGeometry) -> usize {
    let o = &g.options;
    let reach = [0, 1].map(|a| (g.kernel[a] - 1).saturating_mul(o.dilation[a]) / o.stride[a]);
    g.output[0].saturating_add(reach[0]).saturating_mul(g.output[1].saturating_add(reach[1]))
}

/// `to[i] = from[i step]`.
#[inline(always)]
pub(super) fn copy<E: Copy>(from: &[E], step: usize, to: &mut [E]) {
    match step {
        1 => to.iter_mut().zip(from).for_each(|(to, &x)| *to = x),
        2 => {
            let (twos, last) = from.as_chunks::<2>();
            to.iter_mut().zip(twos).for_each(|(to, two)| *to = two[0]);
            if let (Some(to), [x]) = (to.get_mut(twos.len()), last) {
                *to = *x;
            }
        }
        _ => to.iter_mut().zip(from.iter().step_by(step)).for_each(|(to, &x)| *to = x),
    }
}

/// An element of the window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tap {
    /// Its number in the weight.
    pub(super) weight: usize,
    pub(super) phase: usize,
    /// Its distance on the grid.
    pub(super) at: usize,
}

/// Outputs that meet the grids in the same way: all of a convolution's, or one phase of its adjoint's.
#[derive(Clone, Debug)]
pub(super) struct Pass {
    pub(super) taps: Vec<Tap>,
    /// How many rows and columns, the first, and how far apart.
    pub(super) size: [usize; 2],
    pub(super) first: [usize; 2],
    pub(super) step: [usize; 2],
}

/// The grids of a convolution's input, and its outputs.
pub(super) fn forward(g: &ConvGeometry) -> (Source, Pass) {
    let o = &g.options;
    let ahead = |a: usize, k: usize| (k * o.dilation[a] % o.stride[a], k * o.dilation[a] / o.stride[a]);
    let grid = [0, 1].map(|a| g.output[a] + ahead(a, g.kernel[a] - 1).1);
    let mut phases = Vec::new();
    let mut taps = Vec::new();
    for k in 0..g.kernel[0] {
        for l in 0..g.kernel[1] {
            let ((down, i), (across, j)) = (ahead(0, k), ahead(1, l));
            let phase = phases.iter().position(|&p| p == [down, across]).unwrap_or_else(|| {
                phases.push([down, across]);
                phases.len() - 1
            });
            taps.push(Tap { weight: k * g.kernel[1] + l, phase, at: i * grid[1] + j });
        }
    }
    let before = [o.padding[0].0, o.padding[1].0];
    let source = Source { size: g.input, step: o.stride, before, phases, grid };
    (source, Pass { taps, size: g.output, first: [0; 2], step: [1; 2] })
}

/// The grid of a convolution's output, and the phases of its input.
pub(super) fn adjoint(g: &ConvGeometry) -> (Source, Vec<Pass>) {
    let o = &g.options;
    // Input q stride + r meets output q + (r + padding - k dilation) / stride in element k, where that is whole.
    let whole = |a: usize, r: usize, k: usize| {
        let ahead = (r + o.padding[a].0) as isize - (k * o.dilation[a]) as isize;
        (ahead.rem_euclid(o.stride[a] as isize) == 0).then_some(ahead.div_euclid(o.stride[a] as isize))
    };
    let reach = [0, 1].map(|a| {
        let phases = 0..o.stride[a].min(g.input[a]);
        let all = phases.flat_map(|r| (0..g.kernel[a]).filter_map(move |k| Some((r, whole(a, r, k)?))));
        let size = |r: usize| (g.input[a] - r).div_ceil(o.stride[a]) as isize;
        let ends = all.fold((0, 0), |(low, high): (isize, isize), (r, e)| (low.min(e), high.max(e + size(r))));
        (-ends.0, ends.1)
    });
    let before = reach.map(|(before, _)| before as usize);
    let grid = [0, 1].map(|a| ((reach[a].1 as usize) + before[a]).max(1));
    let source = Source { size: g.output, step: [1; 2], before, phases: vec![[0; 2]], grid };
    let mut passes = Vec::new();
    for r in 0..o.stride[0].min(g.input[0]) {
        for s in 0..o.stride[1].min(g.input[1]) {
            let mut taps = Vec::new();
            for k in 0..g.kernel[0] {
                for l in 0..g.kernel[1] {
                    if let (Some(i), Some(j)) = (whole(0, r, k), whole(1, s, l)) {
                        let (i, j) = ((i + reach[0].0) as usize, (j + reach[1].0) as usize);
                        taps.push(Tap { weight: k * g.kernel[1] + l, phase: 0, at: i * grid[1] + j });
                    }
                }
            }
            let size = [(g.input[0] - r).div_ceil(o.stride[0]), (g.input[1] - s).div_ceil(o.stride[1])];
            passes.push(Pass { taps, size, first: [r, s], step: o.stride });
        }
    }
    (source, passes)
}

/// Neighbouring places of the grid, as many as one sum takes.
pub(super) struct Strip {
    pub(super) place: usize,
    pub(super) len: usize,
    /// Where the outputs go, if all of the places are outputs and neighbours of each other.
    pub(super) whole: Option<usize>,
    /// The outputs among the places otherwise.
    pub(super) runs: Range<usize>,
}

/// Neighbouring places that are outputs.
pub(super) struct Run {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) len: usize,
}

/// All places of a pass that are outputs.
pub(super) struct Strips {
    pub(super) all: Vec<Strip>,
    pub(super) runs: Vec<Run>,
    /// From an output to its neighbour.
    pub(super) step: usize,
}

impl Strips {
    /// Of so many places each, for outputs in images so `wide`, on a grid so far `across`.
    pub(super) fn new(pass: &Pass, places: usize, across: usize, wide: usize) -> Self {
        let [rows, columns] = pass.size;
        let last = (rows - 1) * across + columns;
        // Row by row where that takes fewer tiles than running on over the edge of the grid.
        let by_rows = rows * columns.div_ceil(places) <= last.div_ceil(places);
        let mut strips = Self { all: Vec::new(), runs: Vec::new(), step: pass.step[1] };
        for row in 0..if by_rows { rows } else { 1 } {
            let all = if by_rows { row * across..row * across + columns } else { 0..last };
            for place in all.clone().step_by(places) {
                strips.add(pass, place..(place + places).min(all.end), across, wide);
            }
        }
        strips
    }

    fn add(&mut self, pass: &Pass, places: Range<usize>, across: usize, wide: usize) {
        let (mut at, first) = (places.start, self.runs.len());
        while at < places.end {
            let (i, j) = (at / across, at % across);
            let end = (at + across - j).min(places.end);
            if j < pass.size[1] {
                let len = (pass.size[1] - j).min(end - at);
                let to = (pass.first[0] + i * pass.step[0]) * wide + pass.first[1] + j * pass.step[1];
                self.runs.push(Run { from: at - places.start, to, len });
            }
            at = end;
        }
        let whole = match &self.runs[first..] {
            [run] if run.len == places.len() && self.step == 1 => Some(run.to),
            _ => None,
        };
        self.all.push(Strip { place: places.start, len: places.len(), whole, runs: first..self.runs.len() });
    }
}

/// Draws for tests, of every kind of geometry without groups, each with some numbers of images; up to `low + 69` channels.
#[cfg(test)]
pub(super) fn draws(seed: u64, low: usize, algorithm: super::conv::Algorithm) -> Vec<(ConvGeometry, usize)> {
    let mut rng = crate::Rng::new(seed);
    let mut all = Vec::new();
    while all.len() < 80 {
        let two = |rng: &mut crate::Rng, low: usize, n| [low + rng.below(n), low + rng.below(n)];
        let (before, after) = (two(&mut rng, 0, 4), two(&mut rng, 0, 4));
        let options = super::conv::ConvOptions {
            stride: two(&mut rng, 1, 5),
            dilation: two(&mut rng, 1, 2),
            padding: [(before[0], after[0]), (before[1], after[1])],
            algorithm,
            ..super::conv::ConvOptions::default()
        };
        let ([i, o], kernel, size) = (two(&mut rng, low, 70), two(&mut rng, 1, 4), two(&mut rng, 1, 14));
        let geometry = options.geometry(&[1, i, size[0], size[1]], &[o, i, kernel[0], kernel[1]]);
        all.extend(geometry.ok().map(|g| (g, 2 + rng.below(4))));
    }
    all
}
