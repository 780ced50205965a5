//! Normalising layers: three training steps of batch norm and then test time; layer and group norm.

use crate::Check;
use kniff::autograd::ops::ChannelMoments;
use kniff::nn::layers::{BatchNorm, GroupNorm, InstanceNorm1d, InstanceNorm2d, LayerNorm};
use kniff::nn::{Layer, ModuleExt};
use kniff_autograd::Var;
use kniff_tensor::{Element, Rng, Tensor};
use std::cell::RefCell;

pub(super) fn run<E: Element>(op: &str, case: &Check<'_, E>) -> Option<()> {
    match op {
        "batch_norm" if !case.flag("track_running_stats") => without_statistics(case),
        "batch_norm" if case.shape("x1").len() == 4 => batch_norm::<2, E>(case),
        "batch_norm" => batch_norm::<1, E>(case),
        "layer_norm" => {
            let shape = case.sizes("normalized_shape");
            let plain = if case.flag("affine") { LayerNorm::new(shape) } else { LayerNorm::without_affine(shape) };
            layer(case, plain.with_eps(case.number("eps")));
        }
        "group_norm" => {
            let (groups, channels) = (case.size("groups"), case.shape("input")[case.size("channel_axis")]);
            let affine = case.flag("affine");
            let plain =
                if affine { GroupNorm::new(groups, channels) } else { GroupNorm::without_affine(groups, channels) };
            layer(case, plain.with_eps(case.number("eps")));
            // As many groups as channels is instance norm.
            let (axes, eps) = (case.shape("input").len(), case.number("eps"));
            if groups == channels && affine && axes == 3 {
                layer(case, InstanceNorm1d::with_affine(channels).with_eps(eps));
            } else if groups == channels && affine && axes == 4 {
                layer(case, InstanceNorm2d::with_affine(channels).with_eps(eps));
            }
        }
        _ => return None,
    }
    Some(())
}

fn layer<E: Element>(case: &Check<'_, E>, mut norm: impl Layer<E>) {
    let inputs: &[&str] = if case.flag("affine") { &["input", "weight", "bias"] } else { &["input"] };
    case.differentiate(inputs, |x| vec![("output", norm.with_parameters(&x[1..], |norm| norm.forward(&x[0])))]);
}

fn batch_norm<const AXES: usize, E: Element>(case: &Check<'_, E>) {
    let channels = case.shape("x1")[case.size("channel_axis")];
    let affine = case.flag("affine");
    let plain = if affine { BatchNorm::<AXES, E>::new(channels) } else { BatchNorm::without_affine(channels) };
    let norm = RefCell::new(plain.with_eps(case.number("eps")).with_momentum(case.maybe_number("momentum")));
    let train = |x: &Var<E>, affine: &[Var<E>], step: usize| {
        let mut norm = norm.borrow_mut();
        let y = norm.with_parameters(affine, |norm| norm.forward_train(x, &mut Rng::new(0)));
        case.compare(&format!("running_mean_{step}"), norm.running_mean());
        case.compare(&format!("running_var_{step}"), norm.running_var());
        y
    };
    walk(case, train, |x, affine| norm.borrow_mut().with_parameters(affine, |norm| norm.forward(x)));
}

/// Without running statistics test time is the same as training.
fn without_statistics<E: Element>(case: &Check<'_, E>) {
    let by_batch = |x: &Var<E>, affine: &[Var<E>]| {
        let affine = if let [weight, bias] = affine { Some((weight, bias)) } else { None };
        x.batch_norm(&ChannelMoments::of(x.value()), affine, case.scalar("eps"))
    };
    walk(case, |x, affine, _| by_batch(x, affine), by_batch);
}

/// The training steps, the gradients of the last of them, and then test time with its gradients.
fn walk<E: Element>(
    case: &Check<'_, E>,
    train: impl Fn(&Var<E>, &[Var<E>], usize) -> Var<E>,
    test: impl Fn(&Var<E>, &[Var<E>]) -> Var<E>,
) {
    let affine = || {
        let names: &[&str] = if case.flag("affine") { &["weight", "bias"] } else { &[] };
        names.iter().map(|name| case.tracked(name)).collect::<Vec<_>>()
    };
    let steps = case.size("steps");
    for step in 1..=steps {
        let (x, affine) = (case.tracked(&format!("x{step}")), affine());
        let y = train(&x, &affine, step);
        case.compare(&format!("y{step}"), y.value());
        if step == steps {
            gradients(case, &y, ("grad_out", ""), (&format!("x{step}"), &x), &affine);
        }
    }
    let (x, affine) = (case.tracked("x_eval"), affine());
    let y = test(&x, &affine);
    case.compare("y_eval", y.value());
    gradients(case, &y, ("grad_out_eval", "_eval"), ("x_eval", &x), &affine);
}

fn gradients<E: Element>(
    case: &Check<'_, E>,
    y: &Var<E>,
    (cotangent, suffix): (&str, &str),
    (name, x): (&str, &Var<E>),
    affine: &[Var<E>],
) {
    let gradients = y.mul(&case.constant(cotangent)).sum_all().backward();
    let of = |leaf: &Var<E>| -> Tensor<E> { gradients.of(leaf).cloned().unwrap_or_else(|| leaf.value().zeros_like()) };
    case.compare(&format!("grad_{name}"), &of(x));
    for (name, leaf) in ["weight", "bias"].iter().zip(affine) {
        case.compare(&format!("grad_{name}{suffix}"), &of(leaf));
    }
}
