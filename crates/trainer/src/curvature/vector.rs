//! Sums over long vectors in f64, in an order that depends on nothing but their length.

use kniff_tensor::Rng;

pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    const LANES: usize = 8;
    let mut sums = [0.0; LANES];
    let (a_parts, b_parts) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f64 = a_parts.remainder().iter().zip(b_parts.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a_parts.zip(b_parts) {
        for l in 0..LANES {
            sums[l] += a[l] * b[l];
        }
    }
    sums.iter().sum::<f64>() + rest
}

pub(super) fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

/// `a += c b`.
pub(super) fn add_scaled(a: &mut [f64], c: f64, b: &[f64]) {
    a.iter_mut().zip(b).for_each(|(a, b)| *a += c * b);
}

pub(super) fn scale(a: &mut [f64], c: f64) {
    a.iter_mut().for_each(|a| *a *= c);
}

/// A random direction of length 1.
pub(super) fn direction(n: usize, rng: &mut Rng) -> Vec<f64> {
    let mut v: Vec<f64> = (0..n).map(|_| rng.normal()).collect();
    let length = norm(&v);
    scale(&mut v, 1.0 / length);
    v
}

/// Independent signs, +1 or -1.
pub(super) fn signs(n: usize, rng: &mut Rng) -> Vec<f64> {
    (0..n).map(|_| if rng.bernoulli(0.5) { 1.0 } else { -1.0 }).collect()
}
