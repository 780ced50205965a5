//! A recurrent layer: one rule from step to step along a sequence, in several layers and both directions.

use super::recurrence::{Recurrence, Weights};
use crate::layer::ShapeError;
use crate::{Layer, Module, Path, Visitor, VisitorMut};
use kniff_autograd::Var;
use kniff_autograd::ops::DropoutMask;
use kniff_init::Initializer;
use kniff_tensor::{Element, Rng, Shape, Tensor};

/// How a recurrent layer is built.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RecurrentOptions {
    /// How many layers stand on one another; 1 unless set.
    pub layers: usize,
    /// Whether each layer also runs from the end to the beginning, the outputs side by side; false unless set.
    pub bidirectional: bool,
    /// The probability of dropping what one layer hands to the next in training; 0 unless set.
    pub dropout: f64,
    /// Whether there are biases; true unless set.
    pub bias: bool,
}

impl Default for RecurrentOptions {
    fn default() -> Self {
        Self { layers: 1, bidirectional: false, dropout: 0.0, bias: true }
    }
}

/// A recurrent layer on sequences [n, steps, inputs], which gives [n, steps, hidden] (twice that in both directions).
///
/// [`super::Rnn`], [`super::Lstm`] and [`super::Gru`] are this with a rule. The batch is the first axis, as for every layer
/// (PyTorch: `batch_first=True`). As a [`Layer`] it starts from zeros and gives all steps; [`super::LastStep`] after it
/// leaves the last one. [`Recurrent::run`] takes initial states and gives the last ones.
///
/// Parameters have PyTorch's names (`weight_ih_l0`, `bias_hh_l1_reverse`), shapes and order of gates. The initialisers for
/// input and state are named; each gate's block is drawn by itself, and biases start at 0.
#[derive(Clone, Debug)]
pub struct Recurrent<R: Recurrence, E: Element = f32> {
    pub(super) rule: R,
    /// Layer by layer, in each the direction forward and then the one backward.
    pub(super) weights: Vec<Weights<E>>,
    directions: usize,
    dropout: f64,
}

/// What a recurrent layer gives for a sequence.
#[derive(Clone, Debug)]
pub struct Unrolled<S, E: Element = f32> {
    /// The output of every step, [n, steps, hidden], or [n, steps, 2 hidden] with forward and backward side by side.
    pub output: Var<E>,
    /// The last state of every layer, in each the direction forward and then the one backward (which ends at the first
    /// step).
    pub last: Vec<S>,
}

impl<R: Recurrence, E: Element> Recurrent<R, E> {
    /// One layer, forward, with biases of 0; its weights for the input and for the state are drawn by the two
    /// initialisers.
    pub fn new(
        inputs: usize,
        hidden: usize,
        input: impl Initializer,
        recurrent: impl Initializer,
        rng: &mut Rng,
    ) -> Self {
        Self::with_options(inputs, hidden, RecurrentOptions::default(), input, recurrent, rng)
    }

    /// Built as the options say.
    ///
    /// # Panics
    /// Without layers, or if the dropout is not a probability.
    #[track_caller]
    pub fn with_options(
        inputs: usize,
        hidden: usize,
        options: RecurrentOptions,
        input: impl Initializer,
        recurrent: impl Initializer,
        rng: &mut Rng,
    ) -> Self {
        let RecurrentOptions { layers, bidirectional, dropout, bias } = options;
        assert!(layers > 0, "{}: it needs at least one layer", R::LAYER);
        assert!((0.0..=1.0).contains(&dropout), "{}: a dropout of {dropout} is not a probability", R::LAYER);
        let directions = if bidirectional { 2 } else { 1 };
        let mut weights = Vec::with_capacity(layers * directions);
        for layer in 0..layers {
            let inputs = if layer == 0 { inputs } else { directions * hidden };
            for reverse in ["", "_reverse"].iter().take(directions) {
                let suffix = format!("_l{layer}{reverse}");
                let mut drawn = Weights::draw::<R>((inputs, hidden), suffix, (&input, &recurrent), rng);
                if !bias {
                    drawn.bias = None;
                }
                weights.push(drawn);
            }
        }
        Self { rule: R::default(), weights, directions, dropout }
    }

    /// One layer of given weights: `weight_ih`, `weight_hh`, and `bias_ih` with `bias_hh`.
    ///
    /// # Panics
    /// If their shapes do not fit each other.
    #[track_caller]
    pub fn from_parts(weight_ih: Tensor<E>, weight_hh: Tensor<E>, bias: Option<[Tensor<E>; 2]>) -> Self {
        let weights = Weights::given::<R>(weight_ih, weight_hh, bias, "_l0".to_owned());
        Self { rule: R::default(), weights: vec![weights], directions: 1, dropout: 0.0 }
    }

    fn inputs(&self) -> usize {
        self.weights[0].inputs()
    }

    fn hidden(&self) -> usize {
        self.weights[0].hidden()
    }

    /// Runs along sequences [n, steps, inputs] from the given states, one for each layer and direction, or from zeros.
    ///
    /// # Panics
    /// If shapes do not fit, there are no steps, or there are not as many states as layers and directions.
    #[track_caller]
    pub fn run(&self, x: &Var<E>, initial: Option<&[R::State<E>]>) -> Unrolled<R::State<E>, E> {
        self.unroll(x, initial, None)
    }

    /// [`Recurrent::run`] in training, with dropout between the layers.
    ///
    /// # Panics
    /// As [`Recurrent::run`].
    #[track_caller]
    pub fn run_train(&self, x: &Var<E>, initial: Option<&[R::State<E>]>, rng: &mut Rng) -> Unrolled<R::State<E>, E> {
        self.unroll(x, initial, Some(rng))
    }

    #[track_caller]
    fn unroll(
        &self,
        x: &Var<E>,
        initial: Option<&[R::State<E>]>,
        mut drop: Option<&mut Rng>,
    ) -> Unrolled<R::State<E>, E> {
        let fits = x.rank() == 3 && x.shape()[1] > 0 && x.shape()[2] == self.inputs();
        assert!(
            fits,
            "{}: an input of shape {} is not [n, steps, {}] with at least one step",
            R::LAYER,
            x.shape(),
            self.inputs()
        );
        let (n, count) = (x.shape()[0], self.weights.len());
        let states = initial.map_or(count, <[_]>::len);
        assert!(states == count, "{}: {states} initial states for {count} layers and directions", R::LAYER);
        // Steps outermost: what one step needs lies together.
        let mut sequence = x.permute(&[1, 0, 2]);
        let mut last = Vec::with_capacity(count);
        for (layer, weights) in self.weights.chunks(self.directions).enumerate() {
            if let Some(rng) = drop.as_deref_mut().filter(|_| layer > 0 && self.dropout > 0.0) {
                sequence = sequence.dropout(&DropoutMask::draw(*sequence.shape(), self.dropout, rng));
            }
            let mut outputs = Vec::with_capacity(self.directions);
            for (direction, weights) in weights.iter().enumerate() {
                let at = layer * self.directions + direction;
                let start = initial.map_or_else(|| R::start(n, weights.hidden()), |states| states[at].clone());
                let (output, end) = self.one_way(weights, &sequence, start, direction == 1);
                outputs.push(output);
                last.push(end);
            }
            sequence = match &outputs[..] {
                [forward, backward] => Var::concat(&[forward, backward], 2),
                _ => outputs.swap_remove(0),
            };
        }
        Unrolled { output: sequence.permute(&[1, 0, 2]), last }
    }

    /// One layer in one direction, on [steps, n, features].
    #[track_caller]
    fn one_way(
        &self,
        weights: &Weights<E>,
        sequence: &Var<E>,
        mut state: R::State<E>,
        backward: bool,
    ) -> (Var<E>, R::State<E>) {
        let h = R::output(&state);
        let (n, hidden) = (sequence.shape()[1], weights.hidden());
        let fits = *h.shape() == [n, hidden];
        assert!(fits, "{}: an initial state of shape {} is not [{n}, {hidden}]", R::LAYER, h.shape());
        // The input's products do not wait for the state: one product for all steps.
        let mut products = Vec::with_capacity(sequence.shape()[0]);
        apart(&weights.product_of_input(sequence), &mut products);
        if backward {
            products.reverse();
        }
        let mut outputs = Vec::with_capacity(products.len());
        for product in &products {
            state = self.rule.step(product, &weights.product_of_state(R::output(&state)), &state);
            outputs.push(R::output(&state).unsqueeze(0));
        }
        if backward {
            outputs.reverse();
        }
        (Var::concat(&outputs.iter().collect::<Vec<_>>(), 0), state)
    }
}

/// The entries of the first axis. Halved again and again, so that the way back adds up `steps log(steps)` entries and not
/// the square of the steps.
fn apart<E: Element>(x: &Var<E>, into: &mut Vec<Var<E>>) {
    match x.shape()[0] {
        1 => into.push(x.squeeze(0)),
        steps => {
            apart(&x.slice_axis(0, 0..steps / 2), into);
            apart(&x.slice_axis(0, steps / 2..steps), into);
        }
    }
}

impl<R: Recurrence, E: Element> Module<E> for Recurrent<R, E> {
    fn visit<'a>(&'a self, path: &mut Path, visitor: &mut dyn Visitor<'a, E>) {
        self.weights.iter().for_each(|weights| weights.visit(path, visitor));
    }
    fn visit_mut<'a>(&'a mut self, path: &mut Path, visitor: &mut dyn VisitorMut<'a, E>) {
        self.weights.iter_mut().for_each(|weights| weights.visit_mut(path, visitor));
    }
}

impl<R: Recurrence, E: Element> Layer<E> for Recurrent<R, E> {
    fn forward(&self, x: &Var<E>) -> Var<E> {
        self.unroll(x, None, None).output
    }

    fn forward_train(&mut self, x: &Var<E>, rng: &mut Rng) -> Var<E> {
        self.unroll(x, None, Some(rng)).output
    }

    fn forward_sampling(&self, x: &Var<E>, rng: &mut Rng) -> Var<E> {
        self.unroll(x, None, Some(rng)).output
    }

    fn name(&self) -> &'static str {
        R::LAYER
    }

    fn squashes(&self) -> Option<&'static str> {
        self.rule.squashes()
    }

    fn output_shape(&self, input: &[usize]) -> Result<Shape, ShapeError> {
        match *input {
            [steps, inputs] if steps > 0 && inputs == self.inputs() => {
                Ok(Shape::from([steps, self.directions * self.hidden()]))
            }
            _ => Err(ShapeError::new(R::LAYER, input, format!("it takes sequences [steps, {}]", self.inputs()))),
        }
    }
}
