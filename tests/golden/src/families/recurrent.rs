//! Recurrent cells and short sequences.

use crate::Check;
use kniff::nn::ModuleExt;
use kniff::nn::layers::{Cell, GruStep, LstmState, LstmStep, Recurrence, Recurrent, Rnn, RnnCell, RnnStep};
use kniff_autograd::Var;
use kniff_tensor::{Element, Tensor};

pub(super) fn run<E: Element>(op: &str, case: &Check<'_, E>) -> Option<()> {
    let plain = |state: &[Var<E>]| state[0].clone();
    let one = |h: &Var<E>| vec![h.clone()];
    let pair = |state: &[Var<E>]| LstmState { h: state[0].clone(), c: state[1].clone() };
    let both = |state: &LstmState<E>| vec![state.h.clone(), state.c.clone()];
    match op {
        "rnn_tanh_cell" => cell::<RnnStep, E>(case, |cell| cell, plain, one),
        "rnn_relu_cell" => cell::<RnnStep, E>(case, RnnCell::with_relu, plain, one),
        "lstm_cell" => cell::<LstmStep, E>(case, |cell| cell, pair, both),
        "gru_cell" => cell::<GruStep, E>(case, |cell| cell, plain, one),
        "rnn_tanh_sequence" => sequence::<RnnStep, E>(case, |layer| layer, plain, one),
        "rnn_relu_sequence" => sequence::<RnnStep, E>(case, Rnn::with_relu, plain, one),
        "lstm_sequence" => sequence::<LstmStep, E>(case, |layer| layer, pair, both),
        "gru_sequence" => sequence::<GruStep, E>(case, |layer| layer, plain, one),
        _ => return None,
    }
    Some(())
}

/// The names of what is fed: input, state, weights. How many of them are the state.
fn names<E: Element>(case: &Check<'_, E>) -> (Vec<&'static str>, usize) {
    let mut names = vec!["input", "h"];
    if case.has("c") {
        names.push("c");
    }
    let states = names.len() - 1;
    names.extend(["weight_ih", "weight_hh"]);
    if case.flag("bias") {
        names.extend(["bias_ih", "bias_hh"]);
    }
    (names, states)
}

/// The weights, from which a layer is made.
fn parts<E: Element>(case: &Check<'_, E>) -> (Tensor<E>, Tensor<E>, Option<[Tensor<E>; 2]>) {
    let bias = case.flag("bias").then(|| ["bias_ih", "bias_hh"].map(|name| case.tensor(name)));
    (case.tensor("weight_ih"), case.tensor("weight_hh"), bias)
}

const ENDS: [&str; 2] = ["h_out", "c_out"];

fn cell<R: Recurrence, E: Element>(
    case: &Check<'_, E>,
    build: impl Fn(Cell<R, E>) -> Cell<R, E>,
    state: impl Fn(&[Var<E>]) -> R::State<E>,
    apart: impl Fn(&R::State<E>) -> Vec<Var<E>>,
) {
    let (names, states) = names(case);
    case.differentiate(&names, |x| {
        let (ih, hh, bias) = parts(case);
        let (given, weights) = x.split_at(1 + states);
        let mut cell = build(Cell::from_parts(ih, hh, bias));
        let next = cell.with_parameters(weights, |cell| cell.step(&given[0], &state(&given[1..])));
        ENDS.into_iter().zip(apart(&next)).collect()
    });
}

fn sequence<R: Recurrence, E: Element>(
    case: &Check<'_, E>,
    build: impl Fn(Recurrent<R, E>) -> Recurrent<R, E>,
    state: impl Fn(&[Var<E>]) -> R::State<E>,
    apart: impl Fn(&R::State<E>) -> Vec<Var<E>>,
) {
    let (names, states) = names(case);
    // kniff has the batch first.
    let turned = |x: &Var<E>| if case.size("time_axis") == 0 { x.permute(&[1, 0, 2]) } else { x.clone() };
    case.differentiate(&names, |x| {
        let (ih, hh, bias) = parts(case);
        let (given, weights) = x.split_at(1 + states);
        let mut layer = build(Recurrent::from_parts(ih, hh, bias));
        let start = [state(&given[1..])];
        let run = layer.with_parameters(weights, |layer| layer.run(&turned(&given[0]), Some(&start)));
        let mut outputs = vec![("output", turned(&run.output))];
        outputs.extend(ENDS.into_iter().zip(apart(&run.last[0])));
        outputs
    });
}
