//! Scaling and shifting by numbers.

use crate::Var;
#[cfg(feature = "cases")]
use crate::case::{Case, one};
use crate::op::{At, Cotangents, Keeps, Op, apply};
use kniff_tensor::{Element, Tensor};

/// `scale x + shift`; derivative `scale`. Keeps nothing.
#[derive(Clone, Copy)]
struct Affine<E> {
    scale: E,
    shift: E,
}

impl<E: Element> Op<E> for Affine<E> {
    fn name(&self) -> &'static str {
        "affine"
    }

    fn keeps(&self) -> Keeps {
        Keeps::NOTHING
    }

    fn value(&mut self, x: &[&Tensor<E>]) -> Tensor<E> {
        if self.scale == E::ONE {
            x[0].add_scalar(self.shift)
        } else if self.shift == E::ZERO {
            x[0].mul_scalar(self.scale)
        } else {
            x[0].affine(self.scale, self.shift)
        }
    }

    fn pull_back(&self, g: &Var<E>, _: &At<'_, E>, to: &mut Cotangents<'_, E>) {
        to.input(0, || self.scaled(g));
    }

    fn push_forward(&self, dx: &[Option<&Var<E>>], _: &At<'_, E>) -> Option<Var<E>> {
        dx[0].map(|dx| self.scaled(dx))
    }
}

impl<E: Element> Affine<E> {
    fn scaled(&self, g: &Var<E>) -> Var<E> {
        if self.scale == E::ONE { g.clone() } else { g.affine(self.scale, E::ZERO) }
    }
}

impl<E: Element> Var<E> {
    /// `scale x + shift` of every element; derivative `scale`.
    pub fn affine(&self, scale: E, shift: E) -> Var<E> {
        apply(Affine { scale, shift }, &[self])
    }

    /// `-x` of every element.
    pub fn neg(&self) -> Var<E> {
        self.affine(-E::ONE, E::ZERO)
    }

    /// `c x` of every element.
    pub fn mul_scalar(&self, c: E) -> Var<E> {
        self.affine(c, E::ZERO)
    }

    /// `x + c` of every element.
    pub fn add_scalar(&self, c: E) -> Var<E> {
        self.affine(E::ONE, c)
    }
}

#[cfg(feature = "cases")]
pub(super) const CASE: Case =
    Case { name: "affine", inputs: |rng| one(rng, -3.0, 3.0, &[]), f: |x| x[0].affine(-1.7, 0.3) };
