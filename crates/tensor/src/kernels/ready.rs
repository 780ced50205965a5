//! Weights that are laid out once for many calls: what a network at test time is made of.

use super::conv::{self, ConvGeometry};
use super::finish::{Finish, rectified};
use super::gemm::{Block, MatMut, MatRef, panels_then};
use super::panels::{self, Left, PANEL, Right};
use super::winograd::{self, Winograd, windows};
use crate::Element;
use crate::buffer::Buffer;
use crate::simd::{Isa, Kernel, dispatch};
use std::sync::OnceLock;

/// A weight in the order that products want it in, laid out when it is first needed.
pub(crate) struct Ready<E: Element>(OnceLock<Buffer<E>>);

impl<E: Element> Ready<E> {
    pub(crate) fn new() -> Self {
        Self(OnceLock::new())
    }

    /// Bytes that it takes now.
    pub(crate) fn bytes(&self) -> usize {
        self.0.get().map_or(0, |b| b.len() * size_of::<E>())
    }

    fn get(&self, len: usize, fill: impl FnOnce(&mut [E])) -> &[E] {
        let buffer = self.0.get_or_init(|| {
            let mut buffer = Buffer::scratch(len);
            fill(buffer.as_mut_slice());
            buffer
        });
        buffer.as_slice()
    }
}

/// `y = x W^T + b` for rows of x, and the ReLU of it if asked for.
pub(crate) fn linear<E: Element>(
    x: &[E],
    weight: (&[E], &Ready<E>),
    sizes: (usize, usize, usize),
    bias: Option<&[E]>,
    relu: bool,
    y: &mut [E],
) {
    E::linear_ready(x, weight, sizes, bias, relu, y);
}

/// [`linear`], where it is compiled.
pub(super) fn linear_here<E: Element>(
    x: &[E],
    (w, ready): (&[E], &Ready<E>),
    (rows, inputs, outputs): (usize, usize, usize),
    bias: Option<&[E]>,
    relu: bool,
    y: &mut [E],
) {
    let panels = ready.get(panels::room(inputs, outputs), |panels| {
        panels::pack(MatRef::row_major(w, outputs, inputs).t(), panels);
    });
    let a = Left { data: x, row: inputs, by_columns: false };
    let b = Right { data: panels, row: PANEL, panel: inputs * PANEL };
    panels_then((rows, outputs, inputs), a, b, MatMut::row_major(y, rows, outputs), &|block| {
        if relu || bias.is_some() {
            let bias = bias.map(|bias| &bias[block.columns()]);
            dispatch(Then { bias, relu, block });
        }
    });
}

struct Then<'a, E> {
    bias: Option<&'a [E]>,
    relu: bool,
    block: Block<'a, E>,
}

impl<E: Element> Kernel for Then<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let Self { bias, relu, block } = self;
        block.for_each_row(
            #[inline(always)]
            |row| {
                if let Some(bias) = bias {
                    row.iter_mut().zip(bias).for_each(|(y, &b)| *y += b);
                }
                if relu {
                    row.iter_mut().for_each(|y| *y = rectified(*y));
                }
            },
        );
    }
}

/// `y = max(conv(x, w) + b + addend, 0)`, of which bias, addend and limit may be missing.
pub(crate) fn convolve<E: Element>(
    g: &ConvGeometry,
    x: &[E],
    weight: (&[E], &Ready<E>),
    finish: (Option<&[E]>, Option<&[E]>, bool),
    y: &mut [E],
) {
    E::convolve_ready(g, x, weight, finish, y);
}

/// [`convolve`], where it is compiled.
pub(super) fn convolve_here<E: Element>(
    g: &ConvGeometry,
    x: &[E],
    (w, ready): (&[E], &Ready<E>),
    (bias, add, relu): (Option<&[E]>, Option<&[E]>, bool),
    y: &mut [E],
) {
    let finish = Finish { bias, add, relu };
    let images = y.len() / g.output_shape(1).iter().product::<usize>().max(1);
    match Winograd::forward_ready::<E>(g, images) {
        Some(plan) => {
            // The points depend on the channels alone, not on the size of the images.
            let windows = ready.get(windows::room(&plan), |points| windows::at_points(&plan, w, points));
            winograd::convolve_ready(&plan, x, windows, finish, y);
        }
        None => conv::forward_direct(g, x, w, finish, y),
    }
}
