//! Elements set to zero at random.

use super::total::dense;
use crate::Var;
#[cfg(feature = "cases")]
use crate::case::{Case, draw};
use crate::op::{At, Cotangents, Keeps, Op, apply};
use kniff_tensor::kernels::dropout::Mask;
use kniff_tensor::{Element, Rng, Shape, Tensor, parallel};
use std::sync::Arc;

/// Which elements are kept, a bit for each or for each plane of neighbours, drawn once and shared.
///
/// The same generator gives the same mask at any number of threads.
#[derive(Clone, Debug, PartialEq)]
pub struct DropoutMask {
    mask: Arc<Mask>,
    shape: Shape,
    /// How many neighbours share one bit.
    span: usize,
}

impl DropoutMask {
    /// Drops each element with probability `p`, independently. Advances the generator by one stream.
    ///
    /// # Panics
    /// Unless `p` is within 0..=1.
    #[track_caller]
    pub fn draw(shape: impl Into<Shape>, p: f64, rng: &mut Rng) -> Self {
        assert!((0.0..=1.0).contains(&p), "dropout: {p} is not a probability");
        let shape = shape.into();
        Self { mask: Arc::new(Mask::draw(1.0 - p, shape.numel(), &rng.split())), shape, span: 1 }
    }

    /// Drops each whole channel of each example of a batch [n, channels, ..] with probability `p`, independently.
    /// Advances the generator by one stream.
    ///
    /// # Panics
    /// Unless there are two axes at least and `p` is within 0..=1.
    #[track_caller]
    pub fn draw_channels(shape: impl Into<Shape>, p: f64, rng: &mut Rng) -> Self {
        let shape = shape.into();
        assert!((0.0..=1.0).contains(&p), "dropout: {p} is not a probability");
        assert!(shape.len() >= 2, "dropout: a batch of shape {shape} is not [n, channels, ..]");
        let mask = Mask::draw(1.0 - p, shape[0] * shape[1], &rng.split());
        Self { mask: Arc::new(mask), shape, span: shape[2..].iter().product() }
    }

    /// A mask that was chosen elsewhere, in row-major order, of elements each dropped with probability `p`.
    ///
    /// # Panics
    /// Unless there is one answer for each element and `p` is within 0..=1.
    #[track_caller]
    pub fn of(kept: &[bool], shape: impl Into<Shape>, p: f64) -> Self {
        assert!((0.0..=1.0).contains(&p), "dropout: {p} is not a probability");
        let shape = shape.into();
        assert!(kept.len() == shape.numel(), "dropout: {} answers for a mask of shape {shape}", kept.len());
        Self { mask: Arc::new(Mask::of(kept, 1.0 - p)), shape, span: 1 }
    }

    /// The mask's shape.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Whether element `i` in row-major order is kept.
    ///
    /// # Panics
    /// If there is no such element.
    #[track_caller]
    pub fn keeps(&self, i: usize) -> bool {
        self.mask.keeps(i / self.span)
    }

    /// 1 where the element is kept, 0 where it is not.
    pub fn as_tensor<E: Element>(&self) -> Tensor<E> {
        Tensor::from_fn(self.shape, |i| if self.keeps(i) { E::ONE } else { E::ZERO })
    }

    /// `scale x` where the element is kept, 0 elsewhere.
    fn apply<E: Element>(&self, scale: f64, x: &[E], out: &mut [E]) {
        if self.span == 1 {
            return self.mask.apply_scaled(scale, x, out);
        }
        let (span, scale) = (self.span, E::from_f64(scale));
        parallel::row_blocks(out, span, span, |first, out| {
            let planes = x[first * span..].chunks_exact(span);
            for (r, (out, x)) in out.chunks_exact_mut(span).zip(planes).enumerate() {
                if self.mask.keeps(first + r) {
                    out.iter_mut().zip(x).for_each(|(o, &x)| *o = x * scale);
                } else {
                    out.fill(E::ZERO);
                }
            }
        });
    }
}

/// `scale x` where the mask keeps, 0 elsewhere; the derivative is the same function of the cotangent.
#[derive(Clone)]
struct Dropout {
    mask: DropoutMask,
    scale: f64,
}

impl<E: Element> Op<E> for Dropout {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn keeps(&self) -> Keeps {
        Keeps::NOTHING
    }

    fn value(&mut self, x: &[&Tensor<E>]) -> Tensor<E> {
        let x = x[0].contiguous();
        let mut out = Tensor::scratch(*x.shape());
        self.mask.apply(self.scale, dense(&x), out.make_mut());
        out
    }

    fn pull_back(&self, g: &Var<E>, _: &At<'_, E>, to: &mut Cotangents<'_, E>) {
        to.input(0, || apply(self.clone(), &[g]));
    }

    fn push_forward(&self, dx: &[Option<&Var<E>>], _: &At<'_, E>) -> Option<Var<E>> {
        dx[0].map(|dx| apply(self.clone(), &[dx]))
    }

    fn own_bytes(&self) -> usize {
        (self.mask.shape.numel() / self.mask.span.max(1)).div_ceil(8)
    }
}

impl<E: Element> Var<E> {
    /// Inverted dropout: `x / (1 - p)` where the mask keeps, 0 elsewhere, so that the expectation is x. With p = 0 the
    /// identity, with p = 1 zeros. Source: Srivastava et al., "Dropout" (2014), with the scaling moved to training.
    ///
    /// # Panics
    /// If the mask has another shape.
    #[track_caller]
    pub fn dropout(&self, mask: &DropoutMask) -> Var<E> {
        self.masked(mask, mask.mask.scale())
    }

    /// The dropout of the paper: x where the mask keeps, 0 elsewhere, so that the expectation is `(1 - p) x`; test time
    /// has to multiply by `1 - p`. Source: Srivastava et al., "Dropout" (2014).
    ///
    /// # Panics
    /// If the mask has another shape.
    #[track_caller]
    pub fn dropout_unscaled(&self, mask: &DropoutMask) -> Var<E> {
        self.masked(mask, 1.0)
    }

    #[track_caller]
    fn masked(&self, mask: &DropoutMask, scale: f64) -> Var<E> {
        let fits = mask.shape() == self.shape();
        assert!(fits, "dropout: a mask of shape {} does not fit {}", mask.shape(), self.shape());
        apply(Dropout { mask: mask.clone(), scale }, &[self])
    }
}

#[cfg(feature = "cases")]
pub(super) const CASE: Case = Case {
    name: "dropout",
    inputs: |rng| vec![draw(rng, [4, 5], -2.0, 2.0, &[])],
    f: |x| x[0].dropout(&DropoutMask::draw([4, 5], 0.4, &mut Rng::new(3))).square(),
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_are_dropped_as_should_be() {
        let n = 400_000;
        for p in [0.0, 0.001, 0.25, 0.5, 0.7, 0.999, 1.0] {
            let mask = DropoutMask::draw([n], p, &mut Rng::new(1));
            let kept = (0..n).filter(|&i| mask.keeps(i)).count() as f64;
            let deviation = (n as f64 * p * (1.0 - p)).sqrt();
            assert!((kept - n as f64 * (1.0 - p)).abs() <= 4.0 * deviation, "p = {p}: {kept} kept of {n}");
        }
    }

    #[test]
    fn threads_change_nothing_and_draws_differ() {
        let draw = |threads| {
            kniff_tensor::parallel::with_threads(threads, || {
                let mut rng = Rng::new(9);
                [DropoutMask::draw([100, 1500], 0.3, &mut rng), DropoutMask::draw([100, 1500], 0.3, &mut rng)]
            })
        };
        let [a, b] = draw(1);
        assert_ne!(a, b);
        assert_eq!([a, b], draw(3));
    }

    #[test]
    fn whole_channels_are_dropped_together() {
        let mut rng = Rng::new(5);
        let mask = DropoutMask::draw_channels([40, 50, 2, 3], 0.25, &mut rng);
        let x = Var::<f32>::constant(Tensor::full([40, 50, 2, 3], f32::INFINITY));
        let planes = x.dropout(&mask).value().reshape([2000, 6]);
        let kept: Vec<bool> = (0..2000).map(|plane| mask.keeps(6 * plane)).collect();
        for (plane, &kept) in kept.iter().enumerate() {
            let value = if kept { f32::INFINITY } else { 0.0 };
            assert!((0..6).all(|i| planes.at(&[plane, i]) == value && mask.keeps(6 * plane + i) == kept));
        }
        // Four standard deviations of a binomial distribution.
        let kept = kept.iter().filter(|k| **k).count() as f64;
        assert!((kept - 1500.0).abs() < 4.0 * (2000.0_f64 * 0.25 * 0.75).sqrt(), "{kept}");
    }

    #[test]
    fn a_given_mask_is_applied_with_and_without_scale() {
        let mask = DropoutMask::of(&[true, false, true], [3], 0.75);
        let x = Var::<f64>::constant(Tensor::from_slice(&[1.0, 2.0, 3.0], [3]));
        assert_eq!(x.dropout(&mask).value().to_vec(), [4.0, 0.0, 12.0]);
        assert_eq!(x.dropout_unscaled(&mask).value().to_vec(), [1.0, 0.0, 3.0]);
        assert_eq!(mask.as_tensor::<f64>().to_vec(), [1.0, 0.0, 1.0]);
    }

    #[test]
    fn the_ends_are_the_identity_and_zero() {
        let x = Var::<f32>::constant(Tensor::from_slice(&[1.0, f32::INFINITY, -3.0], [3]));
        let at = |p| x.dropout(&DropoutMask::draw([3], p, &mut Rng::new(0))).value().to_vec();
        assert_eq!(at(0.0), [1.0, f32::INFINITY, -3.0]);
        assert_eq!(at(1.0), [0.0, 0.0, 0.0]);
    }
}
