//! The weight at its points: the right-hand side of the products, in panels.

use super::Winograd;
use super::lanes::{Lanes, OnLanes, on_widest};
use super::layout::turn;
use super::transforms::{IN, LANES, POINTS, WINDOW, Window, both_sides, half_done};
use crate::kernels::panels::{PANEL, Right};
use crate::simd::{Isa, Kernel, dispatch};
use crate::{Element, parallel};

/// Input channels whose windows are transformed together: as many as make runs of the weight long.
const INPUTS: usize = 16;
const AREA: usize = WINDOW * WINDOW;

/// Elements that all points take: `[outputs / 32][points][inputs][32]`.
pub(in crate::kernels) fn room(d: &Winograd) -> usize {
    d.outputs.div_ceil(PANEL) * panel(d)
}

/// Elements of a panel of all points.
fn panel(d: &Winograd) -> usize {
    POINTS * d.inputs * PANEL
}

/// The matrix of one point, [inputs, outputs], from a whole panel of outputs on.
pub(super) fn of_point<'a, E>(d: &Winograd, windows: &'a [E], point: usize, first_panel: usize) -> Right<'a, E> {
    let from = first_panel * panel(d) + point * d.inputs * PANEL;
    Right { data: &windows[from..], row: PANEL, panel: panel(d) }
}

/// Brings a weight to its points.
pub(in crate::kernels) fn at_points<E: Element>(d: &Winograd, w: &[E], windows: &mut [E]) {
    let pays = parallel::pays(windows.len());
    parallel::chunks_if(pays, windows, panel(d), |panel, points| {
        dispatch(Windows { plan: d, w, first: panel * PANEL, points });
    });
}

/// One panel.
struct Windows<'a, E> {
    plan: &'a Winograd,
    w: &'a [E],
    /// The first output channel.
    first: usize,
    points: &'a mut [E],
}

impl<E: Element> Kernel for Windows<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        on_widest::<E, I>(self);
    }
}

impl<E: Element> OnLanes<E> for Windows<'_, E> {
    #[inline(always)]
    fn on<I: Isa, V: Lanes<E>>(self) {
        let Self { plan, w, first, points } = self;
        let (inputs, outputs) = (plan.inputs, plan.outputs);
        // For each input and each element of its window the outputs side by side.
        let mut turned = [E::ZERO; INPUTS * AREA * LANES];
        let mut half_way = half_done();
        for input in (0..inputs).step_by(INPUTS) {
            let here = INPUTS.min(inputs - input);
            for half in (0..PANEL.min(outputs - first)).step_by(LANES) {
                let first = first + half;
                let some = LANES.min(outputs - first);
                if some < LANES {
                    turned.fill(E::ZERO);
                }
                if plan.adjoint {
                    for c in 0..here {
                        let from = &w[((input + c) * outputs + first) * AREA..][..some * AREA];
                        for (l, window) in from.chunks_exact(AREA).enumerate() {
                            for (k, &x) in window.iter().enumerate() {
                                turned[(c * AREA + AREA - 1 - k) * LANES + l] = x;
                            }
                        }
                    }
                } else {
                    let from = &w[(first * inputs + input) * AREA..];
                    turn::<E, I>(from, inputs * AREA, some, &mut turned, LANES, here * AREA);
                }
                for c in 0..here {
                    for l in (0..LANES).step_by(V::WIDTH) {
                        let windows = &turned[c * AREA * LANES + l..];
                        let points = &mut points[(input + c) * PANEL + half + l..];
                        both_sides::<Window, E, V, IN, WINDOW>(
                            &mut half_way,
                            #[inline(always)]
                            |i, j| V::load(&windows[(i * WINDOW + j) * LANES..]),
                            #[inline(always)]
                            |i, j, u| u.store(&mut points[(i * IN + j) * inputs * PANEL..]),
                        );
                    }
                }
            }
        }
    }
}
