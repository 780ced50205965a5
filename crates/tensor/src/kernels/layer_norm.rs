//! Layer normalisation of [rows, n]: every row by its own mean and deviation, every column with its own factor.

use super::planes::two_sums;
use super::reduce::{self, Sum};
use crate::simd::{Isa, Kernel, dispatch};
use crate::{Element, parallel};

/// For every row of `n` elements a pair in `out`: the mean, and `1 / sqrt(variance + epsilon)` with the biased variance.
///
/// # Panics
/// If lengths do not fit.
#[track_caller]
pub fn statistics<E: Element>(x: &[E], n: usize, epsilon: E, out: &mut [E]) {
    E::layer_norm_statistics(x, n, epsilon, out);
}

/// [`statistics`], where it is compiled.
pub(super) fn statistics_here<E: Element>(x: &[E], n: usize, epsilon: E, out: &mut [E]) {
    assert!(out.len() / 2 * n == x.len(), "layer_norm: {} numbers for rows of {n} of {} elements", out.len(), x.len());
    reduce::row_moments(x, n, out);
    for pair in out.chunks_exact_mut(2) {
        // A square rounded below 0 is 0, but NaN stays.
        let squares = if pair[1] < E::ZERO { E::ZERO } else { pair[1] };
        pair[1] = E::ONE / (squares / E::from_usize(n) + epsilon).sqrt();
    }
}

/// What the way back needs of the way out.
#[derive(Clone, Copy, Debug)]
pub struct Saved<'a, E> {
    /// The input.
    pub x: &'a [E],
    /// [`statistics`] of its rows.
    pub statistics: &'a [E],
    /// The factor of each column.
    pub gamma: &'a [E],
}

impl<E: Element> Saved<'_, E> {
    #[track_caller]
    fn check(&self, other: usize) {
        let n = self.gamma.len();
        let fits = self.statistics.len() / 2 * n == self.x.len() && other == self.x.len();
        assert!(fits, "layer_norm: {} and {other} elements in rows of {n}", self.x.len());
    }

    /// Calls `f(saved rows, their elements, out)` for blocks of rows.
    fn blocks(&self, out: &mut [E], f: impl Fn(Saved<'_, E>, std::ops::Range<usize>, &mut [E]) + Sync) {
        let n = self.gamma.len();
        parallel::row_blocks(out, n, 2 * n, |first, out| {
            let (rows, here) = (out.len() / n, first * n..first * n + out.len());
            let statistics = &self.statistics[2 * first..2 * (first + rows)];
            f(Saved { x: &self.x[here.clone()], statistics, gamma: self.gamma }, here, out);
        });
    }
}

struct Apply<'a, E> {
    saved: Saved<'a, E>,
    beta: &'a [E],
    out: &'a mut [E],
}

impl<E: Element> Kernel for Apply<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let n = self.saved.gamma.len();
        let (gamma, beta) = (&self.saved.gamma[..n], &self.beta[..n]);
        let rows = self.saved.x.chunks_exact(n).zip(self.saved.statistics.chunks_exact(2));
        for (out, (x, pair)) in self.out.chunks_exact_mut(n).zip(rows) {
            for j in 0..n {
                out[j] = I::mul_add((x[j] - pair[0]) * pair[1], gamma[j], beta[j]);
            }
        }
    }
}

/// `out = gamma (x - mean) / sqrt(variance + epsilon) + beta`.
///
/// # Panics
/// If lengths do not fit.
#[track_caller]
pub fn apply<E: Element>(saved: Saved<'_, E>, beta: &[E], out: &mut [E]) {
    E::layer_norm_apply(saved, beta, out);
}

/// [`apply`], where it is compiled.
pub(super) fn apply_here<E: Element>(saved: Saved<'_, E>, beta: &[E], out: &mut [E]) {
    saved.check(out.len());
    assert!(beta.len() == saved.gamma.len(), "layer_norm: {} shifts for {} factors", beta.len(), saved.gamma.len());
    saved.blocks(out, |saved, _, out| dispatch(Apply { saved, beta, out }));
}

struct Hats<'a, E> {
    saved: Saved<'a, E>,
    dy: &'a [E],
    out: &'a mut [E],
}

impl<E: Element> Kernel for Hats<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let n = self.saved.gamma.len();
        let rows = self.saved.x.chunks_exact(n).zip(self.saved.statistics.chunks_exact(2)).zip(self.dy.chunks_exact(n));
        for (out, ((x, pair), dy)) in self.out.chunks_exact_mut(n).zip(rows) {
            for ((o, &x), &dy) in out.iter_mut().zip(x).zip(dy) {
                *o = (x - pair[0]) * pair[1] * dy;
            }
        }
    }
}

/// The gradients of gamma (`sum of dy xhat` over the rows) and beta (`sum of dy`); `scratch` is as long as the input.
///
/// # Panics
/// If lengths do not fit.
#[track_caller]
pub fn backward_sums<E: Element>(saved: Saved<'_, E>, dy: &[E], scratch: &mut [E], sums: (&mut [E], &mut [E])) {
    E::layer_norm_backward_sums(saved, dy, scratch, sums);
}

/// [`backward_sums`], where it is compiled.
pub(super) fn backward_sums_here<E: Element>(
    saved: Saved<'_, E>,
    dy: &[E],
    scratch: &mut [E],
    (dgamma, dbeta): (&mut [E], &mut [E]),
) {
    saved.check(dy.len());
    saved.check(scratch.len());
    let n = saved.gamma.len();
    saved.blocks(scratch, |saved, here, out| dispatch(Hats { saved, dy: &dy[here], out }));
    let rows = saved.statistics.len() / 2;
    reduce::columns(Sum, scratch, (rows, n), dgamma);
    reduce::columns(Sum, dy, (rows, n), dbeta);
}

struct Input<'a, E> {
    saved: Saved<'a, E>,
    dy: &'a [E],
    out: &'a mut [E],
}

impl<E: Element> Kernel for Input<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let n = self.saved.gamma.len();
        let (gamma, count) = (&self.saved.gamma[..n], E::from_usize(n));
        let rows = self.saved.x.chunks_exact(n).zip(self.saved.statistics.chunks_exact(2)).zip(self.dy.chunks_exact(n));
        for (out, ((x, pair), dy)) in self.out.chunks_exact_mut(n).zip(rows) {
            let (mean, inverse) = (pair[0], pair[1]);
            let (sum, product) = two_sums(n, |j| (gamma[j] * dy[j], gamma[j] * dy[j] * (x[j] - mean)));
            let (off, slope) = (sum / count, product * inverse * inverse / count);
            for j in 0..n {
                out[j] = inverse * (I::mul_add(gamma[j], dy[j], -off) - (x[j] - mean) * slope);
            }
        }
    }
}

/// The gradient of the input: `(g - mean(g) - xhat mean(g xhat)) / sqrt(variance + epsilon)` with `g = gamma dy`.
///
/// # Panics
/// If lengths do not fit.
#[track_caller]
pub fn backward_input<E: Element>(saved: Saved<'_, E>, dy: &[E], dx: &mut [E]) {
    E::layer_norm_backward_input(saved, dy, dx);
}

/// [`backward_input`], where it is compiled.
pub(super) fn backward_input_here<E: Element>(saved: Saved<'_, E>, dy: &[E], dx: &mut [E]) {
    saved.check(dy.len());
    saved.check(dx.len());
    saved.blocks(dx, |saved, here, out| dispatch(Input { saved, dy: &dy[here], out }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Rng, Tensor};

    fn close(a: &[f64], b: &[f64]) {
        assert_eq!(a.len(), b.len());
        a.iter().zip(b).for_each(|(a, b)| assert!((a - b).abs() <= 1e-11 * (1.0 + b.abs()), "{a} {b}"));
    }

    #[test]
    fn both_ways_agree_with_the_composition() {
        let mut rng = Rng::new(2);
        for (rows, n) in [(1, 2), (3, 1), (5, 33), (700, 129)] {
            let x = Tensor::<f64>::randn([rows, n], &mut rng).add_scalar(0.5);
            let dy = Tensor::<f64>::randn([rows, n], &mut rng);
            let (gamma, beta) = (Tensor::<f64>::randn([n], &mut rng), Tensor::<f64>::randn([n], &mut rng));
            let inverse = x.var(&[1], 0, true).add_scalar(1e-5).sqrt().recip();
            let hat = x.sub(&x.mean(&[1], true)).mul(&inverse);
            let mut pairs = vec![0.0; 2 * rows];
            statistics(x.slice_of(), n, 1e-5, &mut pairs);
            let saved = Saved { x: x.slice_of(), statistics: &pairs, gamma: gamma.slice_of() };
            let mut out = vec![f64::NAN; rows * n];
            apply(saved, beta.slice_of(), &mut out);
            close(&out, &hat.mul(&gamma).add(&beta).to_vec());
            let (mut dgamma, mut dbeta) = (vec![f64::NAN; n], vec![f64::NAN; n]);
            backward_sums(saved, dy.slice_of(), &mut out, (&mut dgamma, &mut dbeta));
            close(&dgamma, &dy.mul(&hat).sum(&[0], false).to_vec());
            close(&dbeta, &dy.sum(&[0], false).to_vec());
            backward_input(saved, dy.slice_of(), &mut out);
            let g = dy.mul(&gamma);
            let inner = g.sub(&g.mean(&[1], true)).sub(&hat.mul(&g.mul(&hat).mean(&[1], true)));
            close(&out, &inner.mul(&inverse).to_vec());
        }
    }

    #[test]
    fn a_large_mean_does_not_drown_the_deviation() {
        let x: Vec<f32> = (0..16).map(|i| 1e6 + (i % 4) as f32).collect();
        let mut pairs = [0.0; 2];
        statistics(&x, 16, 0.0, &mut pairs);
        assert_eq!(pairs, [1e6 + 1.5, 1.0 / 1.25_f32.sqrt()]);
    }

    #[test]
    fn threads_change_nothing() {
        let x = Tensor::<f32>::randn([2000, 70], &mut Rng::new(1));
        let run = |threads| {
            parallel::with_threads(threads, || {
                let mut pairs = vec![0.0; 4000];
                statistics(x.slice_of(), 70, 1e-5, &mut pairs);
                let saved = Saved { x: x.slice_of(), statistics: &pairs, gamma: &[1.5; 70] };
                let (mut out, mut dgamma, mut dbeta) = (vec![0.0; 140_000], vec![0.0; 70], vec![0.0; 70]);
                backward_sums(saved, x.slice_of(), &mut out, (&mut dgamma, &mut dbeta));
                backward_input(saved, x.slice_of(), &mut out);
                [out, dgamma, dbeta].concat()
            })
        };
        assert_eq!(run(1), run(3));
    }
}
