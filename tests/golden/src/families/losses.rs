//! Losses, by mean, sum, and each for itself.

use crate::Check;
use kniff::nn::losses::CrossEntropy;
use kniff::nn::{ClassHead, Head, Logits, Loss, Reduction};
use kniff_autograd::ops::{CrossEntropyOptions, Reduce};
use kniff_tensor::Element;

pub(super) fn run<E: Element>(op: &str, case: &Check<'_, E>) -> Option<()> {
    match op {
        "cross_entropy" => cross_entropy(case),
        "bce_with_logits" => case.unary(|x| {
            let weights = |name: &str| case.flag(name).then(|| case.tensor(name));
            let (weight, pos_weight) = (weights("weight"), weights("pos_weight"));
            x.bce_with_logits(&case.tensor("target"), weight.as_ref(), pos_weight.as_ref(), reduction(case))
        }),
        "bce" => case.unary(|x| reduced(case, x.bce(&case.tensor("target")))),
        "kl_div" => case.unary(|x| {
            let target = case.tensor("target");
            reduced(
                case,
                if case.flag("log_target") { x.kl_divergence_of_logs(&target) } else { x.kl_divergence(&target) },
            )
        }),
        "nll" => case.unary(|x| x.nll(&case.indices("target"), &options(case))),
        "mse" => pair(case, |x, t| x.mse(t, reduction(case))),
        "l1" => pair(case, |x, t| x.l1(t, reduction(case))),
        "huber" => pair(case, |x, t| x.huber(t, case.scalar("delta"), reduction(case))),
        "smooth_l1" => pair(case, |x, t| x.smooth_l1(t, case.scalar("beta"), reduction(case))),
        "sigmoid_mse" => pair(case, |x, t| x.sigmoid().mse(t, reduction(case))),
        "tanh_mse" => pair(case, |x, t| x.tanh().mse(t, reduction(case))),
        _ => return None,
    }
    Some(())
}

type Var<E> = kniff_autograd::Var<E>;

fn pair<E: Element>(case: &Check<'_, E>, f: impl FnOnce(&Var<E>, &Var<E>) -> Var<E>) {
    case.differentiate(&["input", "target"], |x| vec![("output", f(&x[0], &x[1]))]);
}

/// The losses of the elements, reduced as the case says.
fn reduced<E: Element>(case: &Check<'_, E>, each: Var<E>) -> Var<E> {
    match case.text("reduction") {
        "batchmean" => each.sum_all().mul_scalar(E::ONE / E::from_usize(case.shape("input")[0])),
        _ => match reduction(case) {
            Reduce::None => each,
            Reduce::Sum => each.sum_all(),
            Reduce::Mean => each.mean_all(),
        },
    }
}

fn reduction<E: Element>(case: &Check<'_, E>) -> Reduce {
    match case.text("reduction") {
        "mean" => Reduce::Mean,
        "sum" => Reduce::Sum,
        "none" => Reduce::None,
        other => panic!("there is no reduction `{other}`"),
    }
}

/// The options, with every negative label become `usize::MAX`, as in [`Check::indices`].
fn options<E: Element>(case: &Check<'_, E>) -> CrossEntropyOptions<E> {
    assert!(case.size("class_axis") == 1, "the classes lie along axis 1");
    CrossEntropyOptions {
        class_weights: case.flag("class_weights").then(|| case.tensor("weight")),
        label_smoothing: case.maybe_number("label_smoothing").map_or(E::ZERO, E::from_f64),
        ignore_index: case
            .has_attr("ignore_index")
            .then(|| usize::try_from(case.integer("ignore_index")).unwrap_or(usize::MAX)),
        reduce: reduction(case),
    }
}

fn cross_entropy<E: Element>(case: &Check<'_, E>) {
    match case.text("target_kind") {
        "index" => case.unary(|x| x.softmax_cross_entropy(&case.indices("target"), &options(case))),
        "prob" => case.unary(|x| x.soft_cross_entropy(&case.tensor("target"), &options(case))),
        other => panic!("there is no target of kind `{other}`"),
    }
    on_the_typed_path(case);
}

/// The same value from the loss that a model is trained with.
fn on_the_typed_path<E: Element>(case: &Check<'_, E>) {
    let reduction = match case.text("reduction") {
        "mean" => Reduction::Mean,
        "sum" => Reduction::Sum,
        _ => return,
    };
    let CrossEntropyOptions { class_weights, label_smoothing, ignore_index, .. } = options(case);
    let mut loss = CrossEntropy::new().reduction(reduction).label_smoothing(label_smoothing.to_f64());
    if let Some(w) = class_weights {
        loss = loss.class_weights(&w.to_vec().into_iter().map(E::to_f64).collect::<Vec<_>>());
    }
    let logits: Logits<E> = ClassHead::wrap(case.constant("input"));
    let value = if case.text("target_kind") == "prob" {
        loss.loss(&logits, &case.tensor("target"))
    } else {
        let loss = ignore_index.map_or(loss.clone(), |label| loss.ignore_index(label));
        loss.loss(&logits, &case.indices("target"))
    };
    case.compare("output", value.unwrap_or_else(|e| panic!("{e}")).value());
}
