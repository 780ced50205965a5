//! Normalisation of groups of channels of every example.

use super::total::dense;
use crate::Var;
#[cfg(feature = "cases")]
use crate::case::{Case, draw};
use crate::op::{At, Cotangents, Keeps, Op, apply};
use kniff_tensor::kernels::reduce::{self, Sum};
use kniff_tensor::kernels::{layer_norm, planes};
use kniff_tensor::{Element, Tensor};

/// `gamma (x - mean) / sqrt(variance + eps) + beta` where the moments are those of a group of channels of one example,
/// and gamma and beta belong to the channels.
///
/// With `h = (x - mean) / sqrt(variance + eps)` and `q = gamma g`, the pull-back to gamma is the sum of `g h` over examples
/// and positions, that to beta the sum of g, and that to x is `(q - mean q - h mean(q h)) / sqrt(variance + eps)`.
#[derive(Clone)]
struct GroupNorm<E: Element> {
    groups: usize,
    eps: E,
    /// The mean and `1 / sqrt(variance + eps)` of every group of every example.
    statistics: Vec<E>,
}

/// How many examples, channels and values in each plane a batch has.
fn planes_of<E: Element>(x: &Tensor<E>) -> (usize, usize, usize) {
    (x.shape()[0], x.shape()[1], x.shape()[2..].iter().product())
}

impl<E: Element> Op<E> for GroupNorm<E> {
    fn name(&self) -> &'static str {
        "group_norm"
    }

    fn keeps(&self) -> Keeps {
        Keeps::inputs(0b111)
    }

    fn value(&mut self, x: &[&Tensor<E>]) -> Tensor<E> {
        let data = x[0].contiguous();
        let mut out = Tensor::scratch(*data.shape());
        if data.is_empty() {
            return out;
        }
        let (n, channels, length) = planes_of(&data);
        let together = channels / self.groups;
        self.statistics = vec![E::ZERO; 2 * n * self.groups];
        layer_norm::statistics(dense(&data), together * length, self.eps, &mut self.statistics);
        let (gamma, beta) = (x.get(1).map(|t| t.contiguous()), x.get(2).map(|t| t.contiguous()));
        let number = |of: &Option<Tensor<E>>, c: usize, default: E| of.as_ref().map_or(default, |t| dense(t)[c]);
        let rows: Vec<[E; 3]> = (0..n * channels)
            .map(|r| {
                let (pair, c) = (&self.statistics[r / together * 2..][..2], r % channels);
                [pair[0], number(&gamma, c, E::ONE) * pair[1], number(&beta, c, E::ZERO)]
            })
            .collect();
        planes::affine(dense(&data), length, &rows, out.make_mut());
        out
    }

    fn pull_back(&self, g: &Var<E>, at: &At<'_, E>, to: &mut Cotangents<'_, E>) {
        let (x, dy) = (at.input(0).into_value().contiguous(), g.value().contiguous());
        let (n, channels, length) = planes_of(&x);
        if x.is_empty() {
            to.input(0, || dy.clone().into());
            for affine in 1..at.arity() {
                to.input(affine, || Tensor::zeros([channels]).into());
            }
            return;
        }
        let gamma = (at.arity() == 3).then(|| at.input(1).into_value().contiguous());
        let gamma: Vec<E> = gamma.map_or_else(|| vec![E::ONE; channels], |t| dense(&t).to_vec());
        let together = channels / self.groups;
        let pair = |r: usize| (self.statistics[r / together * 2], self.statistics[r / together * 2 + 1]);
        let centres: Vec<E> = (0..n * channels).map(|r| pair(r).0).collect();
        let mut sums = vec![E::ZERO; 2 * n * channels];
        planes::sums(dense(&dy), dense(&x), length, &centres, &mut sums);
        to.input(0, || {
            let count = E::from_usize(together * length);
            // The means of q and of q h, group by group.
            let means: Vec<[E; 2]> = (0..n * self.groups)
                .map(|group| {
                    let (mut of_q, mut of_qh) = (E::ZERO, E::ZERO);
                    for r in group * together..(group + 1) * together {
                        of_q += gamma[r % channels] * sums[2 * r];
                        of_qh += gamma[r % channels] * sums[2 * r + 1];
                    }
                    [of_q / count, of_qh * self.statistics[2 * group + 1] / count]
                })
                .collect();
            let rows: Vec<[E; 4]> = (0..n * channels)
                .map(|r| {
                    let ((mean, inverse), [of_q, of_qh]) = (pair(r), means[r / together]);
                    [inverse * gamma[r % channels], -(inverse * inverse * of_qh), mean, -(inverse * of_q)]
                })
                .collect();
            let mut dx = Tensor::scratch(*x.shape());
            planes::combine(dense(&dy), dense(&x), length, &rows, dx.make_mut());
            dx.into()
        });
        if at.arity() == 3 && (to.needs(1) || to.needs(2)) {
            for (r, sums) in sums.chunks_exact_mut(2).enumerate() {
                sums[1] *= pair(r).1;
            }
            let mut of_channels = vec![E::ZERO; 2 * channels];
            reduce::columns(Sum, &sums, (n, 2 * channels), &mut of_channels);
            let part = |k: usize| Tensor::from_fn([channels], |c| of_channels[2 * c + k]);
            to.input(1, || part(1).into());
            to.input(2, || part(0).into());
        }
    }

    fn push_forward(&self, _: &[Option<&Var<E>>], _: &At<'_, E>) -> Option<Var<E>> {
        // The parts are run instead.
        None
    }

    fn parts(&self, x: &[&Var<E>]) -> Option<Var<E>> {
        let shape = *x[0].shape();
        let grouped = x[0].reshape([shape[0], self.groups, shape[1..].iter().product::<usize>() / self.groups]);
        let (mean, variance) = (grouped.mean(&[2], true), grouped.variance(&[2], 0, true));
        let h = grouped.sub(&mean).div(&variance.add_scalar(self.eps).sqrt()).reshape(shape);
        let mut per_channel = vec![1; shape.len() - 1];
        per_channel[0] = shape[1];
        Some(match x {
            [_, gamma, beta] => h.mul(&gamma.reshape(&per_channel[..])).add(&beta.reshape(&per_channel[..])),
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
    /// The channels (axis 1) in `groups` groups of neighbours; each group of each example less its mean and divided by
    /// `sqrt(variance + eps)`, then every channel times its gamma plus its beta.
    ///
    /// One group is layer norm over the whole example, as many groups as channels instance norm. The variance is the
    /// biased one, in two passes. Source: Wu, He, "Group normalization" (2018).
    ///
    /// ```
    /// use kniff_autograd::Var;
    /// use kniff_tensor::Tensor;
    /// let x = Var::<f64>::constant(Tensor::from_slice(&[1.0, 3.0, 10.0, 14.0], [1, 2, 2]));
    /// assert_eq!(x.group_norm(2, None, 0.0).value().to_vec(), [-1.0, 1.0, -1.0, 1.0]);
    /// ```
    ///
    /// # Panics
    /// Unless this has shape [n, channels, ..], the groups divide the channels, and gamma and beta are `[channels]`.
    #[track_caller]
    pub fn group_norm(&self, groups: usize, affine: Option<(&Var<E>, &Var<E>)>, eps: E) -> Var<E> {
        let divides = self.rank() >= 2 && groups > 0 && self.shape()[1].is_multiple_of(groups);
        assert!(divides, "group_norm: the channels of an input of shape {} are not {groups} groups", self.shape());
        let channels = [self.shape()[1]];
        assert!(
            affine.is_none_or(|(gamma, beta)| *gamma.shape() == channels && *beta.shape() == channels),
            "group_norm: an input of shape {} does not fit{}",
            self.shape(),
            affine.map(|(g, b)| format!(" gamma {} and beta {}", g.shape(), b.shape())).unwrap_or_default()
        );
        let op = GroupNorm { groups, eps, statistics: Vec::new() };
        match affine {
            Some((gamma, beta)) => apply(op, &[self, gamma, beta]),
            None => apply(op, &[self]),
        }
    }
}

#[cfg(feature = "cases")]
pub(super) const CASE: Case = Case {
    name: "group_norm",
    inputs: |rng| {
        let length = 1 + rng.below(3);
        let x = draw(rng, [2, 4, length], -2.0, 2.0, &[]);
        vec![x, draw(rng, [4], 0.5, 2.0, &[]), draw(rng, [4], -1.0, 1.0, &[])]
    },
    f: |x| x[0].group_norm(2, Some((&x[1], &x[2])), 0.1).square(),
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grad;
    use kniff_tensor::Rng;

    #[test]
    fn the_fused_normalisation_is_its_parts() {
        let mut rng = Rng::new(2);
        for (shape, groups) in [(&[3, 6][..], 2), (&[2, 6, 5], 3), (&[1, 6, 7, 9], 1), (&[4, 6, 5, 3], 6)] {
            let x = Var::constant(Tensor::<f64>::randn(shape, &mut rng).affine(3.0, 10.0));
            let gamma = Var::constant(Tensor::<f64>::randn([6], &mut rng));
            let beta = Var::constant(Tensor::<f64>::randn([6], &mut rng));
            let u = Var::constant(Tensor::<f64>::randn(shape, &mut rng));
            let point = vec![x, gamma, beta];
            for arity in [3, 1] {
                let op = GroupNorm { groups, eps: 1e-5, statistics: Vec::new() };
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
    #[should_panic(expected = "group_norm: the channels of an input of shape [2, 3] are not 2 groups")]
    fn groups_divide_the_channels() {
        let _ = Var::<f64>::constant(Tensor::zeros([2, 3])).group_norm(2, None, 1e-5);
    }
}
