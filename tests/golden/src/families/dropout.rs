//! Both forms of dropout, with the mask given.

use crate::Check;
use kniff::autograd::ops::DropoutMask;
use kniff::nn::Layer;
use kniff::nn::layers::{ClassicDropout, Dropout};
use kniff_tensor::Element;

pub(super) fn run<E: Element>(op: &str, case: &Check<'_, E>) -> Option<()> {
    let p = || case.number("p");
    let mask = || DropoutMask::of(&case.mask("mask"), case.shape("input").to_vec(), p());
    match op {
        "dropout_inverted" => case.differentiate(&["input"], |x| {
            vec![("output", x[0].dropout(&mask())), ("output_eval", Dropout::new(p()).forward(&x[0]))]
        }),
        "dropout_classic" => case.differentiate(&["input"], |x| {
            vec![("output", x[0].dropout_unscaled(&mask())), ("output_eval", ClassicDropout::new(p()).forward(&x[0]))]
        }),
        _ => return None,
    }
    Some(())
}
