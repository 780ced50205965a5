//! Two examples in one: mixed, or one pasted into the other.

use crate::augment::image_shape;
use crate::{Batch, DataError};
use kniff_tensor::{Element, Rng, Tensor, parallel};
use rand_distr::{Beta, Distribution};

/// x becomes l x + (1 - l) x', and so do the targets, x' being another example of the batch and l drawn from Beta(alpha, alpha).
///
/// One l a batch, as the authors' program has it. The targets are soft ([`SoftLabels`](crate::SoftLabels) makes them), so that the
/// loss is one cross-entropy. Zhang et al., "mixup: Beyond Empirical Risk Minimization" (2017).
///
/// ```
/// use kniff_data::{Loader, Mixup, SoftLabels, digits};
/// use kniff_tensor::Rng;
/// let mixup = Mixup::new(0.2)?;
/// let loader = Loader::new(SoftLabels::new(digits(), 10)?).augment(move |batch, rng| mixup.apply(batch, rng));
/// let batch = loader.epoch(0).next().unwrap()?;
/// assert_eq!(batch.targets.shape(), &[32, 10]);
/// assert!((batch.targets.to_vec().iter().sum::<f32>() - 32.0).abs() < 1e-4);
/// # Ok::<(), kniff_data::DataError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Mixup {
    weight: Beta<f64>,
}

impl Mixup {
    /// With l from Beta(`alpha`, `alpha`): near 0 or 1 for a small alpha, uniform for 1.
    ///
    /// # Errors
    /// Unless `alpha` is finite and above 0.
    pub fn new(alpha: f64) -> Result<Self, DataError> {
        Ok(Self { weight: beta("alpha of mixup", alpha)? })
    }

    /// Mixes the examples of a batch.
    ///
    /// # Errors
    /// If there are not as many targets as inputs.
    pub fn apply<E: Element>(&self, batch: &mut Batch<E, Tensor<E>>, rng: &mut Rng) -> Result<(), DataError> {
        check(batch)?;
        let weight = self.weight.sample(rng);
        let partners = rng.permutation(batch.len());
        batch.inputs = mixed(&batch.inputs, &partners, weight);
        batch.targets = mixed(&batch.targets, &partners, weight);
        Ok(())
    }
}

/// A rectangle of another image is pasted into each; the targets are mixed by the areas.
///
/// The rectangle is the same for the batch: of the part 1 - l of the area, l from Beta(alpha, alpha), its centre drawn
/// among all pixels; what reaches over the edge is left out, and does not count. Soft targets, as for [`Mixup`]. Yun et al.,
/// "CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features" (2019).
#[derive(Clone, Copy, Debug)]
pub struct CutMix {
    weight: Beta<f64>,
}

impl CutMix {
    /// With l from Beta(`alpha`, `alpha`); the paper has 1.
    ///
    /// # Errors
    /// Unless `alpha` is finite and above 0.
    pub fn new(alpha: f64) -> Result<Self, DataError> {
        Ok(Self { weight: beta("alpha of CutMix", alpha)? })
    }

    /// Mixes the examples of a batch of images `[n, channels, height, width]`.
    ///
    /// # Errors
    /// If the inputs are no images or there are not as many targets.
    pub fn apply<E: Element>(&self, batch: &mut Batch<E, Tensor<E>>, rng: &mut Rng) -> Result<(), DataError> {
        check(batch)?;
        let (n, [_, h, w]) = image_shape(batch.inputs.shape())?;
        if n * h * w == 0 {
            return Ok(());
        }
        let side = (1.0 - self.weight.sample(rng)).sqrt();
        let partners = rng.permutation(n);
        let mut range = |size: usize| {
            let (centre, length) = (rng.below(size), (side * size as f64).round() as usize);
            (centre.saturating_sub(length / 2), (centre + length - length / 2).min(size))
        };
        let ((top, bottom), (left, right)) = (range(h), range(w));
        let source = batch.inputs.contiguous();
        let old = source.as_slice().unwrap_or_default();
        let mut inputs = source.clone();
        let size = source.len() / n;
        for (image, &partner) in inputs.make_mut().chunks_exact_mut(size).zip(&partners) {
            let planes =
                image.chunks_exact_mut(h * w).zip(old[partner * size..(partner + 1) * size].chunks_exact(h * w));
            for (to, from) in planes {
                for y in top..bottom {
                    to[y * w + left..y * w + right].copy_from_slice(&from[y * w + left..y * w + right]);
                }
            }
        }
        let weight = 1.0 - ((bottom - top) * (right - left)) as f64 / (h * w) as f64;
        batch.inputs = inputs;
        batch.targets = mixed(&batch.targets, &partners, weight);
        Ok(())
    }
}

fn beta(what: &'static str, alpha: f64) -> Result<Beta<f64>, DataError> {
    let finite = alpha.is_finite().then(|| Beta::new(alpha, alpha).ok()).flatten();
    finite.ok_or_else(|| DataError::setting(what, "a finite number above 0", alpha))
}

fn check<E: Element>(batch: &Batch<E, Tensor<E>>) -> Result<(), DataError> {
    let (expected, found) = (batch.len(), batch.targets.shape().first().copied().unwrap_or(0));
    if expected == found { Ok(()) } else { Err(DataError::Lengths { what: "targets", expected, found }) }
}

/// Row i becomes `weight` times itself and the rest times row `partners[i]`.
fn mixed<E: Element>(x: &Tensor<E>, partners: &[usize], weight: f64) -> Tensor<E> {
    let source = x.contiguous();
    let old = source.as_slice().unwrap_or_default();
    let size = x.len() / partners.len().max(1);
    let (own, other) = (E::from_f64(weight), E::from_f64(1.0 - weight));
    let mut out = Tensor::scratch(*x.shape());
    parallel::row_blocks(out.make_mut(), size, size, |first, block| {
        for (i, to) in block.chunks_exact_mut(size).enumerate() {
            let (a, b) = (first + i, partners[first + i]);
            let pairs = old[a * size..(a + 1) * size].iter().zip(&old[b * size..(b + 1) * size]);
            to.iter_mut().zip(pairs).for_each(|(to, (&a, &b))| *to = own * a + other * b);
        }
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Images that are constant at their number, with that number as target.
    fn batch(n: usize) -> Batch<f64, Tensor<f64>> {
        let inputs = Tensor::from_fn([n, 1, 4, 6], |i| (i / 24) as f64);
        Batch { inputs, targets: Tensor::arange(n).reshape([n, 1]), indices: (0..n).collect() }
    }

    #[test]
    fn the_target_tells_what_is_in_the_image() {
        let (mixup, cut) = (Mixup::new(1.0).unwrap(), CutMix::new(1.0).unwrap());
        let mut changed = 0;
        for seed in 0..20 {
            for which in [true, false] {
                let mut batch = batch(7);
                match which {
                    true => mixup.apply(&mut batch, &mut Rng::new(seed)).unwrap(),
                    false => cut.apply(&mut batch, &mut Rng::new(seed)).unwrap(),
                }
                let (inputs, targets) = (batch.inputs.to_vec(), batch.targets.to_vec());
                for (image, target) in inputs.chunks_exact(24).zip(&targets) {
                    assert!((image.iter().sum::<f64>() / 24.0 - target).abs() < 1e-12);
                }
                changed += usize::from(targets.iter().any(|t| t.fract() != 0.0));
                // Every example is somebody's partner once, so nothing is lost.
                assert!((targets.iter().sum::<f64>() - 21.0).abs() < 1e-12);
            }
        }
        assert!(changed > 30, "{changed}");
    }

    #[test]
    fn settings_and_shapes_are_checked() {
        assert!(Mixup::new(0.0).is_err() && CutMix::new(f64::NAN).is_err() && Mixup::new(f64::INFINITY).is_err());
        let mut wrong = batch(3);
        wrong.targets = Tensor::zeros([2, 1]);
        assert!(Mixup::new(1.0).unwrap().apply(&mut wrong, &mut Rng::new(0)).is_err());
    }
}
