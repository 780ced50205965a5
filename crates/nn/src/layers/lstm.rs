//! The recurrent layer with long short-term memory.

use super::recurrence::{Cell, Recurrence};
use super::recurrent::Recurrent;
use kniff_autograd::Var;
use kniff_tensor::{Element, Tensor};

/// The gates of long short-term memory, in PyTorch's order i, f, g, o.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LstmStep;

/// What an LSTM carries from step to step.
#[derive(Clone, Debug)]
pub struct LstmState<E: Element = f32> {
    /// The output, [n, hidden].
    pub h: Var<E>,
    /// The memory, [n, hidden].
    pub c: Var<E>,
}

/// One step of long short-term memory. See [`Lstm`] for the formula and [`Cell`] for the rest.
pub type LstmCell<E = f32> = Cell<LstmStep, E>;

/// Long short-term memory along [n, steps, inputs]. See [`Recurrent`].
///
/// With `a = W_ih x + b_ih + W_hh h + b_hh` in four blocks i, f, g, o: `c' = sigmoid(f) c + sigmoid(i) tanh(g)` and
/// `h' = sigmoid(o) tanh(c')`. Memory that is to last wants a forget gate that starts open:
/// [`Lstm::with_forget_bias`](Recurrent::with_forget_bias).
///
/// Source: Hochreiter, Schmidhuber, "Long short-term memory" (1997), with the forget gate of Gers, Schmidhuber, Cummins (2000).
///
/// ```
/// use kniff_autograd::Var;
/// use kniff_nn::layers::Lstm;
/// use kniff_tensor::Tensor;
/// // All weights 0, so that i = f = o = 1/2 and g = 0: memory halves at each step.
/// let lstm = Lstm::<f64>::from_parts(Tensor::zeros([4, 1]), Tensor::zeros([4, 1]), None);
/// let one = || Var::constant(Tensor::ones([1, 1]));
/// let start = [kniff_nn::layers::LstmState { h: one(), c: one() }];
/// let run = lstm.run(&Var::constant(Tensor::ones([1, 2, 1])), Some(&start));
/// assert_eq!(run.last[0].c.item(), 0.25);
/// assert_eq!(run.last[0].h.item(), 0.5 * 0.25_f64.tanh());
/// ```
pub type Lstm<E = f32> = Recurrent<LstmStep, E>;

impl Recurrence for LstmStep {
    const CELL: &'static str = "LstmCell";
    const LAYER: &'static str = "Lstm";
    const GATES: usize = 4;
    type State<E: Element> = LstmState<E>;

    fn start<E: Element>(n: usize, hidden: usize) -> LstmState<E> {
        let zeros = || Tensor::zeros([n, hidden]).into();
        LstmState { h: zeros(), c: zeros() }
    }

    fn output<E: Element>(state: &LstmState<E>) -> &Var<E> {
        &state.h
    }

    fn step<E: Element>(&self, from_input: &Var<E>, from_state: &Var<E>, state: &LstmState<E>) -> LstmState<E> {
        let sum = from_input.add(from_state);
        let hidden = sum.shape()[1] / 4;
        let fits = state.c.shape() == state.h.shape();
        assert!(fits, "Lstm: a state of shapes {} and {} differs", state.h.shape(), state.c.shape());
        let gate = |i: usize| sum.slice_axis(1, i * hidden..(i + 1) * hidden);
        let kept = gate(1).sigmoid().mul(&state.c);
        let c = kept.add(&gate(0).sigmoid().mul(&gate(2).tanh()));
        LstmState { h: gate(3).sigmoid().mul(&c.tanh()), c }
    }
}

impl<E: Element> Cell<LstmStep, E> {
    /// With a bias of the forget gate that starts at `bias`; see [`Recurrent::with_forget_bias`].
    ///
    /// # Panics
    /// Without biases.
    #[must_use]
    #[track_caller]
    pub fn with_forget_bias(mut self, bias: f64) -> Self {
        self.weights.set_gate_bias(1, bias);
        self
    }
}

impl<E: Element> Recurrent<LstmStep, E> {
    /// With a bias of the forget gate that starts at `bias`, 1 as a rule: the gate starts open, so that gradients reach far
    /// back. Source: Jozefowicz, Zaremba, Sutskever, "An empirical exploration of recurrent network architectures" (2015).
    ///
    /// # Panics
    /// Without biases.
    #[must_use]
    #[track_caller]
    pub fn with_forget_bias(mut self, bias: f64) -> Self {
        self.weights.iter_mut().for_each(|weights| weights.set_gate_bias(1, bias));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ModuleExt;
    use kniff_init::{GlorotUniform, Orthogonal};
    use kniff_tensor::Rng;

    #[test]
    fn the_forget_gate_is_the_second_block() {
        let cell = LstmCell::<f64>::new(2, 2, GlorotUniform, Orthogonal::default(), &mut Rng::new(0));
        let names: Vec<String> = cell.parameters().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["weight_ih", "weight_hh", "bias_ih", "bias_hh"]);
        let open = cell.with_forget_bias(1.0);
        assert_eq!(open.parameters()[2].1.value().to_vec(), [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
        // Each gate's block is orthogonal by itself.
        let hh = open.parameters()[1].1.value().slice_axis(0, 4..6);
        let gram = hh.matmul(&hh.t());
        assert!((gram.at(&[0, 0]) - 1.0).abs() < 1e-12 && gram.at(&[0, 1]).abs() < 1e-12);
    }
}
