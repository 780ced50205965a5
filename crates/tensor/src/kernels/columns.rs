//! The windows of an image as the columns of a matrix, and back.

use super::conv::ConvGeometry;
use crate::Element;
use crate::simd::{Isa, Kernel, dispatch};
use std::ops::Range;

/// Elements that are copied together: lines of an image are too short for calls to the system's copying.
const RUN: usize = 8;

/// Lays the windows of some rows out: one row per element of the window, one column per position.
///
/// # Panics
/// If a slice is too short.
pub(super) fn unfold<E: Element>(g: &ConvGeometry, x: &[E], rows: Range<usize>, columns: &mut [E]) {
    dispatch(Unfold { g, x, rows, columns });
}

struct Unfold<'a, E> {
    g: &'a ConvGeometry,
    x: &'a [E],
    rows: Range<usize>,
    columns: &'a mut [E],
}

impl<E: Element> Kernel for Unfold<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let Self { g, x, rows, columns } = self;
        let ([h, w], [kh, kw], across) = (g.input, g.kernel, g.output[1]);
        let (stride, spread, before) = (g.options.stride[1], g.options.dilation[1], g.options.padding[1].0);
        for (r, row) in columns.chunks_exact_mut(rows.len() * across).enumerate() {
            let (c, ky, kx) = (r / (kh * kw), r / kw % kh, r % kw);
            let inside = g.inside(1, kx);
            for (oy, line) in rows.clone().zip(row.chunks_exact_mut(across)) {
                let Some(y) = g.source(0, oy, ky).filter(|_| !inside.is_empty()) else {
                    line.fill(E::ZERO);
                    continue;
                };
                zero(&mut line[..inside.start]);
                zero(&mut line[inside.end..]);
                let from = &x[(c * h + y) * w + inside.start * stride + kx * spread - before..];
                let to = &mut line[inside.clone()];
                match stride {
                    1 => copy(from, to),
                    2 => every_other(from, to),
                    _ => to.iter_mut().zip(from.iter().step_by(stride)).for_each(|(to, &x)| *to = x),
                }
            }
        }
    }
}

/// A frame is often one element wide, which is no work for a function.
#[inline(always)]
fn zero<E: Element>(to: &mut [E]) {
    match to {
        [] => {}
        [one] => *one = E::ZERO,
        more => more.fill(E::ZERO),
    }
}

#[inline(always)]
fn copy<E: Element>(from: &[E], to: &mut [E]) {
    let n = to.len();
    let from = &from[..n];
    if n < RUN {
        return to.copy_from_slice(from);
    }
    let mut run = [E::ZERO; RUN];
    for (to, from) in to.chunks_exact_mut(RUN).zip(from.chunks_exact(RUN)) {
        run.copy_from_slice(from);
        to.copy_from_slice(&run);
    }
    // The last run overlaps the one before where it would not be whole.
    run.copy_from_slice(&from[n - RUN..]);
    to[n - RUN..].copy_from_slice(&run);
}

#[inline(always)]
fn every_other<E: Element>(from: &[E], to: &mut [E]) {
    let n = to.len();
    let whole = n / RUN * RUN;
    for (i, to) in to.chunks_exact_mut(RUN).enumerate() {
        let from = &from[2 * RUN * i..][..2 * RUN - 1];
        for l in 0..RUN {
            to[l] = from[2 * l];
        }
    }
    for i in whole..n {
        to[i] = from[2 * i];
    }
}

/// The adjoint of [`unfold`]: adds every element of the columns where it came from.
///
/// # Panics
/// If a slice is too short.
pub(super) fn fold<E: Element>(g: &ConvGeometry, columns: &[E], rows: Range<usize>, x: &mut [E]) {
    dispatch(Fold { g, columns, rows, x });
}

struct Fold<'a, E> {
    g: &'a ConvGeometry,
    columns: &'a [E],
    rows: Range<usize>,
    x: &'a mut [E],
}

impl<E: Element> Kernel for Fold<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let Self { g, columns, rows, x } = self;
        let ([h, w], [kh, kw], across) = (g.input, g.kernel, g.output[1]);
        let (stride, spread, before) = (g.options.stride[1], g.options.dilation[1], g.options.padding[1].0);
        for (r, row) in columns.chunks_exact(rows.len() * across).enumerate() {
            let (c, ky, kx) = (r / (kh * kw), r / kw % kh, r % kw);
            let inside = g.inside(1, kx);
            if inside.is_empty() {
                continue;
            }
            for (oy, line) in rows.clone().zip(row.chunks_exact(across)) {
                let Some(y) = g.source(0, oy, ky) else { continue };
                let to = &mut x[(c * h + y) * w + inside.start * stride + kx * spread - before..];
                let from = &line[inside.clone()];
                match stride {
                    1 => to.iter_mut().zip(from).for_each(|(to, &x)| *to += x),
                    2 => to.iter_mut().step_by(2).zip(from).for_each(|(to, &x)| *to += x),
                    _ => to.iter_mut().step_by(stride).zip(from).for_each(|(to, &x)| *to += x),
                }
            }
        }
    }
}
