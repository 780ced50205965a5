//! What happens to an output of a convolution while it is in the cache.

use crate::Element;
use crate::simd::{Isa, Kernel, dispatch};

/// `max(y + bias + addend, 0)`, of which each part may be missing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Finish<'a, E> {
    /// A number for each channel.
    pub(super) bias: Option<&'a [E]>,
    /// A number for each output: the other branch of a residual block.
    pub(super) add: Option<&'a [E]>,
    /// Whether what is negative becomes 0.
    pub(super) relu: bool,
}

impl<'a, E: Element> Finish<'a, E> {
    /// The bias alone.
    pub(super) fn bias(bias: Option<&'a [E]>) -> Self {
        Self { bias, add: None, relu: false }
    }

    /// For outputs that start so far on, at a first channel.
    pub(super) fn from(self, outputs: usize) -> Self {
        Self { add: self.add.map(|add| &add[outputs..]), ..self }
    }

    /// For one image's outputs from a channel on.
    pub(super) fn of_channels(self, first: usize, area: usize) -> Self {
        Self { bias: self.bias.map(|bias| &bias[first..]), ..self.from(first * area) }
    }

    /// Whether anything is left to do where the bias has been added already.
    pub(super) fn more(&self) -> bool {
        self.add.is_some() || self.relu
    }

    /// The addend and the limit for the outputs of an image, whose bias has been added.
    pub(super) fn rest(&self, y: &mut [E]) {
        dispatch(Rest { finish: *self, y });
    }
}

struct Rest<'a, E> {
    finish: Finish<'a, E>,
    y: &'a mut [E],
}

impl<E: Element> Kernel for Rest<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let Self { finish, y } = self;
        match (finish.add, finish.relu) {
            (Some(add), true) => y.iter_mut().zip(add).for_each(|(y, &x)| *y = rectified(*y + x)),
            (Some(add), false) => y.iter_mut().zip(add).for_each(|(y, &x)| *y += x),
            (None, true) => y.iter_mut().for_each(|y| *y = rectified(*y)),
            (None, false) => {}
        }
    }
}

/// What the ReLU makes of a number; NaN stays.
#[inline(always)]
pub(super) fn rectified<E: Element>(x: E) -> E {
    if x < E::ZERO { E::ZERO } else { x }
}
