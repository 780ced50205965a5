//! A row times a matrix: bound by memory, so it walks the matrix once in the order in which it lies.

use super::gemm::MatRef;
use super::lanes::{GROUP, LANES, fold};
use crate::simd::{Isa, Kernel, dispatch};
use crate::{Element, parallel};
use std::borrow::Cow;

/// Columns in one piece of the wide form.
const COLUMNS: usize = 512;

/// `c = a b + beta c` for one row `a`. False, and nothing done, where `b` lies in neither of the two simple orders.
pub(super) fn row_times<E: Element>(a: MatRef<'_, E>, b: MatRef<'_, E>, beta: E, c: &mut [E]) -> bool {
    let x = || match a.row(0) {
        Some(row) => Cow::Borrowed(row),
        None => Cow::Owned(a.row_iter(0).collect()),
    };
    let (k, n) = (b.rows(), b.cols());
    if b.t().row(0).is_some() {
        let x = x();
        parallel::row_blocks(c, 1, k, |first, c| dispatch(Dots { w: b.t(), x: &x, beta, first, c }));
        true
    } else if b.row(0).is_some() {
        let x = x();
        parallel::chunks_if(parallel::pays(k * n), c, COLUMNS, |i, c| {
            dispatch(Axpy { b, x: &x, beta, first: i * COLUMNS, c });
        });
        true
    } else {
        false
    }
}

/// `c[j] = w[first + j] . x + beta c[j]`.
struct Dots<'a, E> {
    w: MatRef<'a, E>,
    x: &'a [E],
    beta: E,
    first: usize,
    c: &'a mut [E],
}

impl<E: Element> Kernel for Dots<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let Dots { w, x, beta, first, c } = self;
        for (j, c) in c.iter_mut().enumerate() {
            let dot = dot::<E, I>(w.row(first + j).unwrap_or(&[]), x);
            *c = if beta == E::ZERO { dot } else { I::mul_add(beta, *c, dot) };
        }
    }
}

#[inline(always)]
fn dot<E: Element, I: Isa>(a: &[E], b: &[E]) -> E {
    let mut lanes = [E::ZERO; LANES];
    let ((groups_a, a), (groups_b, b)) = (a.as_chunks::<{ GROUP * LANES }>(), b.as_chunks::<{ GROUP * LANES }>());
    for (a, b) in groups_a.iter().zip(groups_b) {
        for (l, lane) in lanes.iter_mut().enumerate() {
            let two = |i: usize| {
                let (p, q) = (i * LANES + l, (i + 1) * LANES + l);
                I::mul_add(a[p], b[p], a[q] * b[q])
            };
            *lane += (two(0) + two(2)) + (two(4) + two(6));
        }
    }
    let ((runs_a, a), (runs_b, b)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    for (a, b) in runs_a.iter().zip(runs_b) {
        for l in 0..LANES {
            lanes[l] = I::mul_add(a[l], b[l], lanes[l]);
        }
    }
    for ((lane, &a), &b) in lanes.iter_mut().zip(a).zip(b) {
        *lane = I::mul_add(a, b, *lane);
    }
    fold(lanes, |a, b| a + b)
}

/// `c[j] = sum over i of x[i] b[i][first + j] + beta c[j]`.
struct Axpy<'a, E> {
    b: MatRef<'a, E>,
    x: &'a [E],
    beta: E,
    first: usize,
    c: &'a mut [E],
}

impl<E: Element> Kernel for Axpy<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let Axpy { b, x, beta, first, c } = self;
        for c in c.iter_mut() {
            *c = if beta == E::ZERO { E::ZERO } else { beta * *c };
        }
        let n = c.len();
        let row = |i: usize| &b.row(i).unwrap_or(&[])[first..first + n];
        let whole = x.len() / 4 * 4;
        for i in (0..whole).step_by(4) {
            let (r0, r1, r2, r3) = (row(i), row(i + 1), row(i + 2), row(i + 3));
            let (x0, x1, x2, x3) = (x[i], x[i + 1], x[i + 2], x[i + 3]);
            for j in 0..n {
                let low = I::mul_add(x0, r0[j], x1 * r1[j]);
                let high = I::mul_add(x2, r2[j], x3 * r3[j]);
                c[j] += low + high;
            }
        }
        for (i, &x) in x.iter().enumerate().skip(whole) {
            for (c, &b) in c.iter_mut().zip(row(i)) {
                *c = I::mul_add(x, b, *c);
            }
        }
    }
}
