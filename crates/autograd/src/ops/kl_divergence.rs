//! The Kullback-Leibler divergence from log-probabilities to a target distribution.

use crate::Var;
#[cfg(feature = "cases")]
use crate::case::{Case, draw};
use kniff_tensor::{Element, Tensor};

impl<E: Element> Var<E> {
    /// The terms `p (ln p - q)` of the Kullback-Leibler divergence of a distribution p from the one whose logarithm q this
    /// is; derivative `-p`. A term with p = 0 is 0.
    ///
    /// The divergence of each row is the sum over its classes; the mean over rows is that sum divided by their number
    /// (PyTorch's `batchmean`; its `mean` divides by the number of elements, which is no divergence). No gradient flows to
    /// the target.
    ///
    /// # Panics
    /// If the shapes differ.
    ///
    /// ```
    /// use kniff_autograd::Var;
    /// use kniff_tensor::Tensor;
    /// let half = Var::<f64>::constant(Tensor::from_slice(&[0.5, 0.5], [2]));
    /// let certain = Tensor::from_slice(&[0.0, 1.0], [2]);
    /// assert_eq!(half.ln().kl_divergence(&certain).sum_all().item(), std::f64::consts::LN_2);
    /// ```
    #[track_caller]
    pub fn kl_divergence(&self, target: &Tensor<E>) -> Var<E> {
        let own = target.ln().mul(target);
        let zero = target.eq_elements(&Tensor::scalar(E::ZERO));
        self.divergence(target, &zero.where_else(&Tensor::scalar(E::ZERO), &own))
    }

    /// [`Var::kl_divergence`] from a target given by its logarithm, which is exact for the smallest probabilities.
    ///
    /// # Panics
    /// If the shapes differ.
    #[track_caller]
    pub fn kl_divergence_of_logs(&self, log_target: &Tensor<E>) -> Var<E> {
        let target = log_target.exp();
        // e^-inf is 0, and 0 times -inf should be 0 too.
        let zero = target.eq_elements(&Tensor::scalar(E::ZERO));
        self.divergence(&target, &zero.where_else(&Tensor::scalar(E::ZERO), &target.mul(log_target)))
    }

    /// `own - p q`, where `own` is `p ln p`.
    #[track_caller]
    fn divergence(&self, p: &Tensor<E>, own: &Tensor<E>) -> Var<E> {
        assert!(
            p.shape() == self.shape(),
            "kl_divergence: log-probabilities of shape {} and a target of shape {} differ",
            self.shape(),
            p.shape()
        );
        Var::constant(own.clone()).sub(&self.mul(&Var::constant(p.clone())))
    }
}

#[cfg(feature = "cases")]
pub(super) const CASE: Case = Case {
    name: "kl_divergence",
    inputs: |rng| vec![draw(rng, [2, 3], -2.0, -0.1, &[])],
    f: |x| x[0].kl_divergence(&Tensor::from_slice(&[0.2, 0.0, 0.8, 0.5, 0.4, 0.1], [2, 3])).square(),
};
