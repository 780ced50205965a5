//! The plain recurrent layer.

use super::recurrence::{Cell, Recurrence};
use super::recurrent::Recurrent;
use kniff_autograd::Var;
use kniff_tensor::{Element, Tensor};

/// `h' = tanh(W_ih x + b_ih + W_hh h + b_hh)`, or with ReLU in place of tanh.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RnnStep {
    relu: bool,
}

/// One step of a plain recurrent layer: `h' = tanh(W_ih x + b_ih + W_hh h + b_hh)`. See [`Cell`].
///
/// Source: Elman, "Finding structure in time" (1990).
pub type RnnCell<E = f32> = Cell<RnnStep, E>;

/// A plain recurrent layer: `h' = tanh(W_ih x + b_ih + W_hh h + b_hh)` along [n, steps, inputs]. See [`Recurrent`].
///
/// Pair it with Glorot initialisation for the input and an orthogonal one for the state; with ReLU the state starts better
/// from the identity (Le, Jaitly, Hinton, 2015). Source: Elman, "Finding structure in time" (1990).
///
/// ```
/// use kniff_init::{GlorotUniform, Orthogonal};
/// use kniff_nn::{Layer, ModuleExt, layers::Rnn};
/// use kniff_tensor::Rng;
/// let rnn: Rnn = Rnn::new(3, 5, GlorotUniform, Orthogonal::default(), &mut Rng::new(0));
/// assert_eq!(rnn.output_shape(&[7, 3]).unwrap(), [7, 5]);
/// let names: Vec<String> = rnn.parameters().into_iter().map(|(name, _)| name).collect();
/// assert_eq!(names, ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"]);
/// ```
pub type Rnn<E = f32> = Recurrent<RnnStep, E>;

impl Recurrence for RnnStep {
    const CELL: &'static str = "RnnCell";
    const LAYER: &'static str = "Rnn";
    const GATES: usize = 1;
    type State<E: Element> = Var<E>;

    fn start<E: Element>(n: usize, hidden: usize) -> Var<E> {
        Tensor::zeros([n, hidden]).into()
    }

    fn output<E: Element>(state: &Var<E>) -> &Var<E> {
        state
    }

    fn squashes(&self) -> Option<&'static str> {
        (!self.relu).then_some("a tanh")
    }

    fn step<E: Element>(&self, from_input: &Var<E>, from_state: &Var<E>, _: &Var<E>) -> Var<E> {
        let sum = from_input.add(from_state);
        if self.relu { sum.relu() } else { sum.tanh() }
    }
}

impl<E: Element> Cell<RnnStep, E> {
    /// With ReLU in place of tanh.
    #[must_use]
    pub fn with_relu(mut self) -> Self {
        self.rule = RnnStep { relu: true };
        self
    }
}

impl<E: Element> Recurrent<RnnStep, E> {
    /// With ReLU in place of tanh.
    #[must_use]
    pub fn with_relu(mut self) -> Self {
        self.rule = RnnStep { relu: true };
        self
    }
}
