//! Picking by position: gather, index_select, and their adjoints.

use crate::Var;
#[cfg(feature = "cases")]
use crate::case::{Case, draw};
use crate::op::{At, Cotangents, Keeps, Op, apply};
use kniff_tensor::{Element, Indices, Shape, Tensor};

/// One element per position along an axis.
#[derive(Clone)]
struct Gather {
    axis: usize,
    at: Indices,
}

impl<E: Element> Op<E> for Gather {
    fn name(&self) -> &'static str {
        "gather"
    }
    fn keeps(&self) -> Keeps {
        Keeps::NOTHING
    }
    fn value(&mut self, x: &[&Tensor<E>]) -> Tensor<E> {
        x[0].gather(self.axis, &self.at)
    }
    fn pull_back(&self, g: &Var<E>, at: &At<'_, E>, to: &mut Cotangents<'_, E>) {
        to.input(0, || g.scatter_add_into(self.axis, &self.at, *at.shape(0)));
    }
    fn push_forward(&self, dx: &[Option<&Var<E>>], _: &At<'_, E>) -> Option<Var<E>> {
        dx[0].map(|dx| dx.gather(self.axis, &self.at))
    }
    fn own_bytes(&self) -> usize {
        self.at.len() * size_of::<usize>()
    }
}

/// The adjoint of [`Gather`]: elements added up at positions of a tensor of zeros.
#[derive(Clone)]
struct ScatterAdd {
    axis: usize,
    at: Indices,
    shape: Shape,
}

impl<E: Element> Op<E> for ScatterAdd {
    fn name(&self) -> &'static str {
        "scatter_add"
    }
    fn keeps(&self) -> Keeps {
        Keeps::NOTHING
    }
    fn value(&mut self, x: &[&Tensor<E>]) -> Tensor<E> {
        Tensor::zeros(self.shape).scatter_add(self.axis, &self.at, x[0])
    }
    fn pull_back(&self, g: &Var<E>, _: &At<'_, E>, to: &mut Cotangents<'_, E>) {
        to.input(0, || g.gather(self.axis, &self.at));
    }
    fn push_forward(&self, dx: &[Option<&Var<E>>], _: &At<'_, E>) -> Option<Var<E>> {
        dx[0].map(|dx| dx.scatter_add_into(self.axis, &self.at, self.shape))
    }
    fn own_bytes(&self) -> usize {
        self.at.len() * size_of::<usize>()
    }
}

impl<E: Element> Var<E> {
    /// The elements at `at` along an axis; `at` has as many axes as this, and other axes no longer than this one's.
    ///
    /// # Panics
    /// If a position is out of range or the shapes do not fit.
    #[track_caller]
    pub fn gather(&self, axis: usize, at: &Indices) -> Var<E> {
        apply(Gather { axis, at: at.clone() }, &[self])
    }

    /// A tensor of zeros of `shape` to which these elements are added at `at` along an axis.
    ///
    /// # Panics
    /// If a position is out of range or the shapes do not fit.
    #[track_caller]
    pub fn scatter_add_into(&self, axis: usize, at: &Indices, shape: impl Into<Shape>) -> Var<E> {
        apply(ScatterAdd { axis, at: at.clone(), shape: shape.into() }, &[self])
    }

    /// The whole slices at `at` of an axis, in that order, repetitions included.
    ///
    /// # Panics
    /// If a position is out of range.
    #[track_caller]
    pub fn index_select(&self, axis: usize, at: &[usize]) -> Var<E> {
        assert!(axis < self.rank(), "index_select: axis {axis} of shape {}", self.shape());
        let mut shape = self.shape().to_vec();
        shape[axis] = at.len();
        let inner: usize = shape[axis + 1..].iter().product();
        let n: usize = shape.iter().product();
        let positions = (0..n).map(|i| at[i / inner % at.len()]).collect();
        self.gather(axis, &Indices::new(positions, shape))
    }
}

#[cfg(feature = "cases")]
pub(super) const GATHER: Case = Case {
    name: "gather",
    inputs: |rng| vec![draw(rng, [3, 4], -2.0, 2.0, &[])],
    f: |x| x[0].gather(1, &Indices::new(vec![0, 3, 1, 1, 2, 2], [3, 2])).square(),
};
#[cfg(feature = "cases")]
pub(super) const SCATTER_ADD: Case = Case {
    name: "scatter_add",
    inputs: |rng| vec![draw(rng, [3, 2], -2.0, 2.0, &[])],
    f: |x| x[0].scatter_add_into(1, &Indices::new(vec![0, 3, 1, 1, 2, 2], [3, 2]), [3, 4]).square(),
};
#[cfg(feature = "cases")]
pub(super) const INDEX_SELECT: Case = Case {
    name: "index_select",
    inputs: |rng| vec![draw(rng, [3, 2], -2.0, 2.0, &[])],
    f: |x| x[0].index_select(0, &[2, 0, 2]).square(),
};
