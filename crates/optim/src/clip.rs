//! Keeping gradients within limits: by one norm over all of them, or element by element.

use crate::OptimError;
use crate::error::{require, require_not_negative, require_positive};
use kniff_tensor::simd::{Isa, Kernel, dispatch};
use kniff_tensor::{Element, parallel};
use serde::{Deserialize, Serialize};

/// What is done to gradients that are too large.
///
/// The clipping costs no pass over memory that writes: the factor is folded into the step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Clip {
    /// All gradients are scaled by `min(1, max / (norm + 1e-6))`, where `norm` is the Euclidean norm over all parameters
    /// together. As PyTorch's `clip_grad_norm_`; the direction of the step stays (Pascanu, Mikolov, Bengio 2013).
    GlobalNorm(f64),
    /// The same with another norm, or without PyTorch's 1e-6 (`epsilon: 0.0`, as optax), which makes a result a little
    /// shorter than `max_norm` and far shorter where `max_norm` is tiny.
    Norm {
        /// What the norm is brought down to.
        max_norm: f64,
        /// The p of the p-norm: 2 for the Euclidean, 1, infinity for the largest absolute value, or any other above 0.
        norm_type: f64,
        /// Added to the norm.
        epsilon: f64,
    },
    /// Each element is limited to `-limit..=limit`. The direction changes.
    Value(f64),
}

impl Clip {
    /// Whether the limits make sense.
    ///
    /// # Errors
    /// [`OptimError::Setting`] with the first that does not.
    pub fn validate(&self) -> Result<(), OptimError> {
        match *self {
            Clip::GlobalNorm(max) => require_positive("Clip::GlobalNorm", "max_norm", max),
            Clip::Norm { max_norm, norm_type, epsilon } => {
                require_positive("Clip::Norm", "max_norm", max_norm)?;
                require(norm_type > 0.0, "Clip::Norm", "norm_type", norm_type, "above 0, or infinite")?;
                require_not_negative("Clip::Norm", "epsilon", epsilon)
            }
            Clip::Value(limit) => require_positive("Clip::Value", "limit", limit),
        }
    }

    /// The p of the norm that is limited; `None` for [`Clip::Value`].
    pub fn norm_type(&self) -> Option<f64> {
        match *self {
            Clip::GlobalNorm(_) => Some(2.0),
            Clip::Norm { norm_type, .. } => Some(norm_type),
            Clip::Value(_) => None,
        }
    }

    /// What gradients of this norm are multiplied by.
    pub fn scale(&self, norm: f64) -> f64 {
        let (max_norm, epsilon) = match *self {
            Clip::GlobalNorm(max) => (max, 1e-6),
            Clip::Norm { max_norm, epsilon, .. } => (max_norm, epsilon),
            Clip::Value(_) => return 1.0,
        };
        // 0/0 with no epsilon: nothing to scale.
        if norm == 0.0 { 1.0 } else { (max_norm / (norm + epsilon)).min(1.0) }
    }
}

/// The p-norm of several slices as if they were one vector, added up in f64 and in an order that depends on their
/// lengths alone. Neither overflows nor loses tiny gradients in f64.
///
/// ```
/// use kniff_optim::global_norm;
/// assert_eq!(global_norm([&[3.0_f32][..], &[0.0, 4.0]], 2.0), 5.0);
/// assert_eq!(global_norm([&[3.0_f32, -4.0][..]], f64::INFINITY), 4.0);
/// ```
pub fn global_norm<'a, E: Element>(gradients: impl IntoIterator<Item = &'a [E]>, norm_type: f64) -> f64 {
    let mut norm = Norm::new(norm_type);
    for gradient in gradients {
        norm.add(gradient);
    }
    norm.value()
}

/// A p-norm as it is added up: `scale * sum^(1/p)`.
pub(crate) struct Norm {
    p: f64,
    scale: f64,
    sum: f64,
}

impl Norm {
    pub(crate) fn new(p: f64) -> Self {
        Self { p, scale: 1.0, sum: 0.0 }
    }

    /// Adds a slice; `false` if it holds an infinity or a NaN.
    pub(crate) fn add<E: Element>(&mut self, x: &[E]) -> bool {
        if self.p.is_infinite() {
            let largest = largest(x);
            self.sum = if largest > self.sum || largest.is_nan() { largest } else { self.sum };
            return largest.is_finite();
        }
        let mut scale = 1.0;
        let mut sum = power_sum(x, 1.0, self.p);
        // Powers of numbers far from 1 leave the range of f64: then in units of the largest.
        if !sum.is_finite() || sum < 1e-250 {
            let largest = largest(x);
            if !largest.is_finite() {
                self.sum = f64::NAN;
                return false;
            }
            if largest > 0.0 {
                scale = largest;
                sum = power_sum(x, largest, self.p);
            }
        }
        if sum > 0.0 {
            self.join(scale, sum);
        }
        true
    }

    fn join(&mut self, scale: f64, sum: f64) {
        if self.sum == 0.0 {
            (self.scale, self.sum) = (scale, sum);
        } else if scale == self.scale {
            self.sum += sum;
        } else if self.scale * self.sum.powf(1.0 / self.p) >= scale * sum.powf(1.0 / self.p) {
            self.sum += sum * (scale / self.scale).powf(self.p);
        } else {
            (self.scale, self.sum) = (scale, sum + self.sum * (self.scale / scale).powf(self.p));
        }
    }

    pub(crate) fn value(&self) -> f64 {
        if self.p.is_infinite() {
            self.sum
        } else if self.p == 2.0 {
            self.scale * self.sum.sqrt()
        } else {
            self.scale * self.sum.powf(1.0 / self.p)
        }
    }
}

/// The sum of `(|x| / unit)^p`.
fn power_sum<E: Element>(x: &[E], unit: f64, p: f64) -> f64 {
    halves(x, &|piece| dispatch(PowerSum { x: piece, unit, p }), &|a, b| a + b)
}

/// The largest absolute value; NaN if there is one.
fn largest<E: Element>(x: &[E]) -> f64 {
    let worse = |a: f64, b: f64| if a > b || a.is_nan() { a } else { b };
    halves(x, &|piece| piece.iter().fold(0.0, |m, x| worse(m, x.abs().to_f64())), &worse)
}

/// Elements below which adding up takes less than waking another thread.
const SERIAL_BELOW: usize = 1 << 18;

/// Joins the results of pieces in a tree that depends on the length alone.
fn halves<E: Element>(x: &[E], f: &(impl Fn(&[E]) -> f64 + Sync), join: &(impl Fn(f64, f64) -> f64 + Sync)) -> f64 {
    let piece = |i: usize| f(&x[i * parallel::PIECE..x.len().min((i + 1) * parallel::PIECE)]);
    let pieces = x.len().div_ceil(parallel::PIECE);
    if !(parallel::pays(x.len()) && x.len() >= SERIAL_BELOW) {
        return tree(0, pieces.max(1), &piece, join);
    }
    let mut results = vec![0.0; pieces];
    parallel::chunks(&mut results, 1, |i, result| result[0] = piece(i));
    tree(0, pieces, &|i| results[i], join)
}

/// Joins the results of the pieces from `first` on, halves by halves.
fn tree(first: usize, pieces: usize, piece: &impl Fn(usize) -> f64, join: &impl Fn(f64, f64) -> f64) -> f64 {
    if pieces == 1 {
        return piece(first);
    }
    let half = pieces / 2;
    join(tree(first, half, piece, join), tree(first + half, pieces - half, piece, join))
}

struct PowerSum<'a, E> {
    x: &'a [E],
    unit: f64,
    p: f64,
}

impl<E: Element> Kernel for PowerSum<'_, E> {
    type Output = f64;
    #[inline(always)]
    fn run<I: Isa>(self) -> f64 {
        let (unit, p) = (self.unit, self.p);
        if p == 2.0 && unit == 1.0 {
            sum_in_lanes(self.x, |x| x.to_f64() * x.to_f64())
        } else if p == 1.0 {
            sum_in_lanes(self.x, |x| x.to_f64().abs() / unit)
        } else if p == 2.0 {
            sum_in_lanes(self.x, |x| (x.to_f64() / unit) * (x.to_f64() / unit))
        } else {
            sum_in_lanes(self.x, |x| (x.to_f64().abs() / unit).powf(p))
        }
    }
}

/// In a fixed number of lanes, so that every instruction set adds in the same order; so many that the compiler keeps
/// the inner loop, which it vectorises.
#[inline(always)]
fn sum_in_lanes<E: Element>(x: &[E], term: impl Fn(E) -> f64) -> f64 {
    const LANES: usize = 128;
    let (blocks, rest) = x.as_chunks::<LANES>();
    let tail: f64 = rest.iter().map(|&x| term(x)).sum();
    if blocks.is_empty() {
        return tail;
    }
    let mut lanes = [0.0; LANES];
    for block in blocks {
        for (lane, &x) in lanes.iter_mut().zip(block) {
            *lane += term(x);
        }
    }
    let mut width = LANES / 2;
    while width > 0 {
        for l in 0..width {
            lanes[l] += lanes[l + width];
        }
        width /= 2;
    }
    lanes[0] + tail
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extreme_gradients_have_a_norm() {
        let large = [3e200, 4e200];
        assert!((global_norm([&large[..]], 2.0) / 5e200 - 1.0).abs() < 1e-15);
        let tiny = [3e-200, 4e-200];
        assert!((global_norm([&tiny[..]], 2.0) / 5e-200 - 1.0).abs() < 1e-15);
        assert!((global_norm([&large[..], &tiny, &[1.0]], 2.0) / 5e200 - 1.0).abs() < 1e-15);
        assert!((global_norm([&[1.0][..], &tiny, &large], 2.0) / 5e200 - 1.0).abs() < 1e-15);
        assert_eq!(global_norm([&[0.0_f32; 5][..], &[]], 2.0), 0.0);
        assert_eq!(global_norm([&[0.0_f64; 5][..]], 3.5), 0.0);
    }

    #[test]
    fn a_non_finite_gradient_is_noticed() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for p in [1.0, 2.0, 3.0, f64::INFINITY] {
                assert!(!Norm::new(p).add(&[1.0, bad, 2.0]), "{bad} {p}");
            }
        }
    }

    #[test]
    fn the_norm_has_the_same_bits_at_any_number_of_threads() {
        let x: Vec<f32> = (0..600_001).map(|i| (i as f32 * 0.37).sin()).collect();
        let norms: Vec<u64> =
            (1..4).map(|n| parallel::with_threads(n, || global_norm([&x[..]], 2.0)).to_bits()).collect();
        assert!(norms.iter().all(|&n| n == norms[0]));
        let plain = x.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
        assert!((f64::from_bits(norms[0]) / plain - 1.0).abs() < 1e-12);
    }

    #[test]
    fn senseless_limits_are_refused() {
        assert!(Clip::GlobalNorm(0.0).validate().is_err());
        assert!(Clip::Value(f64::NAN).validate().is_err());
        assert!(Clip::Norm { max_norm: 1.0, norm_type: -2.0, epsilon: 0.0 }.validate().is_err());
        assert!(Clip::Norm { max_norm: 1.0, norm_type: f64::INFINITY, epsilon: 0.0 }.validate().is_ok());
    }
}
