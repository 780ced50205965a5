//! Normalisation over a batch, column by column.

use super::total::dense;
use crate::Var;
use crate::case::{Case, draw};
use crate::op::{At, Cotangents, Keeps, Op, apply};
use kniff_tensor::kernels::Identity;
use kniff_tensor::kernels::batch_norm::{self as kernel, Saved};
use kniff_tensor::{Element, Tensor};

/// The mean and the variance of every column.
#[derive(Clone, Debug)]
pub struct ColumnMoments<E: Element> {
    /// The means, `[columns]`.
    pub mean: Tensor<E>,
    /// The variances with the sum of squares divided by the number of rows, `[columns]`.
    pub variance: Tensor<E>,
}

impl<E: Element> ColumnMoments<E> {
    /// Of a matrix (NaN without rows); in two passes, so that a mean that is large beside the deviation does no harm.
    ///
    /// # Panics
    /// Unless `x` has two axes.
    #[track_caller]
    pub fn of(x: &Tensor<E>) -> Self {
        assert!(x.rank() == 2, "batch_norm: an input of shape {} is not a matrix", x.shape());
        let (x, columns) = (x.contiguous(), x.shape()[1]);
        let (mut mean, mut variance) = (Tensor::scratch([columns]), Tensor::scratch([columns]));
        if columns > 0 {
            kernel::statistics(dense(&x), columns, mean.make_mut(), variance.make_mut());
        }
        Self { mean, variance }
    }
}

/// `gamma (x - mean) / sqrt(variance + eps) + beta` for the rows of a matrix.
///
/// With `h = (x - mean) / sqrt(variance + eps)`, the pull-back to gamma is `sum g h`, that to beta `sum g`, and that to x is
/// `gamma / sqrt(variance + eps) (g - mean g - h mean(g h))` where the moments are those of x, and without the means where
/// they are given.
#[derive(Clone)]
struct BatchNorm<E: Element> {
    moments: ColumnMoments<E>,
    eps: E,
    /// Whether the moments are those of the input, so that the gradient goes through them.
    of_input: bool,
}

impl<E: Element> Op<E> for BatchNorm<E> {
    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn keeps(&self) -> Keeps {
        Keeps::inputs(0b111)
    }

    fn value(&mut self, x: &[&Tensor<E>]) -> Tensor<E> {
        let (data, mean) = (x[0].contiguous(), self.moments.mean.contiguous());
        let inverse = self.inverse_deviation();
        let (gamma, beta) = (x.get(1).map(|t| t.contiguous()), x.get(2).map(|t| t.contiguous()));
        let affine = (gamma.as_ref().map(dense), beta.as_ref().map(dense));
        let mut out = Tensor::scratch(*data.shape());
        if !data.is_empty() {
            kernel::apply(Identity, dense(&data), (dense(&mean), &inverse), affine, out.make_mut());
        }
        out
    }

    fn pull_back(&self, g: &Var<E>, at: &At<'_, E>, to: &mut Cotangents<'_, E>) {
        let (x, dy) = (at.input(0).into_value().contiguous(), g.value().contiguous());
        let mean = self.moments.mean.contiguous();
        let inverse = self.inverse_deviation();
        let gamma = (at.arity() == 3).then(|| at.input(1).into_value().contiguous());
        let saved =
            Saved { x: dense(&x), mean: dense(&mean), inv_std: &inverse, gamma: gamma.as_ref().map(dense), relu: None };
        let columns = mean.len();
        let (mut dgamma, mut dbeta) = (Tensor::zeros([columns]), Tensor::zeros([columns]));
        let through = self.of_input && to.needs(0);
        let affine = gamma.is_some() && (to.needs(1) || to.needs(2));
        if !x.is_empty() && (through || affine) {
            kernel::backward_sums(saved, dense(&dy), dgamma.make_mut(), dbeta.make_mut());
        }
        to.input(0, || {
            if !self.of_input {
                let factor = Tensor::from_slice(&inverse, [columns]);
                let factor = gamma.as_ref().map_or(factor.clone(), |gamma| factor.mul(gamma));
                return dy.mul(&factor).into();
            }
            let mut dx = Tensor::scratch(*x.shape());
            if !x.is_empty() {
                kernel::backward_input(saved, dense(&dy), dense(&dgamma), dense(&dbeta), dx.make_mut());
            }
            dx.into()
        });
        if affine {
            to.input(1, || dgamma.clone().into());
            to.input(2, || dbeta.clone().into());
        }
    }

    fn push_forward(&self, _: &[Option<&Var<E>>], _: &At<'_, E>) -> Option<Var<E>> {
        // The parts are run instead.
        None
    }

    fn parts(&self, x: &[&Var<E>]) -> Option<Var<E>> {
        let (mean, variance) = if self.of_input {
            (x[0].mean(&[0], true), x[0].variance(&[0], 0, true))
        } else {
            (self.moments.mean.clone().into(), self.moments.variance.clone().into())
        };
        let h = x[0].sub(&mean).div(&variance.add_scalar(self.eps).sqrt());
        Some(match x {
            [_, gamma, beta] => h.mul(gamma).add(beta),
            _ => h,
        })
    }

    fn own_bytes(&self) -> usize {
        self.moments.mean.bytes() + self.moments.variance.bytes()
    }
}

impl<E: Element> BatchNorm<E> {
    /// `1 / sqrt(variance + eps)`.
    fn inverse_deviation(&self) -> Vec<E> {
        kernel::inverse_std(dense(&self.moments.variance.contiguous()), self.eps)
    }
}

impl<E: Element> Var<E> {
    /// Every column of a matrix, less its mean and divided by `sqrt(variance + eps)`, then times gamma plus beta.
    ///
    /// `moments` are [`ColumnMoments::of`] this matrix; the gradient goes through them. The variance is the biased one.
    /// Source: Ioffe, Szegedy, "Batch normalization" (2015).
    ///
    /// # Panics
    /// Unless this has shape [n, columns] and all others `[columns]`.
    #[track_caller]
    pub fn batch_norm(&self, moments: &ColumnMoments<E>, affine: Option<(&Var<E>, &Var<E>)>, eps: E) -> Var<E> {
        self.normalise(moments, affine, eps, true)
    }

    /// [`Var::batch_norm`] with moments that do not belong to this matrix, such as running statistics: an affine
    /// function of each column, in one pass.
    ///
    /// # Panics
    /// Unless this has shape [n, columns] and all others `[columns]`.
    #[track_caller]
    pub fn normalise_columns(&self, moments: &ColumnMoments<E>, affine: Option<(&Var<E>, &Var<E>)>, eps: E) -> Var<E> {
        self.normalise(moments, affine, eps, false)
    }

    #[track_caller]
    fn normalise(
        &self,
        moments: &ColumnMoments<E>,
        affine: Option<(&Var<E>, &Var<E>)>,
        eps: E,
        of_input: bool,
    ) -> Var<E> {
        assert!(self.rank() == 2, "batch_norm: an input of shape {} is not a matrix", self.shape());
        let columns = [self.shape()[1]];
        let fits = *moments.mean.shape() == columns
            && *moments.variance.shape() == columns
            && affine.is_none_or(|(gamma, beta)| *gamma.shape() == columns && *beta.shape() == columns);
        assert!(
            fits,
            "batch_norm: an input of shape {} does not fit moments of shape {}{}",
            self.shape(),
            moments.mean.shape(),
            affine.map(|(g, b)| format!(", gamma {} and beta {}", g.shape(), b.shape())).unwrap_or_default()
        );
        let op = BatchNorm { moments: moments.clone(), eps, of_input };
        match affine {
            Some((gamma, beta)) => apply(op, &[self, gamma, beta]),
            None => apply(op, &[self]),
        }
    }
}

fn inputs(rng: &mut kniff_tensor::Rng) -> Vec<Tensor<f64>> {
    vec![draw(rng, [5, 3], -2.0, 2.0, &[]), draw(rng, [3], 0.5, 2.0, &[]), draw(rng, [3], -1.0, 1.0, &[])]
}

pub(super) const BATCH: Case = Case {
    name: "batch_norm",
    inputs,
    f: |x| x[0].batch_norm(&ColumnMoments::of(x[0].value()), Some((&x[1], &x[2])), 0.1).square(),
};
pub(super) const GIVEN: Case = Case {
    name: "normalise_columns",
    inputs,
    f: |x| {
        let moments = ColumnMoments { mean: Tensor::linspace(-1.0, 1.0, 3), variance: Tensor::linspace(0.5, 2.0, 3) };
        x[0].normalise_columns(&moments, Some((&x[1], &x[2])), 0.1).square()
    },
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grad;
    use kniff_tensor::Rng;

    #[test]
    fn the_fused_normalisation_is_its_parts() {
        let mut rng = Rng::new(2);
        for rows in [2, 7, 200] {
            let x = Var::constant(Tensor::<f64>::randn([rows, 5], &mut rng).affine(3.0, 10.0));
            let gamma = Var::constant(Tensor::<f64>::randn([5], &mut rng));
            let beta = Var::constant(Tensor::<f64>::randn([5], &mut rng));
            let u = Var::constant(Tensor::<f64>::randn([rows, 5], &mut rng));
            let point = vec![x.clone(), gamma, beta];
            for of_input in [true, false] {
                for arity in [3, 1] {
                    let op = BatchNorm { moments: ColumnMoments::of(x.value()), eps: 1e-5, of_input };
                    let fused = |x: &Vec<Var<f64>>| {
                        apply(op.clone(), &x.iter().take(arity).collect::<Vec<_>>()).mul(&u).sum_all()
                    };
                    let parts = |x: &Vec<Var<f64>>| {
                        op.parts(&x.iter().take(arity).collect::<Vec<_>>()).unwrap().mul(&u).sum_all()
                    };
                    assert!((fused(&point).item() - parts(&point).item()).abs() < 1e-10);
                    for (a, b) in grad(fused, &point).iter().zip(&grad(parts, &point)) {
                        let close = |(a, b): (&f64, f64)| assert!((a - b).abs() < 1e-9, "{a} {b}");
                        a.value().to_vec().iter().zip(b.value().to_vec()).for_each(close);
                    }
                }
            }
        }
    }

    #[test]
    fn threads_change_nothing() {
        let mut rng = Rng::new(4);
        let (x, g) = (Tensor::<f32>::randn([3000, 40], &mut rng), Tensor::<f32>::randn([3000, 40], &mut rng));
        let run = |threads| {
            kniff_tensor::parallel::with_threads(threads, || {
                let x = Var::tracked(x.clone());
                let y = x.batch_norm(&ColumnMoments::of(x.value()), None, 1e-5);
                let value = y.value().to_vec();
                let gradient = y.mul(&g.clone().into()).sum_all().backward();
                (value, gradient.of(&x).unwrap().to_vec())
            })
        };
        assert_eq!(run(1), run(3));
    }
}
