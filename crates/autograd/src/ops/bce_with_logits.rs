//! The binary cross-entropy of logits: the sigmoid and its logarithm in one.

use super::total::{self, Reduce, dense};
use crate::Var;
#[cfg(feature = "cases")]
use crate::case::{Case, draw};
use crate::op::{At, Cotangents, Keeps, Op, apply};
use kniff_tensor::kernels::elementwise::{Binary, Ternary, zip3};
use kniff_tensor::simd::Isa;
use kniff_tensor::{Element, Tensor};

/// `no softplus(z) + yes softplus(-z)`; derivative `no sigmoid(z) - yes sigmoid(-z)`.
///
/// Both terms are at least 0 and neither cancels: exact however far the logit is out.
#[derive(Clone)]
struct BceWithLogits<E: Element> {
    costs: Costs<E>,
    reduce: Reduce,
}

/// What a logit's leaning to yes and to no costs.
#[derive(Clone)]
enum Costs<E: Element> {
    /// `no = 1 - t`, `yes = t`.
    Target(Tensor<E>),
    /// Both, with all weights in them.
    Weighted { no: Tensor<E>, yes: Tensor<E> },
}

#[inline(always)]
fn cost<E: Element, I: Isa>(z: E, no: E, yes: E) -> E {
    // softplus(z) = max(z, 0) + tail and softplus(-z) = max(-z, 0) + tail with the same tail.
    let above = if z > E::ZERO { z } else { E::ZERO };
    let below = if z < E::ZERO { -z } else { E::ZERO };
    let tail = (-z.abs()).v_softplus::<I>();
    no * above + yes * below + (no + yes) * tail
}

#[inline(always)]
fn slope<E: Element, I: Isa>(z: E, no: E, yes: E) -> E {
    no * z.v_sigmoid::<I>() - yes * (-z).v_sigmoid::<I>()
}

#[derive(Clone, Copy)]
struct Cost;
impl<E: Element> Binary<E> for Cost {
    #[inline(always)]
    fn at<I: Isa>(self, z: E, t: E) -> E {
        cost::<E, I>(z, E::ONE - t, t)
    }
}
impl<E: Element> Ternary<E> for Cost {
    #[inline(always)]
    fn at<I: Isa>(self, z: E, no: E, yes: E) -> E {
        cost::<E, I>(z, no, yes)
    }
}

/// The slope times one number.
#[derive(Clone, Copy)]
struct Slope<E>(E);
impl<E: Element> Binary<E> for Slope<E> {
    #[inline(always)]
    fn at<I: Isa>(self, z: E, t: E) -> E {
        self.0 * slope::<E, I>(z, E::ONE - t, t)
    }
}
impl<E: Element> Ternary<E> for Slope<E> {
    #[inline(always)]
    fn at<I: Isa>(self, z: E, no: E, yes: E) -> E {
        self.0 * slope::<E, I>(z, no, yes)
    }
}

impl<E: Element> Op<E> for BceWithLogits<E> {
    fn name(&self) -> &'static str {
        "bce_with_logits"
    }

    fn keeps(&self) -> Keeps {
        Keeps::inputs(1)
    }

    fn value(&mut self, x: &[&Tensor<E>]) -> Tensor<E> {
        if self.reduce == Reduce::None {
            return self.each(x[0], Cost, Cost);
        }
        let sum = match &self.costs {
            Costs::Target(t) => total::of_two(Cost, x[0], t),
            Costs::Weighted { no, yes } => total::of_three(Cost, x[0], no, yes),
        };
        Tensor::scalar(self.scale(x[0].len()) * sum)
    }

    fn pull_back(&self, g: &Var<E>, at: &At<'_, E>, to: &mut Cotangents<'_, E>) {
        to.input(0, || {
            let z = at.input(0).into_value();
            Var::constant(if self.reduce == Reduce::None {
                self.each(&z, Slope(E::ONE), Slope(E::ONE)).mul(g.value())
            } else {
                let slope = Slope(g.item() * self.scale(z.len()));
                self.each(&z, slope, slope)
            })
        });
    }

    fn push_forward(&self, _: &[Option<&Var<E>>], _: &At<'_, E>) -> Option<Var<E>> {
        // The parts are run instead.
        None
    }

    fn parts(&self, x: &[&Var<E>]) -> Option<Var<E>> {
        let (no, yes) = match &self.costs {
            Costs::Target(t) => (t.affine(-E::ONE, E::ONE), t.clone()),
            Costs::Weighted { no, yes } => (no.clone(), yes.clone()),
        };
        let each = x[0].softplus().mul(&no.into()).add(&x[0].neg().softplus().mul(&yes.into()));
        Some(match self.reduce {
            Reduce::None => each,
            _ => each.sum_all().mul_scalar(self.scale(x[0].len())),
        })
    }

    fn own_bytes(&self) -> usize {
        match &self.costs {
            Costs::Target(t) => t.bytes(),
            Costs::Weighted { no, yes } => no.bytes() + yes.bytes(),
        }
    }
}

impl<E: Element> BceWithLogits<E> {
    fn scale(&self, n: usize) -> E {
        if self.reduce == Reduce::Mean { E::ONE / E::from_usize(n) } else { E::ONE }
    }

    fn each(&self, z: &Tensor<E>, two: impl Binary<E>, three: impl Ternary<E>) -> Tensor<E> {
        match &self.costs {
            Costs::Target(t) => z.zip_with("bce_with_logits", two, t),
            Costs::Weighted { no, yes } => {
                let (z, no, yes) = (z.contiguous(), no.contiguous(), yes.contiguous());
                let mut out = Tensor::scratch(*z.shape());
                zip3(three, dense(&z), dense(&no), dense(&yes), out.make_mut());
                out
            }
        }
    }
}

impl<E: Element> Var<E> {
    /// The binary cross-entropy of logits z against targets t from 0 to 1:
    /// `max(z, 0) - z t + ln(1 + e^-|z|)`, derivative `sigmoid(z) - t`.
    ///
    /// `weight` multiplies whole elements, `pos_weight` the part of the target that says yes; both broadcast. The mean is
    /// over all elements, whatever they weigh (as in PyTorch). No gradient flows to the target or the weights.
    ///
    /// # Panics
    /// If the target has another shape, or a weight does not broadcast.
    #[track_caller]
    pub fn bce_with_logits(
        &self,
        target: &Tensor<E>,
        weight: Option<&Tensor<E>>,
        pos_weight: Option<&Tensor<E>>,
        reduce: Reduce,
    ) -> Var<E> {
        let shape = *self.shape();
        assert!(
            *target.shape() == shape,
            "bce_with_logits: logits of shape {shape} and a target of shape {} differ",
            target.shape()
        );
        let costs = if weight.is_none() && pos_weight.is_none() {
            Costs::Target(target.clone())
        } else {
            let weighed = |costs: Tensor<E>, by: Option<&Tensor<E>>| by.map_or(costs.clone(), |w| costs.mul(w));
            let no = weighed(target.affine(-E::ONE, E::ONE), weight);
            let yes = weighed(weighed(target.clone(), pos_weight), weight);
            let fits = *no.shape() == shape && *yes.shape() == shape;
            assert!(fits, "bce_with_logits: the weights do not broadcast to logits of shape {shape}");
            Costs::Weighted { no, yes }
        };
        apply(BceWithLogits { costs, reduce }, &[self])
    }
}

#[cfg(feature = "cases")]
pub(super) const CASE: Case = Case {
    name: "bce_with_logits",
    inputs: |rng| vec![draw(rng, [3, 4], -3.0, 3.0, &[])],
    f: |x| x[0].bce_with_logits(&Tensor::linspace(0.0, 1.0, 12).reshape([3, 4]), None, None, Reduce::Mean),
};
#[cfg(feature = "cases")]
pub(super) const WEIGHTED: Case = Case {
    name: "bce_with_logits (weighted)",
    inputs: |rng| vec![draw(rng, [3, 4], -3.0, 3.0, &[])],
    f: |x| {
        let target = Tensor::linspace(0.0, 1.0, 12).reshape([3, 4]);
        let (weight, pos_weight) = (Tensor::linspace(0.5, 2.0, 3).reshape([3, 1]), Tensor::linspace(1.0, 3.0, 4));
        x[0].bce_with_logits(&target, Some(&weight), Some(&pos_weight), Reduce::None).square()
    },
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grad;
    use kniff_tensor::Rng;

    #[test]
    fn the_fused_loss_is_its_parts() {
        let mut rng = Rng::new(3);
        let z = Var::constant(Tensor::<f64>::randn([5, 4], &mut rng).mul_scalar(3.0));
        let t = Tensor::from_fn([5, 4], |i| (i % 3) as f64 / 2.0);
        let weighted = Costs::Weighted { no: t.affine(-0.5, 0.5), yes: t.mul_scalar(3.0) };
        for reduce in [Reduce::None, Reduce::Sum, Reduce::Mean] {
            for costs in [Costs::Target(t.clone()), weighted.clone()] {
                let op = BceWithLogits { costs, reduce };
                let fused = |z: &Var<f64>| apply(op.clone(), &[z]).square().sum_all();
                let parts = |z: &Var<f64>| op.parts(&[z]).unwrap().square().sum_all();
                assert!((fused(&z).item() - parts(&z).item()).abs() < 1e-10);
                let (a, b) = (grad(fused, &z), grad(parts, &z));
                a.value().to_vec().iter().zip(b.value().to_vec()).for_each(|(a, b)| assert!((a - b).abs() < 1e-10));
            }
        }
    }

    #[test]
    fn it_is_exact_far_out() {
        let z = Var::<f32>::tracked(Tensor::from_slice(&[1e4, 1e4, -1e4, -1e4, 0.0], [5]));
        let t = Tensor::from_slice(&[1.0, 0.0, 1.0, 0.0, 1.0], [5]);
        let each = z.bce_with_logits(&t, None, None, Reduce::None);
        assert_eq!(each.value().to_vec(), [0.0, 1e4, 1e4, 0.0, std::f32::consts::LN_2]);
        let g = each.sum_all().backward();
        assert_eq!(g.of(&z).unwrap().to_vec(), [0.0, 1.0, -1.0, 0.0, -0.5]);
        let tail = Var::<f64>::constant(Tensor::from_slice(&[-30.0], [1]));
        let loss = tail.bce_with_logits(&Tensor::zeros([1]), None, None, Reduce::Sum).item();
        assert!((loss / (-30.0_f64).exp().ln_1p() - 1.0).abs() < 1e-14);
    }

    #[test]
    fn nothing_sums_to_zero_and_has_no_mean() {
        let z = Var::<f64>::constant(Tensor::zeros([0, 3]));
        let loss = |reduce| z.bce_with_logits(&Tensor::zeros([0, 3]), None, None, reduce).item();
        assert_eq!(loss(Reduce::Sum), 0.0);
        assert!(loss(Reduce::Mean).is_nan());
    }
}
