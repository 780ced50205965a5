//! Normalisation of every example by its own moments, element by element scaled.

use super::total::dense;
use crate::Var;
#[cfg(feature = "cases")]
use crate::case::{Case, draw};
use crate::op::{At, Cotangents, Keeps, Op, apply};
use kniff_tensor::kernels::layer_norm::{self as kernel, Saved};
use kniff_tensor::{Element, Tensor};

/// `gamma (x - mean) / sqrt(variance + eps) + beta` for every row of a matrix.
///
/// With `h = (x - mean) / sqrt(variance + eps)` and `q = gamma g`, the pull-back to gamma is the sum of `g h` over the rows,
/// that to beta the sum of g, and that to x is `(q - mean q - h mean(q h)) / sqrt(variance + eps)`.
#[derive(Clone)]
struct LayerNorm<E: Element> {
    eps: E,
    /// The mean and `1 / sqrt(variance + eps)` of every row.
    statistics: Vec<E>,
}

impl<E: Element> Op<E> for LayerNorm<E> {
    fn name(&self) -> &'static str {
        "layer_norm"
    }

    fn keeps(&self) -> Keeps {
        Keeps::inputs(0b111)
    }

    fn value(&mut self, x: &[&Tensor<E>]) -> Tensor<E> {
        let data = x[0].contiguous();
        let n = data.shape()[1];
        let gamma = x.get(1).map_or_else(|| Tensor::ones([n]), |t| t.contiguous());
        let beta = x.get(2).map_or_else(|| Tensor::zeros([n]), |t| t.contiguous());
        let mut out = Tensor::scratch(*data.shape());
        if !data.is_empty() {
            self.statistics = vec![E::ZERO; 2 * data.shape()[0]];
            kernel::statistics(dense(&data), n, self.eps, &mut self.statistics);
            let saved = Saved { x: dense(&data), statistics: &self.statistics, gamma: dense(&gamma) };
            kernel::apply(saved, dense(&beta), out.make_mut());
        }
        out
    }

    fn pull_back(&self, g: &Var<E>, at: &At<'_, E>, to: &mut Cotangents<'_, E>) {
        let (x, dy) = (at.input(0).into_value().contiguous(), g.value().contiguous());
        let n = x.shape()[1];
        let gamma = if at.arity() == 3 { at.input(1).into_value().contiguous() } else { Tensor::<E>::ones([n]) };
        let saved = Saved { x: dense(&x), statistics: &self.statistics, gamma: dense(&gamma) };
        let mut dx = Tensor::scratch(*x.shape());
        if at.arity() == 3 && (to.needs(1) || to.needs(2)) {
            let (mut dgamma, mut dbeta) = (Tensor::zeros([n]), Tensor::zeros([n]));
            if !x.is_empty() {
                let sums = (dgamma.make_mut(), dbeta.make_mut());
                kernel::backward_sums(saved, dense(&dy), dx.make_mut(), sums);
            }
            to.input(1, || dgamma.into());
            to.input(2, || dbeta.into());
        }
        to.input(0, || {
            if !x.is_empty() {
                kernel::backward_input(saved, dense(&dy), dx.make_mut());
            }
            dx.into()
        });
    }

    fn push_forward(&self, _: &[Option<&Var<E>>], _: &At<'_, E>) -> Option<Var<E>> {
        // The parts are run instead.
        None
    }

    fn parts(&self, x: &[&Var<E>]) -> Option<Var<E>> {
        let (mean, variance) = (x[0].mean(&[1], true), x[0].variance(&[1], 0, true));
        let h = x[0].sub(&mean).div(&variance.add_scalar(self.eps).sqrt());
        Some(match x {
            [_, gamma, beta] => h.mul(gamma).add(beta),
            _ => h,
        })
    }

    fn keeps_private(&self) -> bool {
        true
    }

    fn own_bytes(&self) -> usize {
        self.statistics.len() * size_of::<E>()
    }
}

impl<E: Element> Var<E> {
    /// The last `axes` axes together, less their mean and divided by `sqrt(variance + eps)`, then times gamma plus beta
    /// element by element.
    ///
    /// The variance is the biased one, in two passes. Gradients go through both moments. Source: Ba, Kiros, Hinton, "Layer
    /// normalization" (2016).
    ///
    /// ```
    /// use kniff_autograd::Var;
    /// use kniff_tensor::Tensor;
    /// let x = Var::<f64>::constant(Tensor::from_slice(&[1.0, 3.0, 10.0, 14.0], [2, 2]));
    /// assert_eq!(x.layer_norm(1, None, 0.0).value().to_vec(), [-1.0, 1.0, -1.0, 1.0]);
    /// ```
    ///
    /// # Panics
    /// If there are fewer axes, `axes` is 0, or gamma and beta have not the shape of the last `axes` axes.
    #[track_caller]
    pub fn layer_norm(&self, axes: usize, affine: Option<(&Var<E>, &Var<E>)>, eps: E) -> Var<E> {
        assert!(
            (1..=self.rank()).contains(&axes),
            "layer_norm: an input of shape {} has not {axes} axes to normalise",
            self.shape()
        );
        let last = &self.shape()[self.rank() - axes..];
        assert!(
            affine.is_none_or(|(gamma, beta)| **gamma.shape() == *last && **beta.shape() == *last),
            "layer_norm: the last {axes} axes of an input of shape {} do not fit{}",
            self.shape(),
            affine.map(|(g, b)| format!(" gamma {} and beta {}", g.shape(), b.shape())).unwrap_or_default()
        );
        let n: usize = last.iter().product();
        let rows: usize = self.shape()[..self.rank() - axes].iter().product();
        let (x, op) = (self.reshape([rows, n]), LayerNorm { eps, statistics: Vec::new() });
        let y = match affine {
            Some((gamma, beta)) => apply(op, &[&x, &gamma.reshape([n]), &beta.reshape([n])]),
            None => apply(op, &[&x]),
        };
        y.reshape(*self.shape())
    }
}

#[cfg(feature = "cases")]
pub(super) const CASE: Case = Case {
    name: "layer_norm",
    inputs: |rng| {
        let n = 2 + rng.below(4);
        vec![draw(rng, [3, n], -2.0, 2.0, &[]), draw(rng, [n], 0.5, 2.0, &[]), draw(rng, [n], -1.0, 1.0, &[])]
    },
    f: |x| x[0].layer_norm(1, Some((&x[1], &x[2])), 0.1).square(),
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grad;
    use kniff_tensor::Rng;

    #[test]
    fn the_fused_normalisation_is_its_parts() {
        let mut rng = Rng::new(2);
        for (rows, n) in [(1, 3), (7, 40), (200, 5)] {
            let x = Var::constant(Tensor::<f64>::randn([rows, n], &mut rng).affine(3.0, 10.0));
            let gamma = Var::constant(Tensor::<f64>::randn([n], &mut rng));
            let beta = Var::constant(Tensor::<f64>::randn([n], &mut rng));
            let u = Var::constant(Tensor::<f64>::randn([rows, n], &mut rng));
            let point = vec![x, gamma, beta];
            for arity in [3, 1] {
                let op = LayerNorm { eps: 1e-5, statistics: Vec::new() };
                let first = |x: &[Var<f64>]| x.iter().take(arity).cloned().collect::<Vec<_>>();
                let fused =
                    |x: &Vec<Var<f64>>| apply(op.clone(), &first(x).iter().collect::<Vec<_>>()).mul(&u).sum_all();
                let parts =
                    |x: &Vec<Var<f64>>| op.parts(&first(x).iter().collect::<Vec<_>>()).unwrap().mul(&u).sum_all();
                assert!((fused(&point).item() - parts(&point).item()).abs() < 1e-10);
                for (a, b) in grad(fused, &point).iter().zip(&grad(parts, &point)) {
                    let close = |(a, b): (&f64, f64)| assert!((a - b).abs() < 1e-9, "{a} {b}");
                    a.value().to_vec().iter().zip(b.value().to_vec()).for_each(close);
                }
            }
        }
    }

    #[test]
    #[should_panic(
        expected = "layer_norm: the last 1 axes of an input of shape [2, 3] do not fit gamma [2] and beta [2]"
    )]
    fn a_gamma_of_another_shape_is_refused() {
        let two = Var::<f64>::constant(Tensor::ones([2]));
        let _ = Var::constant(Tensor::zeros([2, 3])).layer_norm(1, Some((&two, &two)), 1e-5);
    }
}
