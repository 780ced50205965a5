//! Rows of a table by their numbers: the lookup of an embedding, and its adjoint.

use crate::Var;
#[cfg(feature = "cases")]
use crate::case::{Case, draw};
use crate::op::{At, Cotangents, Keeps, Op, apply};
use kniff_tensor::{Element, Indices, Shape, Tensor};

/// What becomes of the row that is held constant, if there is one.
#[derive(Clone, Copy, PartialEq)]
enum Held {
    /// It is looked up like the others, but nothing comes back to it.
    Row(Option<usize>),
    /// It is looked up as zeros: the linear part of the above.
    Zero(Option<usize>),
}

impl Held {
    fn row(self) -> Option<usize> {
        match self {
            Held::Row(row) | Held::Zero(row) => row,
        }
    }
}

/// One row of the table for each number; the pull-back adds what comes back to the rows it came from.
#[derive(Clone)]
struct Rows {
    at: Indices,
    held: Held,
}

impl<E: Element> Op<E> for Rows {
    fn name(&self) -> &'static str {
        "rows"
    }
    fn keeps(&self) -> Keeps {
        Keeps::NOTHING
    }
    fn value(&mut self, x: &[&Tensor<E>]) -> Tensor<E> {
        let mut out = x[0].index_select(0, self.at.as_slice());
        if let Held::Zero(Some(held)) = self.held {
            zero(&self.at, held, &mut out);
        }
        out.reshape(shape_of(&self.at, x[0].shape()[1]))
    }
    fn pull_back(&self, g: &Var<E>, at: &At<'_, E>, to: &mut Cotangents<'_, E>) {
        to.input(0, || {
            let op = AddRows { at: self.at.clone(), held: self.held.row(), rows: at.shape(0)[0] };
            apply(op, &[&g.reshape([self.at.len(), at.shape(0)[1]])])
        });
    }
    fn push_forward(&self, dx: &[Option<&Var<E>>], _: &At<'_, E>) -> Option<Var<E>> {
        dx[0].map(|dx| apply(Rows { at: self.at.clone(), held: Held::Zero(self.held.row()) }, &[dx]))
    }
    fn own_bytes(&self) -> usize {
        self.at.len() * size_of::<usize>()
    }
}

/// The adjoint of [`Rows`]: rows added up at their numbers in a table of zeros, all but the one that is held.
#[derive(Clone)]
struct AddRows {
    at: Indices,
    held: Option<usize>,
    rows: usize,
}

impl<E: Element> Op<E> for AddRows {
    fn name(&self) -> &'static str {
        "add_rows"
    }
    fn keeps(&self) -> Keeps {
        Keeps::NOTHING
    }
    fn value(&mut self, x: &[&Tensor<E>]) -> Tensor<E> {
        let width = x[0].shape()[1];
        let mut out = Tensor::zeros([self.rows, width]).index_add(0, self.at.as_slice(), x[0]);
        if let Some(held) = self.held {
            out.make_mut()[held * width..][..width].fill(E::ZERO);
        }
        out
    }
    fn pull_back(&self, g: &Var<E>, at: &At<'_, E>, to: &mut Cotangents<'_, E>) {
        let op = Rows { at: self.at.clone(), held: Held::Zero(self.held) };
        to.input(0, || apply(op, &[g]).reshape(*at.shape(0)));
    }
    fn push_forward(&self, dx: &[Option<&Var<E>>], _: &At<'_, E>) -> Option<Var<E>> {
        dx[0].map(|dx| apply(self.clone(), &[dx]))
    }
    fn own_bytes(&self) -> usize {
        self.at.len() * size_of::<usize>()
    }
}

fn shape_of(at: &Indices, width: usize) -> Shape {
    at.shape().with_axis(at.shape().len(), width)
}

/// Sets the rows to zero that were looked up at `held`.
fn zero<E: Element>(at: &Indices, held: usize, out: &mut Tensor<E>) {
    let width = out.shape()[1];
    let slots = out.make_mut();
    for (i, _) in at.as_slice().iter().enumerate().filter(|(_, row)| **row == held) {
        slots[i * width..][..width].fill(E::ZERO);
    }
}

impl<E: Element> Var<E> {
    /// The rows of a table [rows, width] at the given numbers: shape `[.., width]` for numbers of shape `[..]`.
    ///
    /// What comes back to a row that is looked up more than once adds up. The row `held` is a constant: it is looked up
    /// like the others, and its gradient is 0.
    ///
    /// # Panics
    /// Unless this has two axes and every number is that of a row.
    #[track_caller]
    pub fn rows(&self, at: &Indices, held: Option<usize>) -> Var<E> {
        assert!(self.rank() == 2, "rows: a table of shape {} is not [rows, width]", self.shape());
        let rows = self.shape()[0];
        let outside = at.as_slice().iter().copied().chain(held).find(|&row| row >= rows);
        assert!(
            outside.is_none(),
            "rows: there is no row {} in a table of shape {}",
            outside.unwrap_or(0),
            self.shape()
        );
        apply(Rows { at: at.clone(), held: Held::Row(held) }, &[self])
    }
}

#[cfg(feature = "cases")]
pub(super) const CASE: Case = Case {
    name: "rows",
    inputs: |rng| vec![draw(rng, [4, 3], -2.0, 2.0, &[])],
    f: |x| x[0].rows(&Indices::new(vec![3, 0, 3, 1], [2, 2]), None).square(),
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{grad, jvp};

    #[test]
    fn a_held_row_is_looked_up_but_nothing_moves_it() {
        let table = Var::constant(Tensor::<f64>::arange(6).reshape([3, 2]));
        let at = Indices::from_vec(vec![2, 0, 2]);
        let f = |x: &Vec<Var<f64>>| x[0].rows(&at, Some(0)).square().sum_all();
        assert_eq!(table.rows(&at, Some(0)).value().to_vec(), [4.0, 5.0, 0.0, 1.0, 4.0, 5.0]);
        // Row 2 twice: 2 (2 x); row 0 held; row 1 never looked up.
        let point = vec![table];
        assert_eq!(grad(f, &point)[0].value().to_vec(), [0.0, 0.0, 0.0, 0.0, 16.0, 20.0]);
        let ones = vec![Var::constant(Tensor::ones([3, 2]))];
        let (_, tangent) = jvp(|x: &Vec<Var<f64>>| x[0].rows(&at, Some(0)), &point, &ones);
        assert_eq!(tangent.value().to_vec(), [1.0, 1.0, 0.0, 0.0, 1.0, 1.0]);
    }

    #[test]
    #[should_panic(expected = "rows: there is no row 3 in a table of shape [3, 2]")]
    fn a_number_out_of_range_is_named() {
        let _ = Var::<f32>::constant(Tensor::zeros([3, 2])).rows(&Indices::from_vec(vec![1, 3]), None);
    }
}
