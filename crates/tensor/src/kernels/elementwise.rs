//! One output element per input element: maps and zips, with broadcasting over rows and scalars.

use crate::Element;
use crate::parallel;
use crate::simd::{Isa, Kernel, dispatch};

/// A function of one number. Mark `at` `#[inline(always)]`.
pub trait Unary<E>: Copy + Send + Sync {
    /// The function's value.
    fn at<I: Isa>(self, x: E) -> E;
}

/// A function of two numbers. Mark `at` `#[inline(always)]`.
pub trait Binary<E>: Copy + Send + Sync {
    /// The function's value.
    fn at<I: Isa>(self, a: E, b: E) -> E;
}

/// A function of three numbers. Mark `at` `#[inline(always)]`.
pub trait Ternary<E>: Copy + Send + Sync {
    /// The function's value.
    fn at<I: Isa>(self, a: E, b: E, c: E) -> E;
}

struct Map<'a, E, F> {
    f: F,
    x: &'a [E],
    out: &'a mut [E],
}

impl<E: Element, F: Unary<E>> Kernel for Map<'_, E, F> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        for (o, &x) in self.out.iter_mut().zip(self.x) {
            *o = self.f.at::<I>(x);
        }
    }
}

/// `out[i] = f(x[i])`.
pub fn map<E: Element, F: Unary<E>>(f: F, x: &[E], out: &mut [E]) {
    debug_assert_eq!(x.len(), out.len());
    parallel::pieces(out, |start, out| dispatch(Map { f, x: &x[start..start + out.len()], out }));
}

struct MapInPlace<'a, E, F> {
    f: F,
    out: &'a mut [E],
}

impl<E: Element, F: Unary<E>> Kernel for MapInPlace<'_, E, F> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        for o in self.out.iter_mut() {
            *o = self.f.at::<I>(*o);
        }
    }
}

/// `x[i] = f(x[i])`.
pub fn map_in_place<E: Element, F: Unary<E>>(f: F, x: &mut [E]) {
    parallel::pieces(x, |_, out| dispatch(MapInPlace { f, out }));
}

struct Zip<'a, E, F> {
    f: F,
    a: &'a [E],
    b: &'a [E],
    out: &'a mut [E],
}

impl<E: Element, F: Binary<E>> Kernel for Zip<'_, E, F> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        for ((o, &a), &b) in self.out.iter_mut().zip(self.a).zip(self.b) {
            *o = self.f.at::<I>(a, b);
        }
    }
}

/// `out[i] = f(a[i], b[i])`.
pub fn zip<E: Element, F: Binary<E>>(f: F, a: &[E], b: &[E], out: &mut [E]) {
    debug_assert!(a.len() == out.len() && b.len() == out.len());
    parallel::pieces(out, |start, out| {
        let here = start..start + out.len();
        dispatch(Zip { f, a: &a[here.clone()], b: &b[here], out });
    });
}

struct ZipInPlace<'a, E, F> {
    f: F,
    a: &'a mut [E],
    b: &'a [E],
}

impl<E: Element, F: Binary<E>> Kernel for ZipInPlace<'_, E, F> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        for (a, &b) in self.a.iter_mut().zip(self.b) {
            *a = self.f.at::<I>(*a, b);
        }
    }
}

/// `a[i] = f(a[i], b[i])`.
pub fn zip_in_place<E: Element, F: Binary<E>>(f: F, a: &mut [E], b: &[E]) {
    debug_assert_eq!(a.len(), b.len());
    parallel::pieces(a, |start, a| {
        let len = a.len();
        dispatch(ZipInPlace { f, a, b: &b[start..start + len] });
    });
}

struct Zip3<'a, E, F> {
    f: F,
    a: &'a [E],
    b: &'a [E],
    c: &'a [E],
    out: &'a mut [E],
}

impl<E: Element, F: Ternary<E>> Kernel for Zip3<'_, E, F> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        for (((o, &a), &b), &c) in self.out.iter_mut().zip(self.a).zip(self.b).zip(self.c) {
            *o = self.f.at::<I>(a, b, c);
        }
    }
}

/// `out[i] = f(a[i], b[i], c[i])`.
pub fn zip3<E: Element, F: Ternary<E>>(f: F, a: &[E], b: &[E], c: &[E], out: &mut [E]) {
    debug_assert!(a.len() == out.len() && b.len() == out.len() && c.len() == out.len());
    parallel::pieces(out, |start, out| {
        let here = start..start + out.len();
        dispatch(Zip3 { f, a: &a[here.clone()], b: &b[here.clone()], c: &c[here], out });
    });
}

/// How one operand of a broadcast row moves along the row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Along {
    /// One element further with each output element.
    Each,
    /// The same element for the whole row.
    Same,
}

struct ZipRows<'a, E, F> {
    f: F,
    a: &'a [E],
    b: &'a [E],
    offsets: &'a (dyn Fn(usize) -> (usize, usize) + Sync),
    along: (Along, Along),
    first_row: usize,
    row: usize,
    out: &'a mut [E],
}

impl<E: Element, F: Binary<E>> Kernel for ZipRows<'_, E, F> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let n = self.row;
        for (r, out) in self.out.chunks_exact_mut(n).enumerate() {
            let (a, b) = (self.offsets)(self.first_row + r);
            match self.along {
                (Along::Each, Along::Each) => {
                    for ((o, &a), &b) in out.iter_mut().zip(&self.a[a..a + n]).zip(&self.b[b..b + n]) {
                        *o = self.f.at::<I>(a, b);
                    }
                }
                (Along::Each, Along::Same) => {
                    let b = self.b[b];
                    for (o, &a) in out.iter_mut().zip(&self.a[a..a + n]) {
                        *o = self.f.at::<I>(a, b);
                    }
                }
                (Along::Same, Along::Each) => {
                    let a = self.a[a];
                    for (o, &b) in out.iter_mut().zip(&self.b[b..b + n]) {
                        *o = self.f.at::<I>(a, b);
                    }
                }
                (Along::Same, Along::Same) => out.fill(self.f.at::<I>(self.a[a], self.b[b])),
            }
        }
    }
}

/// `out[r][i] = f(a[offset_a(r) + i or 0], b[offset_b(r) + i or 0])` over rows of `row` elements.
pub fn zip_rows<E: Element, F: Binary<E>>(
    f: F,
    (a, b): (&[E], &[E]),
    along: (Along, Along),
    row: usize,
    offsets: &(dyn Fn(usize) -> (usize, usize) + Sync),
    out: &mut [E],
) {
    parallel::row_blocks(out, row, row, |first_row, out| {
        dispatch(ZipRows { f, a, b, offsets, along, first_row, row, out });
    });
}
