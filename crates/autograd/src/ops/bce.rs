//! The binary cross-entropy of probabilities, for those who have no logits.

use crate::Var;
#[cfg(feature = "cases")]
use crate::case::{Case, draw};
use crate::op::{At, Cotangents, Keeps, Op, apply};
use kniff_tensor::{Element, Tensor};

/// `-t max(ln p, -100) - (1-t) max(ln(1-p), -100)`; derivative `(p - t) / max(p (1-p), 1e-12)`.
#[derive(Clone)]
struct Bce<E: Element> {
    target: Tensor<E>,
}

impl<E: Element> Op<E> for Bce<E> {
    fn name(&self) -> &'static str {
        "bce"
    }

    fn keeps(&self) -> Keeps {
        Keeps::inputs(1)
    }

    fn value(&mut self, x: &[&Tensor<E>]) -> Tensor<E> {
        let floor = Tensor::scalar(E::from_f64(-100.0));
        let yes = x[0].ln().maximum(&floor).mul(&self.target);
        let no = x[0].neg().ln_1p().maximum(&floor).mul(&self.target.affine(-E::ONE, E::ONE));
        yes.add(&no).neg()
    }

    fn pull_back(&self, g: &Var<E>, at: &At<'_, E>, to: &mut Cotangents<'_, E>) {
        to.input(0, || g.mul(&self.slope(&at.input(0))));
    }

    fn push_forward(&self, dx: &[Option<&Var<E>>], at: &At<'_, E>) -> Option<Var<E>> {
        dx[0].map(|dx| dx.mul(&self.slope(&at.input(0))))
    }

    fn own_bytes(&self) -> usize {
        self.target.bytes()
    }
}

impl<E: Element> Bce<E> {
    fn slope(&self, p: &Var<E>) -> Var<E> {
        let spread = p.mul(&p.affine(-E::ONE, E::ONE)).maximum(&Var::scalar(E::from_f64(1e-12)));
        p.sub(&Var::constant(self.target.clone())).div(&spread)
    }
}

impl<E: Element> Var<E> {
    /// The binary cross-entropy `-t ln p - (1-t) ln(1-p)` of each probability p against a target t from 0 to 1;
    /// derivative `(p - t) / (p (1-p))`.
    ///
    /// Use [`Var::bce_with_logits`] wherever there are logits: a probability that was rounded to 0 or 1 has lost what the
    /// gradient needs. Here the logarithms end at -100 and the denominator at 1e-12, as in PyTorch, so that such a
    /// probability gives a large loss and not an infinite one.
    ///
    /// # Panics
    /// If the shapes differ.
    ///
    /// ```
    /// use kniff_autograd::Var;
    /// use kniff_tensor::Tensor;
    /// let p = Var::<f64>::constant(Tensor::from_slice(&[0.5, 0.0], [2]));
    /// let loss = p.bce(&Tensor::from_slice(&[1.0, 1.0], [2]));
    /// assert_eq!(loss.value().to_vec(), [std::f64::consts::LN_2, 100.0]);
    /// ```
    #[track_caller]
    pub fn bce(&self, target: &Tensor<E>) -> Var<E> {
        assert!(
            target.shape() == self.shape(),
            "bce: probabilities of shape {} and a target of shape {} differ",
            self.shape(),
            target.shape()
        );
        apply(Bce { target: target.clone() }, &[self])
    }
}

#[cfg(feature = "cases")]
pub(super) const CASE: Case = Case {
    name: "bce",
    inputs: |rng| vec![draw(rng, [2, 3], 0.1, 0.9, &[])],
    f: |x| x[0].bce(&Tensor::from_slice(&[0.0, 1.0, 0.3, 0.6, 1.0, 0.0], [2, 3])).square(),
};
