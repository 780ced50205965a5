//! The contract of an operation: its value, its pull-back, its push-forward, and what must be remembered.

use crate::Var;
use crate::dual::Dual;
use crate::node::{Input, Inputs, Kept, Kind, Node, Output};
use kniff_tensor::{Element, Shape, Tensor};
use std::sync::Arc;

/// What the record of an operation keeps of its inputs and its output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keeps {
    inputs: u8,
    output: bool,
}

impl Keeps {
    /// Nothing but shapes.
    pub const NOTHING: Keeps = Keeps { inputs: 0, output: false };
    /// The output; if the next operation keeps its input, this costs no memory.
    pub const OUTPUT: Keeps = Keeps { inputs: 0, output: true };

    /// The inputs whose bits are set: `0b101` keeps the first and the third.
    pub const fn inputs(mask: u8) -> Keeps {
        Keeps { inputs: mask, output: false }
    }

    /// The output as well.
    pub const fn and_output(self) -> Keeps {
        Keeps { output: true, ..self }
    }
}

/// An operation on tensors that can be differentiated in both modes, any number of times.
///
/// The pull-back and the push-forward are written with operations on [`Var`], so they are differentiable themselves.
/// An operation that fuses several others gives [`Op::parts`], and then writes its pull-back with kernels: where a
/// derivative of the derivative is asked for, the parts step in.
///
/// A user's own operation implements this trait and is run with [`apply`]; [`crate::check_gradients`] checks it.
pub trait Op<E: Element>: Send + Sync + 'static {
    /// The name for messages.
    fn name(&self) -> &'static str;

    /// What must be remembered.
    fn keeps(&self) -> Keeps;

    /// Computes the value. Called once; what only the pull-back needs may be left in `self`.
    fn value(&mut self, x: &[&Tensor<E>]) -> Tensor<E>;

    /// Reverse mode: from the cotangent `g` of the output gives the cotangent of each input that needs one.
    fn pull_back(&self, g: &Var<E>, at: &At<'_, E>, to: &mut Cotangents<'_, E>);

    /// Forward mode: the tangent of the output from those of the inputs (`None` is zero).
    ///
    /// Not called for an operation that gives its parts.
    fn push_forward(&self, dx: &[Option<&Var<E>>], at: &At<'_, E>) -> Option<Var<E>>;

    /// The same function made of other operations, for one that fuses them.
    fn parts(&self, _x: &[&Var<E>]) -> Option<Var<E>> {
        None
    }

    /// Whether [`Op::value`] leaves something in `self` that the derivative needs.
    fn keeps_private(&self) -> bool {
        false
    }

    /// Bytes that `self` keeps for the pull-back beyond the inputs and the output.
    fn own_bytes(&self) -> usize {
        0
    }
}

/// The point at which an operation is differentiated.
pub struct At<'a, E: Element> {
    inputs: &'a [Input<E>],
    output: Option<Var<E>>,
    with_graph: bool,
}

impl<'a, E: Element> At<'a, E> {
    pub(crate) fn of_node(node: &'a Arc<Node<E>>, with_graph: bool) -> Self {
        let output = node.output.as_ref().map(|o| Var {
            value: o.value.clone(),
            node: with_graph.then(|| node.clone()),
            dual: o.dual.clone(),
            inference: false,
        });
        Self { inputs: &node.inputs, output, with_graph }
    }

    /// How many inputs there are.
    pub fn arity(&self) -> usize {
        self.inputs.len()
    }

    /// Input `i`.
    ///
    /// # Panics
    /// If the operation did not say that it keeps it.
    pub fn input(&self, i: usize) -> Var<E> {
        let input = &self.inputs[i];
        let value = input.value().cloned().expect("an input that the operation's keeps() names");
        let own = if self.with_graph { input.node.clone() } else { None };
        let node = own.or_else(|| input.below.clone());
        Var { value, node, dual: input.dual.clone(), inference: false }
    }

    /// The output.
    ///
    /// # Panics
    /// If the operation did not say that it keeps it.
    pub fn output(&self) -> &Var<E> {
        self.output.as_ref().expect("an output that the operation's keeps() names")
    }

    /// The shape of input `i`.
    pub fn shape(&self, i: usize) -> &Shape {
        self.inputs[i].shape()
    }
}

/// Where a pull-back puts what it computes.
pub struct Cotangents<'a, E: Element> {
    pub(crate) inputs: &'a [Input<E>],
    pub(crate) lowest_level: u64,
    pub(crate) sink: &'a mut dyn FnMut(usize, Var<E>),
}

impl<E: Element> Cotangents<'_, E> {
    /// Whether the cotangent of input `i` is asked for.
    pub fn needs(&self, i: usize) -> bool {
        self.inputs[i].node.as_ref().is_some_and(|n| n.level >= self.lowest_level && !matches!(n.kind, Kind::Cut(_)))
    }

    /// Gives the cotangent of input `i`, computed only if it is asked for. Axes along which the input was
    /// broadcast are summed.
    #[track_caller]
    pub fn input(&mut self, i: usize, cotangent: impl FnOnce() -> Var<E>) {
        if self.needs(i) {
            let cotangent = cotangent();
            let shape = self.inputs[i].shape();
            let fitted = if cotangent.shape() == shape { cotangent } else { cotangent.sum_to(*shape) };
            (self.sink)(i, fitted);
        }
    }
}

/// Computes an operation and records it where a gradient or a tangent may be asked for.
#[inline]
#[track_caller]
pub fn apply<E: Element, O: Op<E> + Clone>(op: O, x: &[&Var<E>]) -> Var<E> {
    if x.iter().any(|v| v.dual.is_some()) {
        return apply_dual(op, x);
    }
    let mut op = op;
    let mut tensors = [&x[0].value; 8];
    let value = if x.len() <= 8 {
        for (slot, v) in tensors.iter_mut().zip(x) {
            *slot = &v.value;
        }
        op.value(&tensors[..x.len()])
    } else {
        op.value(&x.iter().map(|v| &v.value).collect::<Vec<_>>())
    };
    let inference = x.iter().any(|v| v.inference);
    if inference || x.iter().all(|v| v.node.is_none()) {
        return Var { value, node: None, dual: None, inference };
    }
    record(op, x, 0, value, None)
}

fn record<E: Element, O: Op<E>>(
    op: O,
    x: &[&Var<E>],
    above: u64,
    value: Tensor<E>,
    dual: Option<Arc<Dual<E>>>,
) -> Var<E> {
    let keeps = op.keeps();
    let input = |i: usize| {
        let v = x[i];
        let (node, below) = match &v.node {
            Some(node) if node.level > above => (Some(node.clone()), None),
            below => (None, below.clone()),
        };
        let keep = keeps.inputs >> i.min(7) & 1 == 1;
        let kept = if keep { Kept::Value(v.value.clone()) } else { Kept::Shape(*v.value.shape()) };
        Input { node, below, kept, dual: v.dual.clone() }
    };
    let inputs = match x.len() {
        1 => Inputs::One([input(0)]),
        2 => Inputs::Two([input(0), input(1)]),
        n => Inputs::Many((0..n).map(input).collect()),
    };
    let output = keeps.output.then(|| Output { value: value.clone(), dual: dual.clone() });
    let node = Node::record(Kind::Op(Box::new(op)), inputs, output);
    Var { value, node: Some(node), dual, inference: false }
}

/// The path on which some input carries a tangent.
#[track_caller]
fn apply_dual<E: Element, O: Op<E> + Clone>(op: O, x: &[&Var<E>]) -> Var<E> {
    if let Some(y) = op.parts(x) {
        return y;
    }
    let dual_level = x.iter().filter_map(|v| v.dual.as_ref()).map(|d| d.level).max().unwrap_or(0);
    let node_level = x.iter().filter_map(|v| v.node.as_ref()).map(|n| n.level).max().unwrap_or(0);
    if node_level > dual_level && !x.iter().any(|v| v.inference) {
        // The record lies outside: compute below it, then record.
        let below: Vec<Var<E>> = x
            .iter()
            .map(|v| {
                let mut v = (*v).clone();
                v.node = v.node.filter(|n| n.level <= dual_level);
                v
            })
            .collect();
        let y = apply_dual(op.clone(), &below.iter().collect::<Vec<_>>());
        let mut op = op;
        if op.keeps_private() {
            // What `value` leaves in the operation belongs to this record too.
            op.value(&x.iter().map(|v| &v.value).collect::<Vec<_>>());
        }
        return record(op, x, dual_level, y.value, y.dual);
    }
    // The tangent lies outside: the value and the tangent are computed one level below.
    let primals: Vec<Var<E>> = x
        .iter()
        .map(|v| match &v.dual {
            Some(d) if d.level == dual_level => Var { inference: v.inference, ..d.primal.clone() },
            _ => (*v).clone(),
        })
        .collect();
    let tangents: Vec<Option<Var<E>>> =
        x.iter().map(|v| v.dual.as_ref().filter(|d| d.level == dual_level).map(|d| d.tangent.clone())).collect();
    let primal = apply(op.clone(), &primals.iter().collect::<Vec<_>>());
    let inputs: Vec<Input<E>> = primals
        .iter()
        .map(|p| Input { node: p.node.clone(), below: None, kept: Kept::Value(p.value.clone()), dual: p.dual.clone() })
        .collect();
    let at = At { inputs: &inputs, output: Some(primal.clone()), with_graph: true };
    let mut op = op;
    if op.keeps_private() {
        op.value(&primals.iter().map(|v| &v.value).collect::<Vec<_>>());
    }
    let tangent = op
        .push_forward(&tangents.iter().map(Option::as_ref).collect::<Vec<_>>(), &at)
        .unwrap_or_else(|| Var::constant(Tensor::zeros(*primal.shape())));
    let (value, inference) = (primal.value.clone(), primal.inference);
    Var { value, node: None, dual: Some(Arc::new(Dual { level: dual_level, primal, tangent })), inference }
}
