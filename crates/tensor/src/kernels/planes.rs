//! Planes of an image batch: [rows, length], where every row has numbers of its own to be shifted and scaled by.
//!
//! A batch [n, channels, height, width] is n times channels such rows. Batch norm and group norm differ only in the
//! numbers that each row gets, which are few and are computed by the caller.

use super::reduce;
use crate::simd::{Isa, Kernel, dispatch};
use crate::{Element, parallel};

/// Partial sums side by side within a row, whatever the instruction set.
const LANES: usize = 32;

/// `sum_i a(i)` and `sum_i b(i)` for `at(i) = (a(i), b(i))`, in an order that depends on `n` alone.
#[inline(always)]
pub(super) fn two_sums<E: Element>(n: usize, at: impl Fn(usize) -> (E, E)) -> (E, E) {
    let (mut first, mut second) = ([E::ZERO; LANES], [E::ZERO; LANES]);
    let whole = n / LANES * LANES;
    for start in (0..whole).step_by(LANES) {
        for l in 0..LANES {
            let (a, b) = at(start + l);
            first[l] += a;
            second[l] += b;
        }
    }
    for l in 0..n - whole {
        let (a, b) = at(whole + l);
        first[l] += a;
        second[l] += b;
    }
    let mut width = LANES / 2;
    while width > 0 {
        for l in 0..width {
            let (a, b) = (first[l + width], second[l + width]);
            first[l] += a;
            second[l] += b;
        }
        width /= 2;
    }
    (first[0], second[0])
}

#[track_caller]
pub(super) fn check(name: &str, length: usize, rows: usize, slices: &[usize]) {
    let fits = slices.iter().all(|&n| n == rows * length);
    assert!(fits, "{name}: {slices:?} elements are not {rows} rows of {length}");
}

struct Affine<'a, E> {
    x: &'a [E],
    length: usize,
    rows: &'a [[E; 3]],
    out: &'a mut [E],
}

impl<E: Element> Kernel for Affine<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let rows = self.out.chunks_exact_mut(self.length).zip(self.x.chunks_exact(self.length)).zip(self.rows);
        for ((out, x), &[centre, factor, shift]) in rows {
            for (o, &x) in out.iter_mut().zip(x) {
                *o = I::mul_add(x - centre, factor, shift);
            }
        }
    }
}

/// `out[r] = (x[r] - centre) factor + shift` with `[centre, factor, shift]` of each row in `rows`.
///
/// # Panics
/// If lengths do not fit.
#[track_caller]
pub fn affine<E: Element>(x: &[E], length: usize, rows: &[[E; 3]], out: &mut [E]) {
    E::planes_affine(x, length, rows, out);
}

/// [`affine`], where it is compiled.
pub(super) fn affine_here<E: Element>(x: &[E], length: usize, rows: &[[E; 3]], out: &mut [E]) {
    check("planes::affine", length, rows.len(), &[x.len(), out.len()]);
    parallel::row_blocks(out, length, length, |first, out| {
        let count = out.len() / length;
        let x = &x[first * length..][..out.len()];
        dispatch(Affine { x, length, rows: &rows[first..first + count], out });
    });
}

struct Combine<'a, E> {
    dy: &'a [E],
    x: &'a [E],
    length: usize,
    rows: &'a [[E; 4]],
    out: &'a mut [E],
}

impl<E: Element> Kernel for Combine<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let n = self.length;
        let inputs = self.dy.chunks_exact(n).zip(self.x.chunks_exact(n)).zip(self.rows);
        for (out, ((dy, x), &[of_dy, of_x, centre, shift])) in self.out.chunks_exact_mut(n).zip(inputs) {
            for ((o, &dy), &x) in out.iter_mut().zip(dy).zip(x) {
                *o = I::mul_add(dy, of_dy, I::mul_add(x - centre, of_x, shift));
            }
        }
    }
}

/// `out[r] = a dy[r] + b (x[r] - centre) + shift` with `[a, b, centre, shift]` of each row in `rows`: the way back
/// through a normalisation.
///
/// # Panics
/// If lengths do not fit.
#[track_caller]
pub fn combine<E: Element>(dy: &[E], x: &[E], length: usize, rows: &[[E; 4]], out: &mut [E]) {
    E::planes_combine(dy, x, length, rows, out);
}

/// [`combine`], where it is compiled.
pub(super) fn combine_here<E: Element>(dy: &[E], x: &[E], length: usize, rows: &[[E; 4]], out: &mut [E]) {
    check("planes::combine", length, rows.len(), &[dy.len(), x.len(), out.len()]);
    parallel::row_blocks(out, length, 2 * length, |first, out| {
        let count = out.len() / length;
        let here = first * length..first * length + out.len();
        dispatch(Combine { dy: &dy[here.clone()], x: &x[here], length, rows: &rows[first..first + count], out });
    });
}

struct Sums<'a, E> {
    dy: &'a [E],
    x: &'a [E],
    length: usize,
    centres: &'a [E],
    out: &'a mut [E],
}

impl<E: Element> Kernel for Sums<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let n = self.length;
        let inputs = self.dy.chunks_exact(n).zip(self.x.chunks_exact(n)).zip(self.centres);
        for (out, ((dy, x), &centre)) in self.out.chunks_exact_mut(2).zip(inputs) {
            let (dy, x) = (&dy[..n], &x[..n]);
            (out[0], out[1]) = two_sums(n, |i| (dy[i], dy[i] * (x[i] - centre)));
        }
    }
}

/// For every row a pair in `out`: `sum dy` and `sum dy (x - centre)`.
///
/// # Panics
/// If lengths do not fit.
#[track_caller]
pub fn sums<E: Element>(dy: &[E], x: &[E], length: usize, centres: &[E], out: &mut [E]) {
    E::planes_sums(dy, x, length, centres, out);
}

/// [`sums`], where it is compiled.
pub(super) fn sums_here<E: Element>(dy: &[E], x: &[E], length: usize, centres: &[E], out: &mut [E]) {
    check("planes::sums", length, centres.len(), &[dy.len(), x.len()]);
    assert!(out.len() == 2 * centres.len(), "planes::sums: {} numbers for {} rows", out.len(), centres.len());
    parallel::row_blocks(out, 2, 2 * length, |first, out| {
        let count = out.len() / 2;
        let here = first * length..(first + count) * length;
        let centres = &centres[first..first + count];
        dispatch(Sums { dy: &dy[here.clone()], x: &x[here], length, centres, out });
    });
}

/// The mean and the biased variance of every channel of [n, channels, length]; NaN without values.
///
/// Exact for a large mean: each plane is walked twice, and planes are joined in pairs by the formula of Chan, Golub and
/// LeVeque.
///
/// # Panics
/// If lengths do not fit.
#[track_caller]
pub fn channel_moments<E: Element>(x: &[E], length: usize, mean: &mut [E], var: &mut [E]) {
    E::channel_moments(x, length, mean, var);
}

/// [`channel_moments`], where it is compiled.
pub(super) fn channel_moments_here<E: Element>(x: &[E], length: usize, mean: &mut [E], var: &mut [E]) {
    let channels = mean.len();
    let n = x.len().checked_div(channels * length).unwrap_or(0);
    check("planes::channel_moments", length, n * channels, &[x.len()]);
    assert!(var.len() == channels, "planes::channel_moments: {} variances for {channels} channels", var.len());
    if n == 0 {
        mean.fill(E::NAN);
        return var.fill(E::NAN);
    }
    let mut pairs = vec![E::ZERO; 2 * n * channels];
    reduce::row_moments(x, length, &mut pairs);
    let size = 2 * channels;
    let count = |from: usize, images: usize| E::from_usize(((from + images).min(n) - from) * length);
    let mut step = 1;
    while step < n {
        for a in (0..n - step).step_by(2 * step) {
            let (low, high) = pairs.split_at_mut((a + step) * size);
            let (na, nb) = (count(a, step), count(a + step, step));
            let total = na + nb;
            for (a, b) in low[a * size..][..size].chunks_exact_mut(2).zip(high[..size].chunks_exact(2)) {
                let gap = b[0] - a[0];
                a[0] += gap * (nb / total);
                a[1] += b[1] + gap * gap * (na * (nb / total));
            }
        }
        step *= 2;
    }
    let values = E::from_usize(n * length);
    for ((pair, mean), var) in pairs.chunks_exact(2).zip(mean).zip(var) {
        (*mean, *var) = (pair[0], (pair[1] / values).max(E::ZERO));
    }
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
    fn rows_are_shifted_combined_and_summed() {
        let mut rng = Rng::new(1);
        for (rows, length) in [(1, 1), (3, 5), (7, 32), (4, 97), (90, 1000)] {
            let x = Tensor::<f64>::randn([rows, length], &mut rng);
            let dy = Tensor::<f64>::randn([rows, length], &mut rng);
            let c = Tensor::<f64>::randn([4, rows, 1], &mut rng);
            let column = |i: usize| c.select(0, i);
            let number = |i: usize, r: usize| c.at(&[i, r, 0]);
            let mut out = vec![f64::NAN; rows * length];
            let three: Vec<_> = (0..rows).map(|r| [number(0, r), number(1, r), number(2, r)]).collect();
            affine(x.slice_of(), length, &three, &mut out);
            close(&out, &x.sub(&column(0)).mul(&column(1)).add(&column(2)).to_vec());
            let four: Vec<_> = (0..rows).map(|r| [number(0, r), number(1, r), number(2, r), number(3, r)]).collect();
            combine(dy.slice_of(), x.slice_of(), length, &four, &mut out);
            let expected = dy.mul(&column(0)).add(&x.sub(&column(2)).mul(&column(1))).add(&column(3));
            close(&out, &expected.to_vec());
            let centres = column(0).to_vec();
            let mut pairs = vec![f64::NAN; 2 * rows];
            sums(dy.slice_of(), x.slice_of(), length, &centres, &mut pairs);
            let (a, b) = (dy.sum(&[1], true), dy.mul(&x.sub(&column(0))).sum(&[1], true));
            close(&pairs, &Tensor::concat(&[&a, &b], 1).to_vec());
        }
    }

    #[test]
    fn moments_of_channels_agree_with_the_definition() {
        let mut rng = Rng::new(2);
        for (n, c, l) in [(1, 1, 2), (2, 3, 1), (5, 2, 6), (7, 4, 33), (3, 130, 700)] {
            let x = Tensor::<f64>::randn([n, c, l], &mut rng).add_scalar(3.0);
            let (mut mean, mut var) = (vec![0.0; c], vec![0.0; c]);
            channel_moments(x.slice_of(), l, &mut mean, &mut var);
            close(&mean, &x.mean(&[0, 2], false).to_vec());
            close(&var, &x.var(&[0, 2], 0, false).to_vec());
        }
    }

    #[test]
    fn a_large_mean_does_not_drown_the_variance() {
        let x: Vec<f32> = (0..2 * 3 * 400).map(|i| 1e6 + (i % 4) as f32).collect();
        let (mut mean, mut var) = ([0.0; 3], [0.0; 3]);
        channel_moments(&x, 400, &mut mean, &mut var);
        assert_eq!((mean, var), ([1e6 + 1.5; 3], [1.25; 3]));
    }

    #[test]
    fn threads_change_nothing() {
        let x = Tensor::<f32>::randn([5, 40, 900], &mut Rng::new(3));
        let run = |threads| {
            parallel::with_threads(threads, || {
                let (mut mean, mut var, mut pairs) = (vec![0.0; 40], vec![0.0; 40], vec![0.0; 400]);
                channel_moments(x.slice_of(), 900, &mut mean, &mut var);
                sums(x.slice_of(), x.slice_of(), 900, &[0.5; 200], &mut pairs);
                [mean, var, pairs].concat()
            })
        };
        assert_eq!(run(1), run(3));
    }

    #[test]
    fn without_images_there_are_no_moments() {
        let (mut mean, mut var) = ([0.0f32; 2], [0.0; 2]);
        channel_moments(&[], 3, &mut mean, &mut var);
        assert!(mean[0].is_nan() && var[1].is_nan());
    }
}
