//! The contract of one step of a recurrent layer, and the cell that takes one step at a time.

use crate::{Module, Path, Visitor, VisitorMut};
use kniff_autograd::{Parameter, Var};
use kniff_init::Initializer;
use kniff_tensor::{Element, Rng, Tensor};
use std::fmt;

/// What one step does to the state.
pub trait Recurrence: Copy + fmt::Debug + Default + Send + Sync + 'static {
    /// The name of the cell, for messages.
    const CELL: &'static str;
    /// The name of the layer, for messages.
    const LAYER: &'static str;
    /// How many blocks of `hidden` rows the weights have, one for each gate.
    const GATES: usize;

    /// What is carried from step to step.
    type State<E: Element>: Clone + fmt::Debug;

    /// The state before the first step: zeros, [n, hidden].
    fn start<E: Element>(n: usize, hidden: usize) -> Self::State<E>;

    /// The part of the state that is the output, [n, hidden].
    fn output<E: Element>(state: &Self::State<E>) -> &Var<E>;

    /// The squashing function that the output has passed through, if there is one.
    fn squashes(&self) -> Option<&'static str> {
        Some("a tanh")
    }

    /// The next state, from `W_ih x + b_ih` and `W_hh h + b_hh`, both [n, gates hidden], and the state.
    fn step<E: Element>(&self, from_input: &Var<E>, from_state: &Var<E>, state: &Self::State<E>) -> Self::State<E>;
}

/// The weights of one cell: PyTorch's four tensors, under PyTorch's names and a suffix.
#[derive(Clone, Debug)]
pub(super) struct Weights<E: Element> {
    pub(super) weight_ih: Parameter<E>,
    pub(super) weight_hh: Parameter<E>,
    pub(super) bias: Option<[Parameter<E>; 2]>,
    suffix: String,
}

impl<E: Element> Weights<E> {
    /// Each gate's block is drawn by itself, so that its fans are those of the gate and not of all gates together.
    pub(super) fn draw<R: Recurrence>(
        (inputs, hidden): (usize, usize),
        suffix: String,
        (input, recurrent): (&impl Initializer, &impl Initializer),
        rng: &mut Rng,
    ) -> Self {
        let mut blocks = |columns: usize, recurrent_too: bool| {
            let block = |_| {
                if recurrent_too {
                    recurrent.init(&[hidden, columns], rng)
                } else {
                    input.init(&[hidden, columns], rng)
                }
            };
            let blocks: Vec<Tensor<E>> = (0..R::GATES).map(block).collect();
            Parameter::new(Tensor::concat(&blocks.iter().collect::<Vec<_>>(), 0))
        };
        let (weight_ih, weight_hh) = (blocks(inputs, false), blocks(hidden, true));
        let zeros = || Parameter::new(Tensor::zeros([R::GATES * hidden]));
        Self { weight_ih, weight_hh, bias: Some([zeros(), zeros()]), suffix }
    }

    #[track_caller]
    pub(super) fn given<R: Recurrence>(
        weight_ih: Tensor<E>,
        weight_hh: Tensor<E>,
        bias: Option<[Tensor<E>; 2]>,
        suffix: String,
    ) -> Self {
        let hidden = weight_hh.shape().get(1).copied().unwrap_or(0);
        let rows = R::GATES * hidden;
        let fits = weight_ih.rank() == 2
            && *weight_hh.shape() == [rows, hidden]
            && weight_ih.shape()[0] == rows
            && bias.iter().flatten().all(|b| *b.shape() == [rows]);
        assert!(
            fits,
            "{}: weights of shapes {} and {} are not [{} hidden, inputs] and [{} hidden, hidden], or their biases do not fit",
            R::CELL,
            weight_ih.shape(),
            weight_hh.shape(),
            R::GATES,
            R::GATES
        );
        let bias = bias.map(|bias| bias.map(Parameter::new));
        Self { weight_ih: Parameter::new(weight_ih), weight_hh: Parameter::new(weight_hh), bias, suffix }
    }

    pub(super) fn inputs(&self) -> usize {
        self.weight_ih.value().shape()[1]
    }

    pub(super) fn hidden(&self) -> usize {
        self.weight_hh.value().shape()[1]
    }

    /// `W_ih x + b_ih` for any leading axes.
    pub(super) fn product_of_input(&self, x: &Var<E>) -> Var<E> {
        x.linear(&self.weight_ih.var(), self.bias.as_ref().map(|b| b[0].var()).as_ref())
    }

    /// `W_hh h + b_hh`.
    pub(super) fn product_of_state(&self, h: &Var<E>) -> Var<E> {
        h.linear(&self.weight_hh.var(), self.bias.as_ref().map(|b| b[1].var()).as_ref())
    }

    /// Sets the first bias of one gate, and the second to 0.
    #[track_caller]
    pub(super) fn set_gate_bias(&mut self, gate: usize, value: f64) {
        let here = gate * self.hidden()..(gate + 1) * self.hidden();
        let bias = self.bias.as_mut().expect("a gate's bias can be set only where there are biases");
        for (bias, value) in bias.iter_mut().zip([value, 0.0]) {
            bias.value_mut().make_mut()[here.clone()].fill(E::from_f64(value));
        }
    }
}

impl<E: Element> Module<E> for Weights<E> {
    fn visit<'a>(&'a self, path: &mut Path, visitor: &mut dyn Visitor<'a, E>) {
        let mut show = |name: &str, p: &'a Parameter<E>| {
            path.enter(&format!("{name}{}", self.suffix), |path| visitor.parameter(path, p));
        };
        show("weight_ih", &self.weight_ih);
        show("weight_hh", &self.weight_hh);
        if let Some([ih, hh]) = &self.bias {
            show("bias_ih", ih);
            show("bias_hh", hh);
        }
    }
    fn visit_mut<'a>(&'a mut self, path: &mut Path, visitor: &mut dyn VisitorMut<'a, E>) {
        let suffix = &self.suffix;
        let mut show = |name: &str, p: &'a mut Parameter<E>| {
            path.enter(&format!("{name}{suffix}"), |path| visitor.parameter(path, p));
        };
        show("weight_ih", &mut self.weight_ih);
        show("weight_hh", &mut self.weight_hh);
        if let Some([ih, hh]) = &mut self.bias {
            show("bias_ih", ih);
            show("bias_hh", hh);
        }
    }
}

/// A recurrent cell: one step at a time, the state in the caller's hands.
///
/// Weights have PyTorch's names, shapes and order of gates: `weight_ih` [gates hidden, inputs], `weight_hh`
/// [gates hidden, hidden], `bias_ih` and `bias_hh` [gates hidden]. The initialisers of both are named; each gate's block
/// is drawn by itself, and biases start at 0 (PyTorch: uniform draws for all four).
///
/// ```
/// use kniff_autograd::Var;
/// use kniff_nn::layers::RnnCell;
/// use kniff_tensor::Tensor;
/// // h' = relu(2 x + 3 h)
/// let one = |x: f64| Tensor::from_slice(&[x], [1, 1]);
/// let cell = RnnCell::from_parts(one(2.0), one(3.0), None).with_relu();
/// let h = cell.step(&Var::constant(one(1.0)), &cell.start(1));
/// assert_eq!(h.item(), 2.0);
/// assert_eq!(cell.step(&Var::constant(one(1.0)), &h).item(), 8.0);
/// ```
#[derive(Clone, Debug)]
pub struct Cell<R: Recurrence, E: Element = f32> {
    pub(super) rule: R,
    pub(super) weights: Weights<E>,
}

impl<R: Recurrence, E: Element> Cell<R, E> {
    /// A cell whose weights for the input and for the state are drawn by the two initialisers.
    pub fn new(
        inputs: usize,
        hidden: usize,
        input: impl Initializer,
        recurrent: impl Initializer,
        rng: &mut Rng,
    ) -> Self {
        let weights = Weights::draw::<R>((inputs, hidden), String::new(), (&input, &recurrent), rng);
        Self { rule: R::default(), weights }
    }

    /// A cell of given weights: `weight_ih`, `weight_hh`, and `bias_ih` with `bias_hh`.
    ///
    /// # Panics
    /// If their shapes do not fit each other.
    #[track_caller]
    pub fn from_parts(weight_ih: Tensor<E>, weight_hh: Tensor<E>, bias: Option<[Tensor<E>; 2]>) -> Self {
        Self { rule: R::default(), weights: Weights::given::<R>(weight_ih, weight_hh, bias, String::new()) }
    }

    /// Without biases.
    #[must_use]
    pub fn without_bias(mut self) -> Self {
        self.weights.bias = None;
        self
    }

    /// The state before the first step, for a batch of `n`: zeros.
    pub fn start(&self, n: usize) -> R::State<E> {
        R::start(n, self.weights.hidden())
    }

    /// The state after an input [n, inputs].
    ///
    /// # Panics
    /// If shapes do not fit.
    #[track_caller]
    pub fn step(&self, x: &Var<E>, state: &R::State<E>) -> R::State<E> {
        let (inputs, hidden) = (self.weights.inputs(), self.weights.hidden());
        let h = R::output(state);
        let fits = x.rank() == 2 && x.shape()[1] == inputs && *h.shape() == [x.shape()[0], hidden];
        assert!(
            fits,
            "{}: an input of shape {} and a state of {} are not [n, {inputs}] and [n, {hidden}]",
            R::CELL,
            x.shape(),
            h.shape()
        );
        self.rule.step(&self.weights.product_of_input(x), &self.weights.product_of_state(h), state)
    }
}

impl<R: Recurrence, E: Element> Module<E> for Cell<R, E> {
    fn visit<'a>(&'a self, path: &mut Path, visitor: &mut dyn Visitor<'a, E>) {
        self.weights.visit(path, visitor);
    }
    fn visit_mut<'a>(&'a mut self, path: &mut Path, visitor: &mut dyn VisitorMut<'a, E>) {
        self.weights.visit_mut(path, visitor);
    }
}
