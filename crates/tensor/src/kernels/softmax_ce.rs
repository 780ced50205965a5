//! Softmax and cross-entropy as one: from rows of logits to a loss per row, and to the gradient.
//!
//! The loss of a row is `sum over c of q[c] (lse - x[c])` with targets `q`: one class, one class smoothed over all, or a
//! row of probabilities. Its gradient is `sum(q) softmax(x) - q`.

use super::reduce::{Sum, row};
use super::softmax::{Tops, batch_rows, exp_off_max, max_and_log_sum};
use crate::parallel::{PIECE, pays};
use crate::simd::{Isa, Kernel, dispatch};
use crate::{Element, parallel};

/// What each row should be.
#[derive(Clone, Copy, Debug)]
pub enum Targets<'a, E> {
    /// One class per row.
    Classes {
        /// The class of each row.
        labels: &'a [usize],
        /// How much each class counts; all the same if `None`.
        weights: Option<&'a [E]>,
        /// The share of the target that is spread evenly over all classes.
        smoothing: E,
        /// Rows with this label count nothing.
        ignore: Option<usize>,
    },
    /// A row of probabilities per row of logits.
    Soft(&'a [E]),
}

impl<'a, E: Element> Targets<'a, E> {
    /// One class per row and nothing special.
    pub fn classes(labels: &'a [usize]) -> Self {
        Targets::Classes { labels, weights: None, smoothing: E::ZERO, ignore: None }
    }

    #[track_caller]
    fn check(&self, rows: usize, n: usize) {
        match self {
            Targets::Classes { labels, weights, ignore, .. } => {
                assert!(labels.len() == rows, "softmax_ce: {} labels for {rows} rows", labels.len());
                let w = weights.map_or(n, <[E]>::len);
                assert!(w == n, "softmax_ce: {w} weights for {n} classes");
                let outside = labels.iter().find(|&&l| l >= n && Some(l) != *ignore);
                assert!(
                    outside.is_none(),
                    "softmax_ce: label {} is out of range for {n} classes",
                    outside.unwrap_or(&0)
                );
            }
            Targets::Soft(q) => {
                assert!(q.len() == rows * n, "softmax_ce: {} probabilities for {rows} rows of {n}", q.len());
            }
        }
    }

    /// The target of row `r`, or `None` if it is ignored.
    #[inline(always)]
    fn row(&self, r: usize, n: usize) -> Option<RowTarget<'a, E>> {
        match *self {
            Targets::Soft(q) => Some(RowTarget::Soft(&q[r * n..(r + 1) * n])),
            Targets::Classes { labels, weights, smoothing, ignore } => {
                let label = labels[r];
                let own = (E::ONE - smoothing) * weights.map_or(E::ONE, |w| w[label.min(n - 1)]);
                let spread = smoothing / E::from_usize(n);
                (Some(label) != ignore).then_some(RowTarget::Class { label, own, spread, weights })
            }
        }
    }
}

/// The target of one row.
#[derive(Clone, Copy)]
enum RowTarget<'a, E> {
    /// `q[c] = own [c == label] + spread w[c]`.
    Class {
        label: usize,
        own: E,
        spread: E,
        weights: Option<&'a [E]>,
    },
    Soft(&'a [E]),
}

impl<E: Element> RowTarget<'_, E> {
    #[inline(always)]
    fn loss(self, x: &[E], max: E, log_sum: E) -> E {
        // Off the maximum, so that large logits of equal size cancel before anything is rounded.
        let miss = |x: E| (max - x) + log_sum;
        match self {
            RowTarget::Class { label, own, spread, weights } => {
                let hit = own * miss(x[label]);
                if spread == E::ZERO {
                    return hit;
                }
                let all = match weights {
                    None => x.iter().map(|&x| miss(x)).sum::<E>(),
                    Some(w) => x.iter().zip(w).map(|(&x, &w)| w * miss(x)).sum(),
                };
                hit + spread * all
            }
            // What has no probability costs nothing, even where its logit is -inf.
            RowTarget::Soft(q) => {
                x.iter().zip(q).map(|(&x, &q)| if q == E::ZERO { E::ZERO } else { q * miss(x) }).sum()
            }
        }
    }

    #[inline(always)]
    fn total<I: Isa>(self, n: usize) -> E {
        match self {
            RowTarget::Class { own, spread, weights: None, .. } => own + spread * E::from_usize(n),
            RowTarget::Class { own, spread, weights: Some(_), .. } if spread == E::ZERO => own,
            RowTarget::Class { own, spread, weights: Some(w), .. } => own + spread * row::<E, I, _>(Sum, w),
            RowTarget::Soft(q) => row::<E, I, _>(Sum, q),
        }
    }

    /// `grad -= scale q`.
    #[inline(always)]
    fn subtract<I: Isa>(self, scale: E, grad: &mut [E]) {
        match self {
            RowTarget::Class { label, own, spread, weights } => {
                if spread != E::ZERO {
                    match weights {
                        None => grad.iter_mut().for_each(|g| *g -= scale * spread),
                        Some(w) => grad.iter_mut().zip(w).for_each(|(g, &w)| *g -= scale * spread * w),
                    }
                }
                grad[label] -= scale * own;
            }
            RowTarget::Soft(q) => grad.iter_mut().zip(q).for_each(|(g, &q)| *g = I::mul_add(-scale, q, *g)),
        }
    }
}

/// What the gradient of each row is multiplied with.
#[derive(Clone, Copy, Debug)]
pub enum Scale<'a, E> {
    /// The same for all rows.
    Same(E),
    /// One number per row.
    Each(&'a [E]),
}

impl<E: Element> Scale<'_, E> {
    #[inline(always)]
    fn at(self, r: usize) -> E {
        match self {
            Scale::Same(s) => s,
            Scale::Each(s) => s[r],
        }
    }
}

struct Forward<'a, E> {
    x: &'a [E],
    n: usize,
    targets: Targets<'a, E>,
    first: usize,
    losses: &'a mut [E],
    lse: &'a mut [E],
}

impl<E: Element> Kernel for Forward<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let n = self.n;
        let batch = batch_rows(n);
        let mut room = [E::ZERO; 512];
        for (b, (losses, lse)) in self.losses.chunks_mut(batch).zip(self.lse.chunks_mut(batch)).enumerate() {
            let first = self.first + b * batch;
            let mut tops = Tops::new();
            if n <= room.len() {
                let x = &self.x[first * n..][..losses.len() * n];
                exp_off_max::<E, I>(x, n, &mut room[..x.len()], &mut tops);
            }
            for (i, (loss, lse)) in losses.iter_mut().zip(lse).enumerate() {
                let r = first + i;
                let x = &self.x[r * n..(r + 1) * n];
                let (max, sum) = (tops.max[i], tops.sum[i]);
                let plain = n <= room.len() && max != E::INFINITY && max != E::NEG_INFINITY;
                let (max, log_sum) = if plain { (max, sum.v_ln::<I>()) } else { max_and_log_sum::<E, I>(x) };
                *lse = max + log_sum;
                *loss = self.targets.row(r, n).map_or(E::ZERO, |t| t.loss(x, max, log_sum));
            }
        }
    }
}

/// The loss of each row of `n` logits (0 for ignored rows), and its log-sum-exp, which [`backward`] needs.
///
/// # Panics
/// If lengths do not fit or a label is out of range.
#[track_caller]
pub fn forward<E: Element>(x: &[E], n: usize, targets: Targets<'_, E>, losses: &mut [E], lse: &mut [E]) {
    E::softmax_ce(x, n, targets, losses, lse);
}

/// [`forward`], where it is compiled.
pub(super) fn forward_here<E: Element>(x: &[E], n: usize, targets: Targets<'_, E>, losses: &mut [E], lse: &mut [E]) {
    let rows = losses.len();
    assert!(n > 0 && x.len() == rows * n && lse.len() == rows, "softmax_ce: {} logits, {rows} rows of {n}", x.len());
    targets.check(rows, n);
    let block = (PIECE / n).max(1);
    parallel::chunks2_if(pays(x.len()), (losses, block), (lse, block), |i, losses, lse| {
        dispatch(Forward { x, n, targets, first: i * block, losses, lse });
    });
}

struct Backward<'a, E> {
    x: &'a [E],
    n: usize,
    targets: Targets<'a, E>,
    lse: &'a [E],
    scale: Scale<'a, E>,
    first: usize,
    grad: &'a mut [E],
}

impl<E: Element> Kernel for Backward<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let n = self.n;
        for (i, grad) in self.grad.chunks_exact_mut(n).enumerate() {
            let r = self.first + i;
            let Some(target) = self.targets.row(r, n) else {
                grad.fill(E::ZERO);
                continue;
            };
            let (lse, scale) = (self.lse[r], self.scale.at(r));
            let factor = scale * target.total::<I>(n);
            for (g, &x) in grad.iter_mut().zip(&self.x[r * n..(r + 1) * n]) {
                *g = factor * (x - lse).v_exp::<I>();
            }
            target.subtract::<I>(scale, grad);
        }
    }
}

/// `grad[r] = scale[r] (sum(q) softmax(x[r]) - q)`; zeros for ignored rows.
///
/// # Panics
/// If lengths do not fit or a label is out of range.
#[track_caller]
pub fn backward<E: Element>(
    x: &[E],
    n: usize,
    targets: Targets<'_, E>,
    lse: &[E],
    scale: Scale<'_, E>,
    grad: &mut [E],
) {
    E::softmax_ce_backward(x, n, targets, lse, scale, grad);
}

/// [`backward`], where it is compiled.
pub(super) fn backward_here<E: Element>(
    x: &[E],
    n: usize,
    targets: Targets<'_, E>,
    lse: &[E],
    scale: Scale<'_, E>,
    grad: &mut [E],
) {
    let rows = lse.len();
    assert!(
        n > 0 && x.len() == rows * n && grad.len() == x.len(),
        "softmax_ce: {} logits, {rows} rows of {n}",
        x.len()
    );
    targets.check(rows, n);
    parallel::row_blocks(grad, n, 2 * n, |first, grad| {
        dispatch(Backward { x, n, targets, lse, scale, first, grad });
    });
}

struct Both<'a, E> {
    x: &'a [E],
    n: usize,
    targets: Targets<'a, E>,
    scale: Scale<'a, E>,
    first: usize,
    losses: &'a mut [E],
    grad: &'a mut [E],
}

impl<E: Element> Kernel for Both<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let n = self.n;
        let batch = batch_rows(n);
        for (b, (losses, grad)) in self.losses.chunks_mut(batch).zip(self.grad.chunks_mut(batch * n)).enumerate() {
            let first = self.first + b * batch;
            let x = &self.x[first * n..][..grad.len()];
            let mut tops = Tops::new();
            exp_off_max::<E, I>(x, n, grad, &mut tops);
            let rows = losses.iter_mut().zip(grad.chunks_exact_mut(n)).zip(x.chunks_exact(n));
            for (i, ((loss, grad), x)) in rows.enumerate() {
                let Some(target) = self.targets.row(first + i, n) else {
                    *loss = E::ZERO;
                    grad.fill(E::ZERO);
                    continue;
                };
                let (max, sum) = (tops.max[i], tops.sum[i]);
                *loss = target.loss(x, max, sum.v_ln::<I>());
                let scale = self.scale.at(first + i);
                let factor = scale * target.total::<I>(n) / sum;
                grad.iter_mut().for_each(|g| *g *= factor);
                target.subtract::<I>(scale, grad);
            }
        }
    }
}

/// [`forward`] and [`backward`] in one walk with one exponential per logit: for training, where both are needed and
/// the scale is known before (1 over the number of rows, for a mean).
///
/// # Panics
/// If lengths do not fit or a label is out of range.
#[track_caller]
pub fn forward_backward<E: Element>(
    x: &[E],
    n: usize,
    targets: Targets<'_, E>,
    scale: Scale<'_, E>,
    losses: &mut [E],
    grad: &mut [E],
) {
    E::softmax_ce_forward_backward(x, n, targets, scale, losses, grad);
}

/// [`forward_backward`], where it is compiled.
pub(super) fn forward_backward_here<E: Element>(
    x: &[E],
    n: usize,
    targets: Targets<'_, E>,
    scale: Scale<'_, E>,
    losses: &mut [E],
    grad: &mut [E],
) {
    let rows = losses.len();
    assert!(
        n > 0 && x.len() == rows * n && grad.len() == x.len(),
        "softmax_ce: {} logits, {rows} rows of {n}",
        x.len()
    );
    targets.check(rows, n);
    let block = (PIECE / n).max(1);
    parallel::chunks2_if(pays(x.len()), (losses, block), (grad, block * n), |i, losses, grad| {
        dispatch(Both { x, n, targets, scale, first: i * block, losses, grad });
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Indices, Rng, Tensor};

    fn close(a: &[f64], b: &[f64]) {
        assert_eq!(a.len(), b.len());
        for (x, y) in a.iter().zip(b) {
            assert!((x - y).abs() < 1e-13, "{x} instead of {y}");
        }
    }

    /// The loss and gradient per row, composed of tensor operations, for targets `q`.
    fn composed(x: &Tensor<f64>, q: &Tensor<f64>, scale: f64) -> (Vec<f64>, Vec<f64>) {
        let losses = q.mul(&x.log_softmax(1)).sum(&[1], false).neg().to_vec();
        let grad = x.softmax(1).mul(&q.sum(&[1], true)).sub(q).mul_scalar(scale);
        (losses, grad.to_vec())
    }

    fn check(x: &Tensor<f64>, targets: Targets<'_, f64>, q: &Tensor<f64>) {
        let (rows, n) = (x.shape()[0], x.shape()[1]);
        let scale = 1.0 / rows as f64;
        let (losses, grad) = composed(x, q, scale);
        let (mut l, mut lse, mut g) = (vec![f64::NAN; rows], vec![f64::NAN; rows], vec![f64::NAN; rows * n]);
        forward(x.slice_of(), n, targets, &mut l, &mut lse);
        close(&l, &losses);
        close(&lse, &x.logsumexp(&[1], false).to_vec());
        backward(x.slice_of(), n, targets, &lse, Scale::Each(&vec![scale; rows]), &mut g);
        close(&g, &grad);
        g.fill(f64::NAN);
        l.fill(f64::NAN);
        forward_backward(x.slice_of(), n, targets, Scale::Same(scale), &mut l, &mut g);
        close(&l, &losses);
        close(&g, &grad);
    }

    #[test]
    fn every_kind_of_target_agrees_with_the_composition() {
        let mut rng = Rng::new(1);
        for (rows, n) in [(1, 1), (5, 3), (7, 40), (300, 257)] {
            let x = Tensor::<f64>::randn([rows, n], &mut rng).mul_scalar(3.0);
            let labels: Vec<usize> = (0..rows).map(|_| rng.below(n)).collect();
            let hot = Tensor::<f64>::one_hot(&Indices::from_vec(labels.clone()), n);
            check(&x, Targets::classes(&labels), &hot);
            let w = Tensor::<f64>::rand_uniform([n], 0.5, 2.0, &mut rng);
            let smooth = hot.mul_scalar(0.9).add_scalar(0.1 / n as f64);
            for weights in [None, Some(w.slice_of())] {
                for (smoothing, q) in [(0.0, &hot), (0.1, &smooth)] {
                    let weighted = if weights.is_some() { q.mul(&w) } else { q.clone() };
                    check(&x, Targets::Classes { labels: &labels, weights, smoothing, ignore: None }, &weighted);
                    let kept: Vec<f64> = labels.iter().map(|&l| if l == 0 { 0.0 } else { 1.0 }).collect();
                    let kept = Tensor::from_vec(kept, [rows, 1]);
                    let targets = Targets::Classes { labels: &labels, weights, smoothing, ignore: Some(0) };
                    check(&x, targets, &weighted.mul(&kept));
                }
            }
            let q = Tensor::<f64>::randn([rows, n], &mut rng).softmax(1);
            check(&x, Targets::Soft(q.slice_of()), &q);
        }
    }

    #[test]
    fn large_logits_and_ignored_labels_outside() {
        let x = [1e30f32, 0.0, -1e30, f32::NEG_INFINITY, 3.0, 3.0];
        let labels = [0, usize::MAX];
        let targets = Targets::Classes { labels: &labels, weights: None, smoothing: 0.0, ignore: Some(usize::MAX) };
        let (mut l, mut g) = ([f32::NAN; 2], [f32::NAN; 6]);
        forward_backward(&x, 3, targets, Scale::Same(1.0), &mut l, &mut g);
        assert_eq!((l, g), ([0.0; 2], [0.0; 6]));
        let q = [0.0f32, 0.5, 0.5];
        forward_backward(&x[3..], 3, Targets::Soft(&q), Scale::Same(1.0), &mut l[..1], &mut g[..3]);
        assert!((l[0] - 2f32.ln()).abs() < 1e-6 && g[..3].iter().all(|g| g.abs() < 1e-6));
    }

    #[test]
    #[should_panic(expected = "softmax_ce: label 3 is out of range for 3 classes")]
    fn a_label_out_of_range_is_named() {
        forward(&[0.0; 3], 3, Targets::classes(&[3]), &mut [0.0], &mut [0.0]);
    }
}
