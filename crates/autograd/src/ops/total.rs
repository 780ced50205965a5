//! The sum of a function of several tensors, in one pass over memory and in a fixed order.

use kniff_tensor::kernels::elementwise::{Binary, Ternary};
use kniff_tensor::simd::{Isa, Kernel, dispatch};
use kniff_tensor::{Element, Tensor, parallel};

/// How the losses of the elements become the result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reduce {
    /// They stay apart.
    None,
    /// Their sum; 0 of nothing.
    Sum,
    /// Their (weighted) mean; NaN of nothing.
    #[default]
    Mean,
}

/// Elements in one partial sum.
const PIECE: usize = 4096;
/// Partial sums side by side within a piece, whatever the instruction set.
const LANES: usize = 32;

/// `sum_i f(a[i], b[i])`.
pub(super) fn of_two<E: Element, F: Binary<E>>(f: F, a: &Tensor<E>, b: &Tensor<E>) -> E {
    let (a, b) = (a.contiguous(), b.contiguous());
    let (a, b) = (dense(&a), dense(&b));
    in_pieces(a.len(), |here| dispatch(Two { f, a: &a[here.clone()], b: &b[here] }))
}

/// `sum_i f(a[i], b[i], c[i])`.
pub(super) fn of_three<E: Element, F: Ternary<E>>(f: F, a: &Tensor<E>, b: &Tensor<E>, c: &Tensor<E>) -> E {
    let (a, b, c) = (a.contiguous(), b.contiguous(), c.contiguous());
    let (a, b, c) = (dense(&a), dense(&b), dense(&c));
    in_pieces(a.len(), |here| dispatch(Three { f, a: &a[here.clone()], b: &b[here.clone()], c: &c[here] }))
}

/// The elements of a tensor that was made contiguous.
pub(super) fn dense<E: Element>(x: &Tensor<E>) -> &[E] {
    x.as_slice().expect("a contiguous tensor")
}

fn in_pieces<E: Element>(n: usize, sum: impl Fn(std::ops::Range<usize>) -> E + Sync) -> E {
    if n <= PIECE {
        return sum(0..n);
    }
    let mut parts = Tensor::scratch([n.div_ceil(PIECE)]);
    parallel::row_blocks(parts.make_mut(), 1, PIECE, |first, out| {
        for (i, o) in out.iter_mut().enumerate() {
            let start = (first + i) * PIECE;
            *o = sum(start..n.min(start + PIECE));
        }
    });
    parts.sum_all().item()
}

#[inline(always)]
fn lanes<E: Element>(n: usize, at: impl Fn(usize) -> E) -> E {
    let mut sums = [E::ZERO; LANES];
    let whole = n / LANES * LANES;
    let mut start = 0;
    while start < whole {
        for (l, s) in sums.iter_mut().enumerate() {
            *s += at(start + l);
        }
        start += LANES;
    }
    for (l, s) in sums.iter_mut().enumerate().take(n - whole) {
        *s += at(whole + l);
    }
    let mut width = LANES / 2;
    while width > 0 {
        for l in 0..width {
            let other = sums[l + width];
            sums[l] += other;
        }
        width /= 2;
    }
    sums[0]
}

struct Two<'a, E, F> {
    f: F,
    a: &'a [E],
    b: &'a [E],
}

impl<E: Element, F: Binary<E>> Kernel for Two<'_, E, F> {
    type Output = E;
    #[inline(always)]
    fn run<I: Isa>(self) -> E {
        let n = self.a.len().min(self.b.len());
        let (a, b) = (&self.a[..n], &self.b[..n]);
        lanes(n, |i| self.f.at::<I>(a[i], b[i]))
    }
}

struct Three<'a, E, F> {
    f: F,
    a: &'a [E],
    b: &'a [E],
    c: &'a [E],
}

impl<E: Element, F: Ternary<E>> Kernel for Three<'_, E, F> {
    type Output = E;
    #[inline(always)]
    fn run<I: Isa>(self) -> E {
        let n = self.a.len().min(self.b.len()).min(self.c.len());
        let (a, b, c) = (&self.a[..n], &self.b[..n], &self.c[..n]);
        lanes(n, |i| self.f.at::<I>(a[i], b[i], c[i]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy)]
    struct Product;
    impl Binary<f64> for Product {
        #[inline(always)]
        fn at<I: Isa>(self, a: f64, b: f64) -> f64 {
            a * b
        }
    }

    #[test]
    fn sums_of_every_length_are_right_and_do_not_depend_on_threads() {
        for n in [0, 1, 31, 33, 4096, 4097, 300_000] {
            let (a, b) = (Tensor::from_fn([n], |i| (i % 7) as f64), Tensor::from_fn([n], |i| (i % 5) as f64 - 2.0));
            let expected: f64 = (0..n).map(|i| (i % 7) as f64 * ((i % 5) as f64 - 2.0)).sum();
            for threads in [1, 3] {
                assert_eq!(parallel::with_threads(threads, || of_two(Product, &a, &b)), expected);
            }
        }
    }
}
