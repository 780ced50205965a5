//! A tensor together with how it came to be.

use crate::dual::Dual;
use crate::gradients::Gradients;
use crate::node::{GROUND, Input, Inputs, Kept, Kind, LeafId, Node};
use crate::sweep;
use kniff_tensor::{Element, Shape, Tensor};
use std::fmt;
use std::sync::Arc;

/// A tensor that remembers how it was computed, so that it can be differentiated.
///
/// Operations on a `Var` that comes from a [`crate::Parameter`] or from [`Var::tracked`] are recorded; on a
/// [`Var::constant`] they only compute. There is no global tape: the record hangs on the values themselves and is
/// freed with them.
///
/// ```
/// use kniff_autograd::Var;
/// use kniff_tensor::Tensor;
/// let x = Var::<f64>::tracked(Tensor::from_slice(&[1.0, 2.0, 3.0], [3]));
/// let loss = x.square().sum_all();
/// assert_eq!(loss.item(), 14.0);
/// let gradients = loss.backward();
/// assert_eq!(gradients.of(&x).unwrap().to_vec(), [2.0, 4.0, 6.0]);
/// ```
#[derive(Clone)]
pub struct Var<E: Element = f32> {
    pub(crate) value: Tensor<E>,
    pub(crate) node: Option<Arc<Node<E>>>,
    pub(crate) dual: Option<Arc<Dual<E>>>,
    pub(crate) inference: bool,
}

impl<E: Element> Var<E> {
    /// A value that no gradient is asked for.
    #[inline]
    pub fn constant(value: Tensor<E>) -> Self {
        Self { value, node: None, dual: None, inference: false }
    }

    /// A value whose touch keeps operations from being recorded, parameters or not: the input of a trained network.
    ///
    /// Differs from PyTorch: `no_grad` is a state of the thread there; here it travels with the data.
    #[inline]
    pub fn inference(value: Tensor<E>) -> Self {
        Self { value, node: None, dual: None, inference: true }
    }

    /// A leaf: a value that [`Gradients::of`] gives the gradient of.
    pub fn tracked(value: Tensor<E>) -> Self {
        Self { value, node: Some(Node::leaf(LeafId::fresh(), GROUND, false)), dual: None, inference: false }
    }

    /// One constant number.
    pub fn scalar(value: E) -> Self {
        Self::constant(Tensor::scalar(value))
    }

    /// The tensor.
    #[inline]
    pub fn value(&self) -> &Tensor<E> {
        &self.value
    }

    /// The tensor; what it came from is forgotten.
    pub fn into_value(self) -> Tensor<E> {
        self.value
    }

    /// The sizes of the axes.
    #[inline]
    pub fn shape(&self) -> &Shape {
        self.value.shape()
    }

    /// The number of axes.
    pub fn rank(&self) -> usize {
        self.value.rank()
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.value.len()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.value.is_empty()
    }

    /// The only element.
    ///
    /// # Panics
    /// Unless there is exactly one.
    #[track_caller]
    pub fn item(&self) -> E {
        self.value.item()
    }

    /// Whether a gradient flows back from here to some leaf.
    pub fn is_tracked(&self) -> bool {
        self.node.as_ref().is_some_and(|n| !matches!(n.kind, Kind::Cut(_)))
    }

    /// Whether this carries neither a record nor a tangent.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        self.node.is_none() && self.dual.is_none()
    }

    /// The value alone: no gradient and no tangent passes.
    pub fn detach(&self) -> Self {
        self.cut("detach", self.value.clone())
    }

    /// A result that no gradient passes through; remembers where the gradient was cut while coverage is checked.
    pub(crate) fn cut(&self, name: &'static str, value: Tensor<E>) -> Self {
        let traced = self.node.as_ref().filter(|n| n.traced);
        let node = traced.map(|node| {
            let input = Input { node: Some(node.clone()), below: None, kept: Kept::Shape(*self.shape()), dual: None };
            Node::record(Kind::Cut(name), Inputs::One([input]), None)
        });
        Self { value, node, dual: None, inference: self.inference }
    }

    /// Reverse mode: the gradients of this one number with respect to every leaf it was computed from.
    ///
    /// Takes the loss by value: the record is freed while it is walked, so that its buffers are used again at once
    /// and the parameters can be updated in place afterwards. Clone the loss to keep the record.
    ///
    /// # Panics
    /// If this is not a single number; sum it first, or use [`crate::vjp`].
    #[track_caller]
    pub fn backward(self) -> Gradients<E> {
        assert!(
            self.len() == 1,
            "backward: a loss is one number, this has shape {}; sum or average it first, or use vjp",
            self.shape()
        );
        let seed = Var::constant(Tensor::ones(*self.shape()));
        sweep::gradients(self, seed)
    }

    /// The name of the operation that made this, if it was recorded.
    pub fn operation(&self) -> Option<&'static str> {
        self.node.as_ref().map(|n| n.name())
    }

    pub(crate) fn leaf_id(&self) -> Option<LeafId> {
        match self.node.as_ref()?.kind {
            Kind::Leaf(id) => Some(id),
            _ => None,
        }
    }
}

impl<E: Element> From<Tensor<E>> for Var<E> {
    fn from(value: Tensor<E>) -> Self {
        Var::constant(value)
    }
}

impl<E: Element> From<&Tensor<E>> for Var<E> {
    fn from(value: &Tensor<E>) -> Self {
        Var::constant(value.clone())
    }
}

impl<E: Element> fmt::Debug for Var<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.operation() {
            Some(name) => write!(f, "Var({name}) {:?}", self.value),
            None => write!(f, "Var {:?}", self.value),
        }
    }
}
