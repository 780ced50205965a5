//! Clipping of one step of plain gradient descent with rate 1, which shows the gradient that the rule got.

use crate::{Case, cases};
use kniff_optim::{Clip, Fold, Rule, Sgd, State, global_norm};
use kniff_tensor::Element;

#[test]
fn clipped_gradients_are_those_of_pytorch_and_optax() {
    let cases = cases(include_str!("../fixtures/clip.json"));
    assert!(cases.len() > 10);
    for case in &cases {
        if case.dtype == "F32" { check::<f32>(case) } else { check::<f64>(case) }
    }
}

fn check<E: Element>(case: &Case) {
    let parts: Vec<Vec<E>> = (0..case.count("parts"))
        .map(|k| case.tensors[&format!("grad{k}")].iter().map(|&x| E::from_f64(x)).collect())
        .collect();
    let fold = match case.op.as_str() {
        "clip_grad_norm" => {
            let norm_type = case.number("norm_type");
            let clip = Clip::Norm { max_norm: case.number("max_norm"), norm_type, epsilon: case.number("eps") };
            clip.validate().unwrap();
            let norm = global_norm(parts.iter().map(Vec::as_slice), norm_type);
            case.check("total_norm", &[norm]);
            Fold { gradient_scale: clip.scale(norm), ..Fold::default() }
        }
        "clip_grad_value" => Fold { clip_value: case.number("clip_value"), ..Fold::default() },
        other => panic!("unknown op {other}"),
    };
    for (k, part) in parts.iter().enumerate() {
        let mut p = vec![E::ZERO; part.len()];
        Sgd.step_slice_with(&mut p, part, &mut State::new(&Sgd), 1.0, &fold);
        let clipped: Vec<f64> = p.iter().map(|x| -x.to_f64()).collect();
        case.check(&format!("clipped{k}"), &clipped);
    }
}
