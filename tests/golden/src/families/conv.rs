//! Convolutions of signals and images, and their transposes.

use crate::Check;
use kniff_autograd::Var;
use kniff_tensor::{ConvOptions, Element};

pub(super) fn run<E: Element>(op: &str, case: &Check<'_, E>) -> Option<()> {
    match op {
        "conv1d" | "conv2d" => differentiate(case, |x, w, b| x.conv(w, b, &options(case))),
        "conv_transpose1d" | "conv_transpose2d" => differentiate(case, |x, w, b| {
            x.conv_transpose(w, b, &options(case), down_and_across(&case.sizes("output_padding"), 0))
        }),
        _ => return None,
    }
    Some(())
}

fn differentiate<E: Element>(case: &Check<'_, E>, f: impl FnOnce(&Var<E>, &Var<E>, Option<&Var<E>>) -> Var<E>) {
    let names = ["input", "weight", "bias"];
    let names = if case.flag("bias") { &names[..] } else { &names[..2] };
    case.differentiate(names, |x| vec![("output", f(&x[0], &x[1], x.get(2)))]);
}

fn options<E: Element>(case: &Check<'_, E>) -> ConvOptions {
    ConvOptions {
        stride: down_and_across(&case.sizes("stride"), 1),
        padding: down_and_across(&case.sizes("padding"), 0).map(|p| (p, p)),
        dilation: down_and_across(&case.sizes("dilation"), 1),
        groups: case.size("groups"),
        ..ConvOptions::default()
    }
}

/// One number per axis of an image; a signal is an image of one row, for which `missing` is right.
pub(super) fn down_and_across(sides: &[usize], missing: usize) -> [usize; 2] {
    match *sides {
        [across] => [missing, across],
        [down, across] => [down, across],
        _ => panic!("{sides:?} is not one number per axis of a signal or an image"),
    }
}
