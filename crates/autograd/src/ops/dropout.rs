//! Elements set to zero at random.

use super::total::dense;
use crate::Var;
use crate::case::{Case, draw};
use crate::op::{At, Cotangents, Keeps, Op, apply};
use kniff_tensor::kernels::dropout::Mask;
use kniff_tensor::{Element, Rng, Shape, Tensor};
use std::sync::Arc;

/// Which elements are kept, a bit for each, drawn once and shared.
///
/// The same generator gives the same mask at any number of threads.
#[derive(Clone, Debug, PartialEq)]
pub struct DropoutMask {
    mask: Arc<Mask>,
    shape: Shape,
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
        Self { mask: Arc::new(Mask::draw(1.0 - p, shape.numel(), &rng.split())), shape }
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
        self.mask.keeps(i)
    }
}

/// `x / (1 - p)` where the mask keeps, 0 elsewhere; the derivative is the same function of the cotangent.
#[derive(Clone)]
struct Dropout(DropoutMask);

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
        self.0.mask.apply(dense(&x), out.make_mut());
        out
    }

    fn pull_back(&self, g: &Var<E>, _: &At<'_, E>, to: &mut Cotangents<'_, E>) {
        to.input(0, || apply(self.clone(), &[g]));
    }

    fn push_forward(&self, dx: &[Option<&Var<E>>], _: &At<'_, E>) -> Option<Var<E>> {
        dx[0].map(|dx| apply(self.clone(), &[dx]))
    }

    fn own_bytes(&self) -> usize {
        self.0.shape.numel().div_ceil(8)
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
        let fits = mask.shape() == self.shape();
        assert!(fits, "dropout: a mask of shape {} does not fit {}", mask.shape(), self.shape());
        apply(Dropout(mask.clone()), &[self])
    }
}

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
    fn the_ends_are_the_identity_and_zero() {
        let x = Var::<f32>::constant(Tensor::from_slice(&[1.0, f32::INFINITY, -3.0], [3]));
        let at = |p| x.dropout(&DropoutMask::draw([3], p, &mut Rng::new(0))).value().to_vec();
        assert_eq!(at(0.0), [1.0, f32::INFINITY, -3.0]);
        assert_eq!(at(1.0), [0.0, 0.0, 0.0]);
    }
}
