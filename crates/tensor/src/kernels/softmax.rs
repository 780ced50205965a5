//! Softmax, its logarithm and log-sum-exp of rows: the largest element is taken out first, so that nothing overflows.

use super::reduce::{Reduction, Sum, SumExp, row};
use crate::simd::{Isa, Kernel, dispatch};
use crate::{Element, parallel};

/// Which function of a row.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Softmax,
    LogSoftmax,
}

struct Rows<'a, E> {
    form: Form,
    x: &'a [E],
    n: usize,
    out: &'a mut [E],
}

impl<E: Element> Kernel for Rows<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let n = self.n;
        if self.form == Form::LogSoftmax {
            for (out, x) in self.out.chunks_exact_mut(n).zip(self.x.chunks_exact(n)) {
                let (max, log_sum) = max_and_log_sum::<E, I>(x);
                for (o, &x) in out.iter_mut().zip(x) {
                    *o = (x - max) - log_sum;
                }
            }
            return;
        }
        let batch = batch_rows(n) * n;
        for (out, x) in self.out.chunks_mut(batch).zip(self.x.chunks(batch)) {
            let mut tops = Tops::new();
            exp_off_max::<E, I>(x, n, out, &mut tops);
            for (out, sum) in out.chunks_exact_mut(n).zip(tops.sum) {
                let factor = E::ONE / sum;
                out.iter_mut().for_each(|o| *o *= factor);
            }
        }
    }
}

/// Rows that are taken at once: short ones together fill the vectors that each of them would leave half empty.
#[inline(always)]
pub(super) fn batch_rows(n: usize) -> usize {
    if n <= 64 { (512 / n.max(1)).clamp(1, MOST_ROWS) } else { 1 }
}

const MOST_ROWS: usize = 64;

/// The largest element of each row of a batch, and the sum of `e^(x - max)`.
pub(super) struct Tops<E> {
    pub(super) max: [E; MOST_ROWS],
    pub(super) sum: [E; MOST_ROWS],
}

impl<E: Element> Tops<E> {
    #[inline(always)]
    pub(super) fn new() -> Self {
        Self { max: [E::ZERO; MOST_ROWS], sum: [E::ZERO; MOST_ROWS] }
    }
}

/// Writes `e^(x - max)` for a batch of rows of `n` elements.
#[inline(always)]
pub(super) fn exp_off_max<E: Element, I: Isa>(x: &[E], n: usize, out: &mut [E], tops: &mut Tops<E>) {
    if x.len() == n {
        let max = row::<E, I, _>(Largest, x);
        exp_less::<E, I>(max, x, out);
        (tops.max[0], tops.sum[0]) = (max, row::<E, I, _>(Sum, out));
        return;
    }
    for ((out, x), top) in out.chunks_exact_mut(n).zip(x.chunks_exact(n)).zip(&mut tops.max) {
        let max = row::<E, I, _>(Largest, x);
        *top = max;
        for (o, &x) in out.iter_mut().zip(x) {
            *o = x - max;
        }
    }
    // Over the ends of rows, in runs of one length.
    let (runs, tail) = out.as_chunks_mut::<RUN>();
    for run in runs {
        run.iter_mut().for_each(|x| *x = x.v_exp::<I>());
    }
    if !tail.is_empty() {
        let mut run = [E::ZERO; RUN];
        run[..tail.len()].copy_from_slice(tail);
        run.iter_mut().for_each(|x| *x = x.v_exp::<I>());
        tail.copy_from_slice(&run[..tail.len()]);
    }
    for (out, sum) in out.chunks_exact(n).zip(&mut tops.sum) {
        *sum = row::<E, I, _>(Sum, out);
    }
}

/// `out = e^(x - c)`.
#[inline(always)]
fn exp_less<E: Element, I: Isa>(c: E, x: &[E], out: &mut [E]) {
    let ((runs, tail), (out_runs, out_tail)) = (x.as_chunks::<RUN>(), out.as_chunks_mut::<RUN>());
    for (o, x) in out_runs.iter_mut().zip(runs) {
        for l in 0..RUN {
            o[l] = (x[l] - c).v_exp::<I>();
        }
    }
    if !tail.is_empty() {
        // Filled up, so that the last few are vector code as well.
        let mut run = [c; RUN];
        run[..tail.len()].copy_from_slice(tail);
        run.iter_mut().for_each(|x| *x = (*x - c).v_exp::<I>());
        out_tail.copy_from_slice(&run[..tail.len()]);
    }
}

/// Elements whose exponentials are computed at once.
const RUN: usize = 16;

/// The largest number. A NaN is passed over, which is one instruction fewer; it comes back in the sum of exponentials.
#[derive(Clone, Copy)]
struct Largest;
impl<E: Element> Reduction<E> for Largest {
    #[inline(always)]
    fn start(self) -> E {
        E::NEG_INFINITY
    }
    #[inline(always)]
    fn lift<I: Isa>(self, x: E) -> E {
        x
    }
    #[inline(always)]
    fn join<I: Isa>(self, a: E, b: E) -> E {
        if b > a { b } else { a }
    }
}

/// The largest element and the logarithm of the sum of `e^(x - max)`.
///
/// Where the largest is infinite it is returned with 0: that is the log-sum-exp then.
#[inline(always)]
pub(super) fn max_and_log_sum<E: Element, I: Isa>(x: &[E]) -> (E, E) {
    let max = row::<E, I, _>(Largest, x);
    if max == E::INFINITY || max == E::NEG_INFINITY {
        return if x.iter().any(|x| x.is_nan()) { (E::NAN, E::ZERO) } else { (max, E::ZERO) };
    }
    (max, row::<E, I, _>(SumExp(max), x).v_ln::<I>())
}

/// `out[r] = e^x[r] / sum e^x[r]` for rows of `n` elements.
pub fn softmax<E: Element>(x: &[E], n: usize, out: &mut [E]) {
    E::softmax(x, n, out);
}

/// [`softmax`], where it is compiled.
pub(super) fn softmax_here<E: Element>(x: &[E], n: usize, out: &mut [E]) {
    rows(Form::Softmax, x, n, out);
}

/// `out[r] = x[r] - ln sum e^x[r]` for rows of `n` elements.
pub fn log_softmax<E: Element>(x: &[E], n: usize, out: &mut [E]) {
    E::log_softmax(x, n, out);
}

/// [`log_softmax`], where it is compiled.
pub(super) fn log_softmax_here<E: Element>(x: &[E], n: usize, out: &mut [E]) {
    rows(Form::LogSoftmax, x, n, out);
}

fn rows<E: Element>(form: Form, x: &[E], n: usize, out: &mut [E]) {
    debug_assert_eq!(x.len(), out.len());
    parallel::row_blocks(out, n, 4 * n, |first, out| {
        dispatch(Rows { form, x: &x[first * n..first * n + out.len()], n, out });
    });
}

struct LogSumExp<'a, E> {
    x: &'a [E],
    n: usize,
    out: &'a mut [E],
}

impl<E: Element> Kernel for LogSumExp<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        for (o, x) in self.out.iter_mut().zip(self.x.chunks_exact(self.n)) {
            let (max, log_sum) = max_and_log_sum::<E, I>(x);
            *o = max + log_sum;
        }
    }
}

/// `out[r] = ln sum e^x[r]` for rows of `n` elements; -inf for a row of -inf, and for no elements.
pub fn logsumexp<E: Element>(x: &[E], n: usize, out: &mut [E]) {
    E::logsumexp(x, n, out);
}

/// [`logsumexp`], where it is compiled.
pub(super) fn logsumexp_here<E: Element>(x: &[E], n: usize, out: &mut [E]) {
    if n == 0 {
        return out.fill(E::NEG_INFINITY);
    }
    parallel::row_blocks(out, 1, 2 * n, |first, out| {
        dispatch(LogSumExp { x: &x[first * n..(first + out.len()) * n], n, out });
    });
}
