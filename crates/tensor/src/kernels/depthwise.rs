//! Convolution of planes, each with windows of its own: too few products per element for a matrix product.

use super::conv::ConvGeometry;
use crate::Element;
use crate::simd::{Isa, Kernel, dispatch};

/// What is computed from the other two of an image, a weight and an output.
enum Part<'a, E> {
    Output { x: &'a [E], w: &'a [E], y: &'a mut [E] },
    Input { dy: &'a [E], w: &'a [E], dx: &'a mut [E] },
    Weight { x: &'a [E], dy: &'a [E], dw: &'a mut [E], room: &'a mut [E] },
}

/// One image under a geometry whose groups have one input channel.
struct Planes<'a, E> {
    geometry: &'a ConvGeometry,
    part: Part<'a, E>,
}

/// Adds the convolution of one image to `y`.
pub(super) fn add_output<E: Element>(g: &ConvGeometry, x: &[E], w: &[E], y: &mut [E]) {
    dispatch(Planes { geometry: g, part: Part::Output { x, w, y } });
}

/// Adds the gradient of one image to `dx`.
pub(super) fn add_input<E: Element>(g: &ConvGeometry, dy: &[E], w: &[E], dx: &mut [E]) {
    dispatch(Planes { geometry: g, part: Part::Input { dy, w, dx } });
}

/// Adds the weight's gradient of one image to `dw`; `room` holds a row of the output.
pub(super) fn add_weight<E: Element>(g: &ConvGeometry, x: &[E], dy: &[E], dw: &mut [E], room: &mut [E]) {
    dispatch(Planes { geometry: g, part: Part::Weight { x, dy, dw, room } });
}

impl<E: Element> Kernel for Planes<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(mut self) {
        let g = self.geometry;
        let (inputs, outputs) = (g.input[0] * g.input[1], g.output[0] * g.output[1]);
        let taps = g.kernel[0] * g.kernel[1];
        let of_group = g.channels[1] / g.options.groups;
        for o in 0..g.channels[1] {
            let plane = o / of_group * inputs..(o / of_group + 1) * inputs;
            let (out, own) = (o * outputs..(o + 1) * outputs, o * taps..(o + 1) * taps);
            match self.part {
                Part::Output { x, w, ref mut y } => {
                    let (x, w, y) = (&x[plane], &w[own], &mut y[out]);
                    each_run(g, |tap, to, from, n| {
                        let y = &mut y[to..to + n];
                        along(y, &x[from..], g.options.stride[1], |y, x| *y = I::mul_add(w[tap], x, *y));
                    });
                }
                Part::Input { dy, w, ref mut dx } => {
                    let (dy, w, dx) = (&dy[out], &w[own], &mut dx[plane]);
                    each_run(g, |tap, to, from, n| {
                        let dy = &dy[to..to + n];
                        if g.options.stride[1] == 1 {
                            let dx = &mut dx[from..from + n];
                            dx.iter_mut().zip(dy).for_each(|(dx, &dy)| *dx = I::mul_add(w[tap], dy, *dx));
                        } else {
                            let dx = dx[from..].iter_mut().step_by(g.options.stride[1]);
                            dx.zip(dy).for_each(|(dx, &dy)| *dx = I::mul_add(w[tap], dy, *dx));
                        }
                    });
                }
                Part::Weight { x, dy, ref mut dw, ref mut room } => {
                    let (x, dy, dw) = (&x[plane], &dy[out], &mut dw[own]);
                    // Added column by column first, so that the compiler may take several columns at once.
                    let across = g.output[1];
                    for (tap, dw) in dw.iter_mut().enumerate() {
                        room[..across].fill(E::ZERO);
                        each_run_of(g, tap, |to, from, n| {
                            let (room, dy) = (&mut room[..n], &dy[to..to + n]);
                            let stride = g.options.stride[1];
                            if stride == 1 {
                                for ((sum, &x), &dy) in room.iter_mut().zip(&x[from..from + n]).zip(dy) {
                                    *sum = I::mul_add(x, dy, *sum);
                                }
                            } else {
                                for ((sum, &x), &dy) in room.iter_mut().zip(x[from..].iter().step_by(stride)).zip(dy) {
                                    *sum = I::mul_add(x, dy, *sum);
                                }
                            }
                        });
                        *dw = room[..across].iter().fold(*dw, |sum, &x| sum + x);
                    }
                }
            }
        }
    }
}

/// Calls `f(to, x)` for elements of `to` and every `stride`-th of `x`.
#[inline(always)]
fn along<E: Element>(to: &mut [E], x: &[E], stride: usize, f: impl Fn(&mut E, E)) {
    if stride == 1 {
        let x = &x[..to.len()];
        to.iter_mut().zip(x).for_each(|(to, &x)| f(to, x));
    } else {
        to.iter_mut().zip(x.iter().step_by(stride)).for_each(|(to, &x)| f(to, x));
    }
}

/// Calls `f(tap, output, input, length)` for every run of outputs in a row that read inside the image with one tap.
#[inline(always)]
fn each_run(g: &ConvGeometry, mut f: impl FnMut(usize, usize, usize, usize)) {
    for tap in 0..g.kernel[0] * g.kernel[1] {
        each_run_of(g, tap, |to, from, n| f(tap, to, from, n));
    }
}

/// [`each_run`] for one tap.
#[inline(always)]
fn each_run_of(g: &ConvGeometry, tap: usize, mut f: impl FnMut(usize, usize, usize)) {
    let k = [tap / g.kernel[1], tap % g.kernel[1]];
    let (down, across) = (g.inside(0, k[0]), g.inside(1, k[1]));
    if across.is_empty() {
        return;
    }
    let source = |a: usize, o: usize| o * g.options.stride[a] + k[a] * g.options.dilation[a] - g.options.padding[a].0;
    for row in down {
        let (to, from) = (row * g.output[1] + across.start, source(0, row) * g.input[1] + source(1, across.start));
        f(to, from, across.len());
    }
}
