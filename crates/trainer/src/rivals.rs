//! Which class a classifier finds likeliest beside the label, and how much: evidence for a sampler that learns.

use kniff_data::{Rival, Targets};
use kniff_nn::{BinaryLogits, Logits};
use kniff_tensor::{Element, Tensor};
use std::any::Any;

/// One rival per example: from the logits of a classifier with class labels, or of a binary one with one target each of 0 or 1;
/// none of other outputs.
pub(crate) fn rivals<E: Element, O: Any, T: Targets>(output: &O, targets: &T) -> Vec<Rival> {
    let output = output as &dyn Any;
    if let (Some(logits), Some(labels)) = (output.downcast_ref::<Logits<E>>(), targets.labels()) {
        let z = logits.var().value();
        let [n, classes] = z.shape()[..] else { return Vec::new() };
        if classes < 2 || labels.as_slice().len() != n {
            return Vec::new();
        }
        let z = z.to_vec();
        return z.chunks_exact(classes).zip(labels.as_slice()).map(|(z, &label)| strongest(z, label)).collect();
    }
    let target = (targets as &dyn Any).downcast_ref::<Tensor<E>>();
    if let (Some(logits), Some(target)) = (output.downcast_ref::<BinaryLogits<E>>(), target) {
        let z = logits.var().value();
        if z.len() != target.shape().first().copied().unwrap_or(0) || target.len() != z.len() {
            return Vec::new();
        }
        let pairs = z.to_vec().into_iter().zip(target.to_vec());
        return pairs.map(|(z, t)| answer(z.to_f64(), t.to_f64() > 0.5)).collect();
    }
    Vec::new()
}

/// The largest logit beside the label's; a label that is none, which a loss may ignore, has no rival.
fn strongest<E: Element>(z: &[E], label: usize) -> Rival {
    let mut best = (label, f64::NEG_INFINITY);
    for (class, z) in z.iter().enumerate() {
        if class != label && z.to_f64() > best.1 {
            best = (class, z.to_f64());
        }
    }
    let given = z.get(label).map_or(f64::INFINITY, |z| z.to_f64());
    Rival { class: best.0, margin: best.1 - given }
}

/// The other answer.
fn answer(z: f64, yes: bool) -> Rival {
    Rival { class: usize::from(!yes), margin: if yes { -z } else { z } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kniff_nn::{BinaryHead, ClassHead, Head};
    use kniff_tensor::Indices;

    #[test]
    fn the_strongest_other_class_and_its_margin() {
        let z: Tensor = Tensor::from_slice(&[1.0, 3.0, 0.5, 2.0, -1.0, 1.5], [2, 3]);
        let found = rivals::<f32, _, _>(&<ClassHead as Head<f32>>::wrap(z.into()), &Indices::from_vec(vec![0, 0]));
        assert_eq!(found, [Rival { class: 1, margin: 2.0 }, Rival { class: 2, margin: -0.5 }]);
        let z: Tensor = Tensor::from_slice(&[1.5, -2.0], [2, 1]);
        let targets: Tensor = Tensor::from_slice(&[0.0, 0.0], [2, 1]);
        let found = rivals::<f32, _, _>(&<BinaryHead as Head<f32>>::wrap(z.into()), &targets);
        assert_eq!(found, [Rival { class: 1, margin: 1.5 }, Rival { class: 1, margin: -2.0 }]);
    }

    #[test]
    fn an_ignored_label_is_no_evidence_and_other_outputs_have_none() {
        assert_eq!(strongest(&[1.0_f32, 2.0], 255).margin, f64::NEG_INFINITY);
        assert!(rivals::<f32, _, _>(&7_u8, &Indices::from_vec(vec![0])).is_empty());
    }
}
