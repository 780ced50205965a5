//! What a recorded operation leaves behind: who it came from and what its pull-back needs.

use crate::Var;
use crate::dual::Dual;
use crate::op::Op;
use kniff_tensor::{Element, Shape, Tensor};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The level of parameters and of [`Var::tracked`]; every call of a door gets a higher one of its own.
pub(crate) const GROUND: u64 = 1;

/// A level that is higher than every one before it: of two transformations that are both under way, the inner one
/// began later.
pub(crate) fn fresh_level() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(GROUND + 1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// The identity of a leaf.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LeafId(u64);

impl LeafId {
    pub(crate) fn fresh() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        LeafId(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

pub(crate) enum Kind<E: Element> {
    /// Where a gradient ends up. With an input, it is also the identity for transformations further out.
    Leaf(LeafId),
    /// An operation.
    Op(Box<dyn Op<E>>),
    /// An operation that lets no gradient through; recorded only while coverage is being checked.
    Cut(&'static str),
}

/// An input of a recorded operation.
pub(crate) struct Input<E: Element> {
    pub(crate) node: Option<Arc<Node<E>>>,
    /// A record that lies below a tangent which lies below this record; not part of this walk, but of outer ones.
    pub(crate) below: Option<Arc<Node<E>>>,
    pub(crate) kept: Kept<E>,
    pub(crate) dual: Option<Arc<Dual<E>>>,
}

/// What a record keeps of an input's value.
pub(crate) enum Kept<E: Element> {
    Value(Tensor<E>),
    Shape(Shape),
}

impl<E: Element> Input<E> {
    pub(crate) fn value(&self) -> Option<&Tensor<E>> {
        match &self.kept {
            Kept::Value(value) => Some(value),
            Kept::Shape(_) => None,
        }
    }

    pub(crate) fn shape(&self) -> &Shape {
        match &self.kept {
            Kept::Value(value) => value.shape(),
            Kept::Shape(shape) => shape,
        }
    }
}

/// The inputs of an operation; up to two lie in the record itself, which saves an allocation.
pub(crate) enum Inputs<E: Element> {
    None,
    One([Input<E>; 1]),
    Two([Input<E>; 2]),
    Many(Vec<Input<E>>),
}

impl<E: Element> Deref for Inputs<E> {
    type Target = [Input<E>];
    #[inline]
    fn deref(&self) -> &[Input<E>] {
        match self {
            Inputs::None => &[],
            Inputs::One(a) => a,
            Inputs::Two(a) => a,
            Inputs::Many(a) => a,
        }
    }
}

impl<E: Element> DerefMut for Inputs<E> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [Input<E>] {
        match self {
            Inputs::None => &mut [],
            Inputs::One(a) => a,
            Inputs::Two(a) => a,
            Inputs::Many(a) => a,
        }
    }
}

/// The output of a recorded operation, if its pull-back needs it.
pub(crate) struct Output<E: Element> {
    pub(crate) value: Tensor<E>,
    pub(crate) dual: Option<Arc<Dual<E>>>,
}

pub(crate) struct Node<E: Element> {
    pub(crate) kind: Kind<E>,
    /// The highest level of the leaves below.
    pub(crate) level: u64,
    /// The lowest level of the leaves below.
    pub(crate) lowest: u64,
    /// More than that of every input: sorting by it puts every operation after those that use its result.
    pub(crate) depth: u64,
    /// Whether operations that cut the gradient are to be remembered.
    pub(crate) traced: bool,
    pub(crate) inputs: Inputs<E>,
    pub(crate) output: Option<Output<E>>,
}

impl<E: Element> Node<E> {
    pub(crate) fn leaf(id: LeafId, level: u64, traced: bool) -> Arc<Self> {
        Arc::new(Node {
            kind: Kind::Leaf(id),
            level,
            lowest: level,
            depth: 0,
            traced,
            inputs: Inputs::None,
            output: None,
        })
    }

    /// A leaf of an inner transformation that stands for `of` in those further out.
    pub(crate) fn alias(id: LeafId, level: u64, of: &Var<E>) -> Arc<Self> {
        let below = of.node.as_ref();
        let input = Input { node: of.node.clone(), below: None, kept: Kept::Shape(*of.value().shape()), dual: None };
        Arc::new(Node {
            kind: Kind::Leaf(id),
            level,
            lowest: below.map_or(level, |n| n.lowest),
            depth: below.map_or(0, |n| n.depth + 1),
            traced: below.is_some_and(|n| n.traced),
            inputs: if below.is_some() { Inputs::One([input]) } else { Inputs::None },
            output: None,
        })
    }

    pub(crate) fn record(kind: Kind<E>, inputs: Inputs<E>, output: Option<Output<E>>) -> Arc<Self> {
        let (mut level, mut lowest, mut depth, mut traced) = (0, u64::MAX, 0, false);
        for node in inputs.iter().filter_map(|i| i.node.as_ref()) {
            level = level.max(node.level);
            lowest = lowest.min(node.lowest);
            depth = depth.max(node.depth + 1);
            traced |= node.traced;
        }
        Arc::new(Node { kind, level, lowest, depth, traced, inputs, output })
    }

    pub(crate) fn name(&self) -> &'static str {
        match &self.kind {
            Kind::Leaf(_) => "leaf",
            Kind::Op(op) => op.name(),
            Kind::Cut(name) => name,
        }
    }
}

/// A long chain must not be freed by recursion, which would overflow the stack.
impl<E: Element> Drop for Node<E> {
    fn drop(&mut self) {
        let mut pending: Vec<Arc<Node<E>>> = Vec::new();
        let release = |inputs: &mut [Input<E>], pending: &mut Vec<Arc<Node<E>>>| {
            for input in inputs {
                if let Some(node) = input.node.take()
                    && Arc::strong_count(&node) == 1
                {
                    pending.push(node);
                }
            }
        };
        release(&mut self.inputs, &mut pending);
        while let Some(node) = pending.pop() {
            if let Ok(mut node) = Arc::try_unwrap(node) {
                release(&mut node.inputs, &mut pending);
            }
        }
    }
}
