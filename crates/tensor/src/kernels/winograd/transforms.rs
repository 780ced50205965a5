//! The small matrices of F(4x4, 3x3), applied to lanes of neighbouring channels.
//!
//! With B, G and A of Lavin and Gray (interpolation at 0, 1, -1, 2, -2 and infinity): a tile of output is
//! A^T ((G w G^T) * (B^T x B)) A, where * is by element and summed over channels.

use super::lanes::Lanes;

/// Channels are filled up to a multiple of this many, which is one of any [`Lanes::WIDTH`].
pub(super) const LANES: usize = 16;
/// Rows and columns of a tile of input, of output, and of the window.
pub(super) const IN: usize = 6;
pub(super) const OUT: usize = 4;
pub(super) const WINDOW: usize = 3;
/// Products of a tile.
pub(super) const POINTS: usize = IN * IN;

/// A matrix N x M as a function of a column of M.
pub(super) trait Matrix<const N: usize, const M: usize> {
    fn times<E, V: Lanes<E>>(x: [V; M]) -> [V; N];
}

/// Room for what [`both_sides`] has half done: made once for many tiles, because clearing it takes as long as a tile.
#[inline(always)]
pub(super) fn half_done<E, V: Lanes<E>, const N: usize, const M: usize>() -> [[V; M]; N] {
    [[V::ZERO; M]; N]
}

/// `matrix x matrix^T`: `get(i, j)` gives an element of x, `put(i, j, y)` takes one of the result; `half` is room.
///
/// No array of tiles is handed on, and no closure to a function of the standard library: both would end in calls.
#[inline(always)]
pub(super) fn both_sides<T: Matrix<N, M>, E, V: Lanes<E>, const N: usize, const M: usize>(
    half: &mut [[V; M]; N],
    get: impl Fn(usize, usize) -> V,
    mut put: impl FnMut(usize, usize, V),
) {
    for j in 0..M {
        let mut column = [V::ZERO; M];
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
    fn times<E, V: Lanes<E>>([a, b, c, d, e, f]: [V; IN]) -> [V; IN] {
        let (even, odd) = (e.plus_times(-4.0, c), d.plus_times(-4.0, b));
        let (near, far) = (e.minus(c), d.minus(b));
        [
            e.plus_times(4.0, a).plus_times(-5.0, c),
            even.plus(odd),
            even.minus(odd),
            near.plus_times(2.0, far),
            near.plus_times(-2.0, far),
            f.plus_times(4.0, b).plus_times(-5.0, d),
        ]
    }
}

/// A^T: to a tile of output.
pub(super) struct Output;
impl Matrix<OUT, IN> for Output {
    #[inline(always)]
    fn times<E, V: Lanes<E>>([a, b, c, d, e, f]: [V; IN]) -> [V; OUT] {
        let (near, near_odd, far, far_odd) = (b.plus(c), b.minus(c), d.plus(e), d.minus(e));
        [
            a.plus(near).plus(far),
            near_odd.plus_times(2.0, far_odd),
            near.plus_times(4.0, far),
            near_odd.plus_times(8.0, far_odd).plus(f),
        ]
    }
}

/// A: of a tile of an output's gradient.
pub(super) struct OutputAdjoint;
impl Matrix<IN, OUT> for OutputAdjoint {
    #[inline(always)]
    fn times<E, V: Lanes<E>>([a, b, c, d]: [V; OUT]) -> [V; IN] {
        let (near, near_odd) = (a.plus(c), b.plus(d));
        let (far, far_odd) = (a.plus_times(4.0, c), b.plus_times(4.0, d));
        [a, near.plus(near_odd), near.minus(near_odd), far.plus_times(2.0, far_odd), far.plus_times(-2.0, far_odd), d]
    }
}

/// G: of a window.
pub(super) struct Window;
impl Matrix<IN, WINDOW> for Window {
    #[inline(always)]
    fn times<E, V: Lanes<E>>([a, b, c]: [V; WINDOW]) -> [V; IN] {
        let near = a.plus(c).times(-1.0 / 6.0);
        let far = a.times(1.0 / 24.0).plus_times(1.0 / 6.0, c);
        [
            a.times(0.25),
            near.plus_times(-1.0 / 6.0, b),
            near.plus_times(1.0 / 6.0, b),
            far.plus_times(1.0 / 12.0, b),
            far.plus_times(-1.0 / 12.0, b),
            c,
        ]
    }
}

/// G^T: to a window's gradient.
pub(super) struct WindowAdjoint;
impl Matrix<WINDOW, IN> for WindowAdjoint {
    #[inline(always)]
    fn times<E, V: Lanes<E>>([a, b, c, d, e, f]: [V; IN]) -> [V; WINDOW] {
        let (near, far) = (b.plus(c), d.plus(e));
        [
            a.times(0.25).plus_times(-1.0 / 6.0, near).plus_times(1.0 / 24.0, far),
            c.minus(b).times(1.0 / 6.0).plus_times(1.0 / 12.0, d.minus(e)),
            f.plus_times(1.0 / 6.0, far.minus(near)),
        ]
    }
}
