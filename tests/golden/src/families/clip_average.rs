//! Clipping of gradients, and averages of weights.

use crate::Check;
use kniff::optim::{Clip, Fold, Rule, Sgd, State, WeightAverage, global_norm};
use kniff_tensor::{Element, Tensor};

pub(super) fn run<E: Element>(op: &str, case: &Check<'_, E>) -> Option<()> {
    match op {
        "clip_grad_norm" => {
            let norm_type = case.number("norm_type");
            let clip = Clip::Norm { max_norm: case.number("max_norm"), norm_type, epsilon: case.number("eps") };
            clip.validate().unwrap_or_else(|e| panic!("{e}"));
            let parts: Vec<Vec<E>> = parts(case).iter().map(Tensor::to_vec).collect();
            let norm = global_norm(parts.iter().map(Vec::as_slice), norm_type);
            case.compare_numbers("total_norm", &[], &[norm]);
            clipped(case, &Fold { gradient_scale: clip.scale(norm), ..Fold::default() });
        }
        "clip_grad_value" => clipped(case, &Fold { clip_value: case.number("clip_value"), ..Fold::default() }),
        "ema" => {
            let average = WeightAverage::exponential(case.number("decay"));
            averages(
                case,
                match case.text("start") {
                    "first weights" => average,
                    "zero" => average.from_zero(case.flag("debias")),
                    other => panic!("an average does not start at `{other}`"),
                },
            );
        }
        "swa" => averages(case, WeightAverage::mean()),
        _ => return None,
    }
    Some(())
}

fn parts<E: Element>(case: &Check<'_, E>) -> Vec<Tensor<E>> {
    (0..case.size("parts")).map(|k| case.tensor(&format!("grad{k}"))).collect()
}

/// A step of plain gradient descent from 0 with rate 1 shows the gradient that the rule got.
fn clipped<E: Element>(case: &Check<'_, E>, fold: &Fold) {
    for (k, part) in parts(case).iter().enumerate() {
        let mut p = vec![E::ZERO; part.len()];
        Sgd.step_slice_with(&mut p, &part.to_vec(), &mut State::new(&Sgd), 1.0, fold);
        case.compare(&format!("clipped{k}"), &Tensor::from_vec(p, *part.shape()).neg());
    }
}

fn averages<E: Element>(case: &Check<'_, E>, mut average: WeightAverage<E>) {
    let weights = case.tensor("weights");
    let steps = 0..weights.shape()[0];
    let after: Vec<Tensor<E>> = steps
        .map(|t| {
            average.update([("weight", &weights.select(0, t))]);
            average.weights().swap_remove(0).1
        })
        .collect();
    case.compare("average", &Tensor::stack(&after.iter().collect::<Vec<_>>(), 0));
}
