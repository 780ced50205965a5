//! The small matrices of F(4x4, 3x3), applied to lanes of neighbouring channels.
//!
//! With B, G and A of Lavin and Gray (interpolation at 0, 1, -1, 2, -2 and infinity): a tile of output is
//! A^T ((G w G^T) * (B^T x B)) A, where * is by element and summed over channels.

use crate::Element;

/// Channels that are transformed together.
pub(super) const LANES: usize = 16;
/// Rows and columns of a tile of input, of output, and of the window.
pub(super) const IN: usize = 6;
pub(super) const OUT: usize = 4;
pub(super) const WINDOW: usize = 3;
/// Products of a tile.
pub(super) const POINTS: usize = IN * IN;

/// One number of each of some neighbouring channels.
#[derive(Clone, Copy)]
pub(super) struct Lanes<E>(pub(super) [E; LANES]);

impl<E: Element> Lanes<E> {
    pub(super) const ZERO: Self = Self([E::ZERO; LANES]);

    #[inline(always)]
    pub(super) fn load(from: &[E]) -> Self {
        let mut lanes = [E::ZERO; LANES];
        lanes.copy_from_slice(&from[..LANES]);
        Self(lanes)
    }

    #[inline(always)]
    pub(super) fn store(self, to: &mut [E]) {
        to[..LANES].copy_from_slice(&self.0);
    }

    #[inline(always)]
    fn plus(mut self, other: Self) -> Self {
        for l in 0..LANES {
            self.0[l] += other.0[l];
        }
        self
    }

    #[inline(always)]
    fn minus(mut self, other: Self) -> Self {
        for l in 0..LANES {
            self.0[l] -= other.0[l];
        }
        self
    }

    #[inline(always)]
    fn times(mut self, factor: f64) -> Self {
        let factor = E::from_f64(factor);
        for l in 0..LANES {
            self.0[l] *= factor;
        }
        self
    }
}

/// A matrix N x M as a function of a column of M.
pub(super) trait Matrix<const N: usize, const M: usize> {
    fn times<E: Element>(x: [Lanes<E>; M]) -> [Lanes<E>; N];
}

/// Room for what [`both_sides`] has half done: made once for many tiles, because clearing it takes as long as a tile.
#[inline(always)]
pub(super) fn half_done<E: Element, const N: usize, const M: usize>() -> [[Lanes<E>; M]; N] {
    [[Lanes::ZERO; M]; N]
}

/// `matrix x matrix^T`: `get(i, j)` gives an element of x, `put(i, j, y)` takes one of the result; `half` is room.
///
/// No array of tiles is handed on, and no closure to a function of the standard library: both would end in calls.
#[inline(always)]
pub(super) fn both_sides<T: Matrix<N, M>, E: Element, const N: usize, const M: usize>(
    half: &mut [[Lanes<E>; M]; N],
    get: impl Fn(usize, usize) -> Lanes<E>,
    mut put: impl FnMut(usize, usize, Lanes<E>),
) {
    for j in 0..M {
        let mut column = [Lanes::ZERO; M];
        for (i, x) in column.iter_mut().enumerate() {
            *x = get(i, j);
        }
        for (row, x) in half.iter_mut().zip(&T::times(column)) {
            row[j] = *x;
        }
    }
    for (i, row) in half.iter().enumerate() {
        for (j, y) in T::times(*row).iter().enumerate() {
            put(i, j, *y);
        }
    }
}

/// B^T: of a tile of input.
pub(super) struct Input;
impl Matrix<IN, IN> for Input {
    #[inline(always)]
    fn times<E: Element>([a, b, c, d, e, f]: [Lanes<E>; IN]) -> [Lanes<E>; IN] {
        let (even, odd) = (e.minus(c.times(4.0)), d.minus(b.times(4.0)));
        let (near, far) = (e.minus(c), d.minus(b).times(2.0));
        [
            a.times(4.0).minus(c.times(5.0)).plus(e),
            even.plus(odd),
            even.minus(odd),
            near.plus(far),
            near.minus(far),
            b.times(4.0).minus(d.times(5.0)).plus(f),
        ]
    }
}

/// A^T: to a tile of output.
pub(super) struct Output;
impl Matrix<OUT, IN> for Output {
    #[inline(always)]
    fn times<E: Element>([a, b, c, d, e, f]: [Lanes<E>; IN]) -> [Lanes<E>; OUT] {
        let (near, near_odd, far, far_odd) = (b.plus(c), b.minus(c), d.plus(e), d.minus(e));
        [
            a.plus(near).plus(far),
            near_odd.plus(far_odd.times(2.0)),
            near.plus(far.times(4.0)),
            near_odd.plus(far_odd.times(8.0)).plus(f),
        ]
    }
}

/// A: of a tile of an output's gradient.
pub(super) struct OutputAdjoint;
impl Matrix<IN, OUT> for OutputAdjoint {
    #[inline(always)]
    fn times<E: Element>([a, b, c, d]: [Lanes<E>; OUT]) -> [Lanes<E>; IN] {
        let (near, near_odd) = (a.plus(c), b.plus(d));
        let (far, far_odd) = (a.plus(c.times(4.0)), b.times(2.0).plus(d.times(8.0)));
        [a, near.plus(near_odd), near.minus(near_odd), far.plus(far_odd), far.minus(far_odd), d]
    }
}

/// G: of a window.
pub(super) struct Window;
impl Matrix<IN, WINDOW> for Window {
    #[inline(always)]
    fn times<E: Element>([a, b, c]: [Lanes<E>; WINDOW]) -> [Lanes<E>; IN] {
        let (near, near_odd) = (a.plus(c).times(-1.0 / 6.0), b.times(1.0 / 6.0));
        let (far, far_odd) = (a.times(1.0 / 24.0).plus(c.times(1.0 / 6.0)), b.times(1.0 / 12.0));
        [a.times(0.25), near.minus(near_odd), near.plus(near_odd), far.plus(far_odd), far.minus(far_odd), c]
    }
}

/// G^T: to a window's gradient.
pub(super) struct WindowAdjoint;
impl Matrix<WINDOW, IN> for WindowAdjoint {
    #[inline(always)]
    fn times<E: Element>([a, b, c, d, e, f]: [Lanes<E>; IN]) -> [Lanes<E>; WINDOW] {
        let (near, far) = (b.plus(c), d.plus(e));
        [
            a.times(0.25).minus(near.times(1.0 / 6.0)).plus(far.times(1.0 / 24.0)),
            c.minus(b).times(1.0 / 6.0).plus(d.minus(e).times(1.0 / 12.0)),
            far.minus(near).times(1.0 / 6.0).plus(f),
        ]
    }
}
