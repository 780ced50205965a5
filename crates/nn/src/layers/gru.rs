//! The gated recurrent layer.

use super::recurrence::{Cell, Recurrence};
use super::recurrent::Recurrent;
use kniff_autograd::Var;
use kniff_tensor::{Element, Tensor};

/// The gates of a gated recurrent unit, in PyTorch's order r, z, n.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GruStep;

/// One step of a gated recurrent unit. See [`Gru`] for the formula and [`Cell`] for the rest.
pub type GruCell<E = f32> = Cell<GruStep, E>;

/// A gated recurrent layer along [n, steps, inputs]. See [`Recurrent`].
///
/// With `a = W_ih x + b_ih` and `b = W_hh h + b_hh` in three blocks r, z, n: `r = sigmoid(a_r + b_r)`,
/// `z = sigmoid(a_z + b_z)`, `n = tanh(a_n + r b_n)` and `h' = (1 - z) n + z h`. The reset gate multiplies the product with
/// the state and its bias, as in PyTorch and cuDNN; in the paper it multiplies the state before the product.
///
/// Source: Cho et al., "Learning phrase representations using RNN encoder-decoder" (2014).
///
/// ```
/// use kniff_autograd::Var;
/// use kniff_nn::layers::GruCell;
/// use kniff_tensor::Tensor;
/// // All weights 0, so that z = 1/2 and n = 0: the state halves.
/// let cell = GruCell::<f64>::from_parts(Tensor::zeros([3, 1]), Tensor::zeros([3, 1]), None);
/// let one = Var::constant(Tensor::ones([1, 1]));
/// assert_eq!(cell.step(&one, &one).item(), 0.5);
/// ```
pub type Gru<E = f32> = Recurrent<GruStep, E>;

impl Recurrence for GruStep {
    const CELL: &'static str = "GruCell";
    const LAYER: &'static str = "Gru";
    const GATES: usize = 3;
    type State<E: Element> = Var<E>;

    fn start<E: Element>(n: usize, hidden: usize) -> Var<E> {
        Tensor::zeros([n, hidden]).into()
    }

    fn output<E: Element>(state: &Var<E>) -> &Var<E> {
        state
    }

    fn step<E: Element>(&self, from_input: &Var<E>, from_state: &Var<E>, h: &Var<E>) -> Var<E> {
        let hidden = h.shape()[1];
        let block = |of: &Var<E>, i: usize| of.slice_axis(1, i * hidden..(i + 1) * hidden);
        let gate = |i: usize| block(from_input, i).add(&block(from_state, i)).sigmoid();
        let n = block(from_input, 2).add(&gate(0).mul(&block(from_state, 2))).tanh();
        n.add(&gate(1).mul(&h.sub(&n)))
    }
}
