//! Sums and means over axes.

use crate::Var;
#[cfg(feature = "cases")]
use crate::case::{Case, draw, one};
use crate::op::{At, Cotangents, Keeps, Op, apply};
use kniff_tensor::{Element, Shape, Tensor};

/// The sum over axes; its pull-back repeats. Keeps nothing.
#[derive(Clone)]
struct Sum {
    axes: Vec<usize>,
    keepdim: bool,
}

impl<E: Element> Op<E> for Sum {
    fn name(&self) -> &'static str {
        "sum"
    }

    fn keeps(&self) -> Keeps {
        Keeps::NOTHING
    }

    fn value(&mut self, x: &[&Tensor<E>]) -> Tensor<E> {
        x[0].sum(&self.axes, self.keepdim)
    }

    fn pull_back(&self, g: &Var<E>, at: &At<'_, E>, to: &mut Cotangents<'_, E>) {
        to.input(0, || g.reshape(reduced(at.shape(0), &self.axes)).broadcast_to(*at.shape(0)));
    }

    fn push_forward(&self, dx: &[Option<&Var<E>>], _: &At<'_, E>) -> Option<Var<E>> {
        dx[0].map(|dx| dx.sum(&self.axes, self.keepdim))
    }
}

/// The shape with the given axes shrunk to 1.
pub(super) fn reduced(shape: &Shape, axes: &[usize]) -> Shape {
    let mut out = shape.to_vec();
    for &axis in axes {
        out[axis] = 1;
    }
    Shape::new(&out)
}

impl<E: Element> Var<E> {
    /// The sum over `axes`, which stay with size 1 if `keepdim` is set.
    ///
    /// # Panics
    /// If an axis is out of range or named twice.
    #[track_caller]
    pub fn sum(&self, axes: &[usize], keepdim: bool) -> Var<E> {
        apply(Sum { axes: axes.to_vec(), keepdim }, &[self])
    }

    /// The sum of all elements.
    pub fn sum_all(&self) -> Var<E> {
        self.sum(&(0..self.rank()).collect::<Vec<_>>(), false)
    }

    /// The mean over `axes`, which stay with size 1 if `keepdim` is set; NaN over nothing.
    ///
    /// # Panics
    /// If an axis is out of range or named twice.
    #[track_caller]
    pub fn mean(&self, axes: &[usize], keepdim: bool) -> Var<E> {
        let sum = self.sum(axes, keepdim);
        let n: usize = axes.iter().map(|&a| self.shape()[a]).product();
        sum.affine(E::ONE / E::from_usize(n), E::ZERO)
    }

    /// The mean of all elements; NaN of nothing.
    pub fn mean_all(&self) -> Var<E> {
        self.sum_all().affine(E::ONE / E::from_usize(self.len()), E::ZERO)
    }

    /// The variance over `axes` with the sum of squares divided by `n - ddof`.
    ///
    /// # Panics
    /// If an axis is out of range or named twice.
    #[track_caller]
    pub fn variance(&self, axes: &[usize], ddof: usize, keepdim: bool) -> Var<E> {
        let n: usize = axes.iter().map(|&a| self.shape()[a]).product();
        let centred = self.sub(&self.mean(axes, true));
        let scale = E::ONE / (E::from_usize(n) - E::from_usize(ddof));
        centred.square().sum(axes, keepdim).affine(scale, E::ZERO)
    }

    /// The standard deviation over `axes`: the square root of [`Var::variance`], whose derivative is infinite at 0.
    ///
    /// # Panics
    /// If an axis is out of range or named twice.
    #[track_caller]
    pub fn std(&self, axes: &[usize], ddof: usize, keepdim: bool) -> Var<E> {
        self.variance(axes, ddof, keepdim).sqrt()
    }

    /// The axes that broadcasting from `shape` repeated, summed: the adjoint of [`Var::broadcast_to`].
    ///
    /// # Panics
    /// If `shape` does not broadcast to this one's.
    #[track_caller]
    pub fn sum_to(&self, shape: impl Into<Shape>) -> Var<E> {
        let shape = shape.into();
        if shape == *self.shape() {
            return self.clone();
        }
        let fits = shape.broadcast(self.shape()) == Some(*self.shape());
        assert!(fits, "sum_to: shape {shape} does not broadcast to {}", self.shape());
        let lead = self.rank() - shape.len();
        let repeated = |a: usize| a < lead || (shape[a - lead] == 1 && self.shape()[a] != 1);
        let axes: Vec<usize> = (0..self.rank()).filter(|&a| repeated(a)).collect();
        self.sum(&axes, false).reshape(shape)
    }
}

#[cfg(feature = "cases")]
pub(super) const SUM: Case =
    Case { name: "sum", inputs: |rng| one(rng, -2.0, 2.0, &[]), f: |x| x[0].sum(&[x[0].rank() - 1], false).square() };
#[cfg(feature = "cases")]
pub(super) const MEAN: Case =
    Case { name: "mean", inputs: |rng| one(rng, -2.0, 2.0, &[]), f: |x| x[0].mean(&[0], true).square() };
#[cfg(feature = "cases")]
pub(super) const VARIANCE: Case =
    Case { name: "variance", inputs: |rng| one(rng, -2.0, 2.0, &[]), f: |x| x[0].variance(&[0], 0, false) };
#[cfg(feature = "cases")]
pub(super) const STD: Case =
    Case { name: "std", inputs: |rng| vec![draw(rng, [4, 3], -2.0, 2.0, &[])], f: |x| x[0].std(&[0], 1, false) };
