//! Running sums.

use crate::Var;
#[cfg(feature = "cases")]
use crate::case::{Case, one};
use crate::op::{At, Cotangents, Keeps, Op, apply};
use kniff_tensor::{Element, Tensor};

/// The running sum along an axis; the pull-back runs from the other end.
#[derive(Clone, Copy)]
struct Cumsum {
    axis: usize,
}

impl<E: Element> Op<E> for Cumsum {
    fn name(&self) -> &'static str {
        "cumsum"
    }

    fn keeps(&self) -> Keeps {
        Keeps::NOTHING
    }

    fn value(&mut self, x: &[&Tensor<E>]) -> Tensor<E> {
        x[0].cumsum(self.axis)
    }

    fn pull_back(&self, g: &Var<E>, _: &At<'_, E>, to: &mut Cotangents<'_, E>) {
        to.input(0, || g.flip(&[self.axis]).cumsum(self.axis).flip(&[self.axis]));
    }

    fn push_forward(&self, dx: &[Option<&Var<E>>], _: &At<'_, E>) -> Option<Var<E>> {
        dx[0].map(|dx| dx.cumsum(self.axis))
    }
}

impl<E: Element> Var<E> {
    /// The running sum along an axis: entry i is the sum of entries 0 to i; the gradient of entry i is the sum of those
    /// from i on.
    ///
    /// # Panics
    /// If the axis is out of range.
    #[track_caller]
    pub fn cumsum(&self, axis: usize) -> Var<E> {
        apply(Cumsum { axis }, &[self])
    }
}

#[cfg(feature = "cases")]
pub(super) const CASE: Case =
    Case { name: "cumsum", inputs: |rng| one(rng, -2.0, 2.0, &[]), f: |x| x[0].cumsum(0).square() };
