//! Where numbers are lost on the way back: which operation first gives a cotangent that is infinite or NaN.

use crate::gradients::Gradients;
use crate::{Var, sweep};
use kniff_tensor::{Element, Tensor};

/// The operation whose pull-back first gave something that is not finite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NonFinite {
    /// Its name.
    pub op: &'static str,
    /// How deep in the record it lies: see [`Var::depth`].
    pub depth: u64,
    /// The places along the first axis of what it gave where something is not finite; they are examples if it gave one row for each.
    pub rows: Vec<usize>,
    /// How many places that axis has.
    pub of: usize,
}

impl<E: Element> Var<E> {
    /// [`Var::backward`], and where on the way something that is not finite was first given by operations that were given finite numbers. It
    /// looks at every cotangent, so it is for finding faults.
    ///
    /// ```
    /// use kniff_autograd::Var;
    /// use kniff_tensor::Tensor;
    /// let x = Var::tracked(Tensor::<f64>::from_slice(&[4.0, 0.0], [2]));
    /// // The root of 0 has the value 0 and no derivative.
    /// let (gradients, lost) = x.sqrt().sum_all().backward_watched();
    /// let lost = lost.unwrap();
    /// assert_eq!((lost.op, lost.rows, lost.of), ("sqrt", vec![1], 2));
    /// assert_eq!(gradients.of(&x).unwrap().to_vec(), [0.25, f64::INFINITY]);
    /// ```
    ///
    /// # Panics
    /// As [`Var::backward`].
    #[track_caller]
    pub fn backward_watched(self) -> (Gradients<E>, Option<NonFinite>) {
        assert!(self.len() == 1, "backward_watched: a loss is one number, this has shape {}", self.shape());
        let seed = Var::constant(Tensor::ones(*self.shape()));
        let mut lost: Option<NonFinite> = None;
        let gradients = sweep::gradients_watched(self, seed, &mut |node, given| {
            if lost.is_none() && !given.all_finite() {
                let rows = given.shape().first().copied().unwrap_or(1);
                let all = given.to_vec();
                let width = (all.len() / rows.max(1)).max(1);
                let bad = all.chunks(width).enumerate().filter(|(_, row)| row.iter().any(|x| !x.is_finite()));
                lost = Some(NonFinite {
                    op: node.name(),
                    depth: node.depth,
                    rows: bad.map(|(i, _)| i).collect(),
                    of: rows,
                });
            }
        });
        (gradients, lost)
    }

    /// How many operations lie one below the other under this value; 0 for what was not computed from a leaf.
    pub fn depth(&self) -> u64 {
        self.node.as_ref().map_or(0, |node| node.depth)
    }
}
