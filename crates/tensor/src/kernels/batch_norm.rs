//! Batch normalisation of the columns of [rows, channels]: statistics, the pass that applies them, and the way back.
//!
//! Statistics are exact for a large mean: each block of rows is walked twice while the second cache holds it, and blocks
//! are joined by the formula of Chan, Golub and LeVeque, in pairs. A layout [N, C, L] differs only in how a block of
//! rows is walked; the joins and the formulas stay as they are.

use crate::Element;
use crate::buffer::Buffer;
use crate::parallel::{self, pays};
use crate::simd::{Isa, Kernel, dispatch};

/// Channels that one task walks.
const STRIP: usize = 128;
/// Rows that one task walks: with `STRIP` channels half a megabyte of f64.
const ROWS: usize = 512;

/// Two numbers per channel of one strip, over one block of rows.
type Pair<'a, E> = (&'a mut [E], &'a mut [E]);

/// Runs `block(rows, first channel, results)` for every block and strip, joins blocks in pairs with
/// `join(rows of a, rows of b, a, b)` and hands the strips' results to `finish(first channel, results)`.
fn over_blocks<E: Element>(
    rows: usize,
    channels: usize,
    block: impl Fn(std::ops::Range<usize>, usize, Pair<'_, E>) + Sync,
    join: impl Fn(usize, usize, &mut [E], &[E]),
    mut finish: impl FnMut(usize, Pair<'_, E>),
) {
    let (blocks, strips) = (rows.div_ceil(ROWS), channels.div_ceil(STRIP));
    let mut buffer = Buffer::zeros(blocks * strips * 2 * STRIP);
    let results = buffer.as_mut_slice();
    let width = |strip: usize| STRIP.min(channels - strip * STRIP);
    let together = (ROWS / rows.min(ROWS) / 2).max(1);
    parallel::chunks_if(pays(rows * channels), results, together * 2 * STRIP, |group, some| {
        for (i, result) in some.chunks_mut(2 * STRIP).enumerate() {
            let i = group * together + i;
            let (b, strip) = (i / strips, i % strips);
            let (first, second) = result.split_at_mut(STRIP);
            let w = width(strip);
            block(b * ROWS..rows.min((b + 1) * ROWS), strip * STRIP, (&mut first[..w], &mut second[..w]));
        }
    });
    let size = strips * 2 * STRIP;
    let count = |from: usize, blocks: usize| ((from + blocks) * ROWS).min(rows) - from * ROWS;
    let mut step = 1;
    while step < blocks {
        for a in (0..blocks - step).step_by(2 * step) {
            let (low, high) = results.split_at_mut((a + step) * size);
            join(count(a, step), count(a + step, step), &mut low[a * size..][..size], &high[..size]);
        }
        step *= 2;
    }
    if blocks > 0 {
        for (strip, result) in results[..size].chunks_exact_mut(2 * STRIP).enumerate() {
            let (first, second) = result.split_at_mut(STRIP);
            finish(strip * STRIP, (&mut first[..width(strip)], &mut second[..width(strip)]));
        }
    }
}

/// The mean and the biased variance (divided by the number of rows) of every channel; NaN without rows.
///
/// # Panics
/// If lengths do not fit.
#[track_caller]
pub fn statistics<E: Element>(x: &[E], channels: usize, mean: &mut [E], var: &mut [E]) {
    E::batch_norm_statistics(x, channels, mean, var);
}

/// [`statistics`], where it is compiled.
pub(super) fn statistics_here<E: Element>(x: &[E], channels: usize, mean: &mut [E], var: &mut [E]) {
    let rows = check(x.len(), channels, &[mean.len(), var.len()]);
    if rows == 0 {
        mean.fill(E::NAN);
        return var.fill(E::NAN);
    }
    over_blocks(
        rows,
        channels,
        |rows, first, (mean, squares)| dispatch(Moments { x, channels, rows, first, mean, squares }),
        |na, nb, a, b| {
            let (na, nb) = (E::from_usize(na), E::from_usize(nb));
            let n = na + nb;
            for (a, b) in a.chunks_exact_mut(2 * STRIP).zip(b.chunks_exact(2 * STRIP)) {
                let (mean, squares) = a.split_at_mut(STRIP);
                for c in 0..STRIP {
                    let gap = b[c] - mean[c];
                    mean[c] += gap * (nb / n);
                    squares[c] += b[STRIP + c] + gap * gap * (na * (nb / n));
                }
            }
        },
        |first, (means, squares)| {
            mean[first..first + means.len()].copy_from_slice(means);
            for (v, &s) in var[first..].iter_mut().zip(&*squares) {
                *v = s / E::from_usize(rows);
            }
        },
    );
}

#[track_caller]
fn check(len: usize, channels: usize, per_channel: &[usize]) -> usize {
    let rows = len.checked_div(channels).unwrap_or(0);
    let fits = rows * channels == len && per_channel.iter().all(|&n| n == channels);
    assert!(fits, "batch_norm: {len} elements in {channels} channels, with {per_channel:?} numbers per channel");
    rows
}

/// `w` channels from `first` on, of `n`.
#[derive(Clone, Copy)]
struct Strip<'a, E> {
    all: &'a [E],
    n: usize,
    first: usize,
    w: usize,
}

impl<'a, E> Strip<'a, E> {
    #[inline(always)]
    fn row(self, r: usize) -> &'a [E] {
        &self.all[r * self.n + self.first..][..self.w]
    }
}

struct Moments<'a, E> {
    x: &'a [E],
    channels: usize,
    rows: std::ops::Range<usize>,
    first: usize,
    mean: &'a mut [E],
    squares: &'a mut [E],
}

impl<E: Element> Kernel for Moments<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let Moments { x, channels, rows, first, mean, squares } = self;
        let w = mean.len();
        let strip = Strip { all: x, n: channels, first, w };
        let row = |r: usize| strip.row(r);
        let count = E::from_usize(rows.len());
        let fours = rows.start + rows.len() / 4 * 4;
        mean.fill(E::ZERO);
        for r in (rows.start..fours).step_by(4) {
            let (a, b, c, d) = (row(r), row(r + 1), row(r + 2), row(r + 3));
            for j in 0..w {
                mean[j] += (a[j] + b[j]) + (c[j] + d[j]);
            }
        }
        for r in fours..rows.end {
            mean.iter_mut().zip(row(r)).for_each(|(m, &x)| *m += x);
        }
        mean.iter_mut().for_each(|m| *m /= count);
        let mut left = [E::ZERO; STRIP];
        let left = &mut left[..w];
        squares.fill(E::ZERO);
        for r in (rows.start..fours).step_by(4) {
            let (a, b, c, d) = (row(r), row(r + 1), row(r + 2), row(r + 3));
            for j in 0..w {
                let (a, b, c, d) = (a[j] - mean[j], b[j] - mean[j], c[j] - mean[j], d[j] - mean[j]);
                left[j] += (a + b) + (c + d);
                squares[j] += I::mul_add(a, a, b * b) + I::mul_add(c, c, d * d);
            }
        }
        for r in fours..rows.end {
            for (j, &x) in row(r).iter().enumerate() {
                let d = x - mean[j];
                left[j] += d;
                squares[j] += d * d;
            }
        }
        // The mean is rounded; what is left of the deviations corrects both moments.
        for j in 0..w {
            let rest = left[j] / count;
            mean[j] += rest;
            squares[j] = (squares[j] - rest * left[j]).max(E::ZERO);
        }
    }
}

/// `1 / sqrt(var + epsilon)`.
pub fn inverse_std<E: Element>(var: &[E], epsilon: E) -> Vec<E> {
    var.iter().map(|&v| E::ONE / (v + epsilon).sqrt()).collect()
}

struct Apply<'a, E> {
    x: &'a [E],
    mean: &'a [E],
    factor: &'a [E],
    shift: &'a [E],
    out: &'a mut [E],
}

impl<E: Element> Kernel for Apply<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let n = self.mean.len();
        for (out, x) in self.out.chunks_exact_mut(n).zip(self.x.chunks_exact(n)) {
            let (factor, shift) = (&self.factor[..n], &self.shift[..n]);
            for j in 0..n {
                out[j] = I::mul_add(x[j] - self.mean[j], factor[j], shift[j]);
            }
        }
    }
}

/// `out = gamma (x - mean) inv_std + beta`, channel by channel; `None` stands for a gamma of 1 and a beta of 0.
///
/// # Panics
/// If lengths do not fit.
#[track_caller]
pub fn apply<E: Element>(x: &[E], moments: (&[E], &[E]), affine: (Option<&[E]>, Option<&[E]>), out: &mut [E]) {
    E::batch_norm_apply(x, moments, affine, out);
}

/// [`apply`], where it is compiled.
pub(super) fn apply_here<E: Element>(
    x: &[E],
    (mean, inv_std): (&[E], &[E]),
    (gamma, beta): (Option<&[E]>, Option<&[E]>),
    out: &mut [E],
) {
    let n = mean.len();
    check(x.len(), n, &[inv_std.len(), gamma.map_or(n, <[E]>::len), beta.map_or(n, <[E]>::len)]);
    assert!(x.len() == out.len(), "batch_norm: {} elements into {}", x.len(), out.len());
    let (factor, shift) = (factors(inv_std, gamma), beta.map_or_else(|| vec![E::ZERO; n], <[E]>::to_vec));
    parallel::row_blocks(out, n, n, |first, out| {
        let x = &x[first * n..first * n + out.len()];
        dispatch(Apply { x, mean, factor: &factor, shift: &shift, out });
    });
}

fn factors<E: Element>(inv_std: &[E], gamma: Option<&[E]>) -> Vec<E> {
    match gamma {
        Some(gamma) => inv_std.iter().zip(gamma).map(|(&s, &g)| s * g).collect(),
        None => inv_std.to_vec(),
    }
}

/// What the way back needs of the way out.
#[derive(Clone, Copy, Debug)]
pub struct Saved<'a, E> {
    /// The input.
    pub x: &'a [E],
    /// The mean of each channel.
    pub mean: &'a [E],
    /// [`inverse_std`] of each channel.
    pub inv_std: &'a [E],
    /// The factor of each channel, 1 if `None`.
    pub gamma: Option<&'a [E]>,
    /// The output, if a ReLU was fused: where it is not positive, nothing comes back.
    pub relu: Option<&'a [E]>,
}

impl<E: Element> Saved<'_, E> {
    #[track_caller]
    fn check(&self, dy: &[E]) -> usize {
        let n = self.mean.len();
        let rows = check(self.x.len(), n, &[self.inv_std.len(), self.gamma.map_or(n, <[E]>::len)]);
        let fits = dy.len() == self.x.len() && self.relu.is_none_or(|y| y.len() == self.x.len());
        assert!(fits, "batch_norm: {} gradients for {} elements", dy.len(), self.x.len());
        rows
    }
}

struct Sums<'a, E, const RELU: bool> {
    saved: Saved<'a, E>,
    y: &'a [E],
    dy: &'a [E],
    rows: std::ops::Range<usize>,
    first: usize,
    dgamma: &'a mut [E],
    dbeta: &'a mut [E],
}

impl<E: Element, const RELU: bool> Kernel for Sums<'_, E, RELU> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let Sums { saved, y, dy, rows, first, dgamma, dbeta } = self;
        let (n, w) = (saved.mean.len(), dgamma.len());
        let mean = &saved.mean[first..first + w];
        let (x, dy, y) =
            (Strip { all: saved.x, n, first, w }, Strip { all: dy, n, first, w }, Strip { all: y, n, first, w });
        dgamma.fill(E::ZERO);
        dbeta.fill(E::ZERO);
        let pass = |g: E, y: E| if !RELU || y > E::ZERO { g } else { E::ZERO };
        let twos = rows.start + rows.len() / 2 * 2;
        for r in (rows.start..twos).step_by(2) {
            let (x0, x1, g0, g1, y0, y1) = (x.row(r), x.row(r + 1), dy.row(r), dy.row(r + 1), y.row(r), y.row(r + 1));
            for j in 0..w {
                let (a, b) = (pass(g0[j], y0[j]), pass(g1[j], y1[j]));
                dbeta[j] += a + b;
                dgamma[j] += I::mul_add(a, x0[j] - mean[j], b * (x1[j] - mean[j]));
            }
        }
        for r in twos..rows.end {
            let (x, g, y) = (x.row(r), dy.row(r), y.row(r));
            for j in 0..w {
                let g = pass(g[j], y[j]);
                dbeta[j] += g;
                dgamma[j] = I::mul_add(g, x[j] - mean[j], dgamma[j]);
            }
        }
        for (d, &s) in dgamma.iter_mut().zip(&saved.inv_std[first..]) {
            *d *= s;
        }
    }
}

/// The gradients of gamma (`sum of dy xhat`) and beta (`sum of dy`), in one walk.
///
/// # Panics
/// If lengths do not fit.
#[track_caller]
pub fn backward_sums<E: Element>(saved: Saved<'_, E>, dy: &[E], dgamma: &mut [E], dbeta: &mut [E]) {
    E::batch_norm_backward_sums(saved, dy, dgamma, dbeta);
}

/// [`backward_sums`], where it is compiled.
pub(super) fn backward_sums_here<E: Element>(saved: Saved<'_, E>, dy: &[E], dgamma: &mut [E], dbeta: &mut [E]) {
    let rows = saved.check(dy);
    let n = saved.mean.len();
    check(dy.len(), n, &[dgamma.len(), dbeta.len()]);
    dgamma.fill(E::ZERO);
    dbeta.fill(E::ZERO);
    over_blocks(
        rows,
        n,
        |rows, first, (dgamma, dbeta)| match saved.relu {
            Some(y) => dispatch(Sums::<E, true> { saved, y, dy, rows, first, dgamma, dbeta }),
            None => dispatch(Sums::<E, false> { saved, y: dy, dy, rows, first, dgamma, dbeta }),
        },
        |_, _, a, b| a.iter_mut().zip(b).for_each(|(a, &b)| *a += b),
        |first, (g, b)| {
            dgamma[first..first + g.len()].copy_from_slice(g);
            dbeta[first..first + b.len()].copy_from_slice(b);
        },
    );
}

struct Input<'a, E, const RELU: bool> {
    x: &'a [E],
    y: &'a [E],
    dy: &'a [E],
    mean: &'a [E],
    /// Of dy, of x - mean, and what is taken off.
    factors: (&'a [E], &'a [E], &'a [E]),
    out: &'a mut [E],
}

impl<E: Element, const RELU: bool> Kernel for Input<'_, E, RELU> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let n = self.mean.len();
        let (of_dy, of_x, off) = (&self.factors.0[..n], &self.factors.1[..n], &self.factors.2[..n]);
        let rows = self.x.chunks_exact(n).zip(self.y.chunks_exact(n)).zip(self.dy.chunks_exact(n));
        for (out, ((x, y), dy)) in self.out.chunks_exact_mut(n).zip(rows) {
            for j in 0..n {
                let g = if !RELU || y[j] > E::ZERO { dy[j] } else { E::ZERO };
                out[j] = I::mul_add(g, of_dy[j], I::mul_add(self.mean[j] - x[j], of_x[j], -off[j]));
            }
        }
    }
}

/// The gradient of the input, from the sums of [`backward_sums`]:
/// `gamma inv_std (dy - mean(dy) - xhat mean(dy xhat))`.
///
/// # Panics
/// If lengths do not fit.
#[track_caller]
pub fn backward_input<E: Element>(saved: Saved<'_, E>, dy: &[E], dgamma: &[E], dbeta: &[E], dx: &mut [E]) {
    E::batch_norm_backward_input(saved, dy, dgamma, dbeta, dx);
}

/// [`backward_input`], where it is compiled.
pub(super) fn backward_input_here<E: Element>(saved: Saved<'_, E>, dy: &[E], dgamma: &[E], dbeta: &[E], dx: &mut [E]) {
    let count = E::from_usize(saved.check(dy).max(1));
    let n = saved.mean.len();
    check(dx.len(), n, &[dgamma.len(), dbeta.len()]);
    assert!(dx.len() == dy.len(), "batch_norm: {} gradients into {}", dy.len(), dx.len());
    let of_dy = factors(saved.inv_std, saved.gamma);
    let of_x: Vec<E> = (0..n).map(|j| of_dy[j] * saved.inv_std[j] * (dgamma[j] / count)).collect();
    let off: Vec<E> = (0..n).map(|j| of_dy[j] * (dbeta[j] / count)).collect();
    let factors = (&of_dy[..], &of_x[..], &off[..]);
    parallel::row_blocks(dx, n, 2 * n, |first, out| {
        let here = first * n..first * n + out.len();
        let (x, dy, mean) = (&saved.x[here.clone()], &dy[here.clone()], saved.mean);
        match saved.relu {
            Some(y) => dispatch(Input::<E, true> { x, y: &y[here], dy, mean, factors, out }),
            None => dispatch(Input::<E, false> { x, y: dy, dy, mean, factors, out }),
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Rng, Tensor};

    fn close(a: &[f64], b: &[f64], tolerance: f64) {
        assert_eq!(a.len(), b.len());
        for (x, y) in a.iter().zip(b) {
            assert!((x - y).abs() <= tolerance * y.abs().max(1.0), "{x} instead of {y}");
        }
    }

    #[test]
    fn statistics_agree_with_the_plain_reductions() {
        let mut rng = Rng::new(1);
        for (rows, n) in [(1, 1), (2, 3), (7, 130), (513, 10), (1600, 300)] {
            let x = Tensor::<f64>::randn([rows, n], &mut rng).add_scalar(1e3);
            let (mut mean, mut var) = (vec![0.0; n], vec![0.0; n]);
            statistics(x.slice_of(), n, &mut mean, &mut var);
            close(&mean, &x.mean(&[0], false).to_vec(), 1e-14);
            close(&var, &x.var(&[0], 0, false).to_vec(), 1e-11);
        }
    }

    #[test]
    fn a_large_mean_does_not_drown_the_variance() {
        let x: Vec<f32> = (0..6000).map(|i| 1e6 + (i / 3 % 4) as f32).collect();
        let (mut mean, mut var) = ([0.0; 3], [0.0; 3]);
        statistics(&x, 3, &mut mean, &mut var);
        assert_eq!((mean, var), ([1e6 + 1.5; 3], [1.25; 3]));
    }

    #[test]
    fn both_ways_agree_with_the_composition() {
        let mut rng = Rng::new(2);
        for (rows, n) in [(2, 3), (5, 1), (7, 130), (600, 20), (700, 129)] {
            let x = Tensor::<f64>::randn([rows, n], &mut rng).add_scalar(0.5);
            let dy = Tensor::<f64>::randn([rows, n], &mut rng);
            let gamma = Tensor::<f64>::randn([n], &mut rng);
            let beta = Tensor::<f64>::randn([n], &mut rng);
            let (mean, var) = (x.mean(&[0], false), x.var(&[0], 0, false));
            let inv = inverse_std(var.slice_of(), 1e-5);
            let inv_t = Tensor::from_vec(inv.clone(), [n]);
            let hat = x.sub(&mean).mul(&inv_t);
            for (affine, relu) in [(true, false), (true, true), (false, false)] {
                let (g, b) = if affine { (Some(gamma.slice_of()), Some(beta.slice_of())) } else { (None, None) };
                let plain = if affine { hat.mul(&gamma).add(&beta) } else { hat.clone() };
                let y = if relu { plain.relu() } else { plain.clone() };
                let mut out = vec![f64::NAN; rows * n];
                apply(x.slice_of(), (mean.slice_of(), &inv), (g, b), &mut out);
                close(&out, plain.slice_of(), 1e-13);
                let dz = if relu { dy.mul(&y.gt(&Tensor::scalar(0.0))) } else { dy.clone() };
                let saved = Saved {
                    x: x.slice_of(),
                    mean: mean.slice_of(),
                    inv_std: &inv,
                    gamma: g,
                    relu: relu.then_some(y.slice_of()),
                };
                let (mut dgamma, mut dbeta) = (vec![f64::NAN; n], vec![f64::NAN; n]);
                backward_sums(saved, dy.slice_of(), &mut dgamma, &mut dbeta);
                close(&dgamma, &dz.mul(&hat).sum(&[0], false).to_vec(), 1e-12);
                close(&dbeta, &dz.sum(&[0], false).to_vec(), 1e-12);
                let mut dx = vec![f64::NAN; rows * n];
                backward_input(saved, dy.slice_of(), &dgamma, &dbeta, &mut dx);
                let about = |t: &Tensor<f64>| t.mean(&[0], true);
                let inner = dz.sub(&about(&dz)).sub(&hat.mul(&about(&dz.mul(&hat))));
                let scale = if affine { inv_t.mul(&gamma) } else { inv_t.clone() };
                close(&dx, &inner.mul(&scale).to_vec(), 1e-12);
            }
        }
    }

    #[test]
    fn threads_change_nothing() {
        let x = Tensor::<f32>::randn([2000, 150], &mut Rng::new(1));
        let both = |threads| {
            parallel::with_threads(threads, || {
                let (mut mean, mut var) = (vec![0.0; 150], vec![0.0; 150]);
                statistics(x.slice_of(), 150, &mut mean, &mut var);
                [mean, var].concat()
            })
        };
        assert_eq!(both(1), both(3));
    }

    #[test]
    fn without_rows_there_are_no_statistics() {
        let (mut mean, mut var) = ([0.0f32; 2], [0.0; 2]);
        statistics(&[], 2, &mut mean, &mut var);
        assert!(mean[0].is_nan() && var[1].is_nan());
    }
}
