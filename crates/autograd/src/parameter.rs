//! A tensor that training changes: a leaf with an identity.

use crate::Var;
use crate::node::{GROUND, LeafId, Node};
use kniff_tensor::{Element, Tensor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::sync::Arc;

/// The identity of a parameter, by which [`crate::Gradients`] are looked up.
pub type ParameterId = LeafId;

/// A tensor that a loss is differentiated with respect to and that an optimiser changes.
///
/// A clone is another parameter, with the same value and an identity of its own.
pub struct Parameter<E: Element = f32> {
    value: Tensor<E>,
    id: LeafId,
    leaf: Arc<Node<E>>,
    requires_grad: bool,
    bound: Option<Var<E>>,
}

impl<E: Element> Parameter<E> {
    /// A trainable parameter that starts at `value`.
    pub fn new(value: Tensor<E>) -> Self {
        let id = LeafId::fresh();
        Self { value, id, leaf: Node::leaf(id, GROUND, false), requires_grad: true, bound: None }
    }

    /// The parameter as a variable, for computing with. Copies nothing.
    #[inline]
    pub fn var(&self) -> Var<E> {
        if let Some(bound) = &self.bound {
            return bound.clone();
        }
        let node = self.requires_grad.then(|| self.leaf.clone());
        Var { value: self.value.clone(), node, dual: None, inference: false }
    }

    /// The value.
    #[inline]
    pub fn value(&self) -> &Tensor<E> {
        &self.value
    }

    /// The value, to change it; what was computed before keeps the old one.
    #[inline]
    pub fn value_mut(&mut self) -> &mut Tensor<E> {
        &mut self.value
    }

    /// Puts another value in its place.
    ///
    /// # Panics
    /// If the shape differs.
    #[track_caller]
    pub fn set(&mut self, value: Tensor<E>) {
        assert!(
            value.shape() == self.value.shape(),
            "Parameter::set: the parameter has shape {}, the new value {}",
            self.value.shape(),
            value.shape()
        );
        self.value = value;
    }

    /// The identity.
    #[inline]
    pub fn id(&self) -> ParameterId {
        self.id
    }

    /// Whether gradients are asked for and training changes it.
    pub fn requires_grad(&self) -> bool {
        self.requires_grad
    }

    /// Freezes the parameter (`false`) or sets it free.
    pub fn set_requires_grad(&mut self, yes: bool) {
        self.requires_grad = yes;
    }

    /// Until [`Parameter::unbind`], [`Parameter::var`] gives `var` instead of the value: how the functional doors
    /// differentiate a whole model.
    ///
    /// # Panics
    /// If the shape differs.
    #[track_caller]
    pub fn bind(&mut self, var: Var<E>) {
        assert!(
            var.shape() == self.value.shape(),
            "Parameter::bind: the parameter has shape {}, the variable {}",
            self.value.shape(),
            var.shape()
        );
        self.bound = Some(var);
    }

    /// Ends [`Parameter::bind`].
    pub fn unbind(&mut self) {
        self.bound = None;
    }

    /// Makes what is computed from here remember where gradients are cut, for [`crate::Coverage`].
    pub fn set_traced(&mut self, yes: bool) {
        self.leaf = Node::leaf(self.id, GROUND, yes);
    }
}

impl<E: Element> Clone for Parameter<E> {
    fn clone(&self) -> Self {
        let mut copy = Parameter::new(self.value.clone());
        copy.requires_grad = self.requires_grad;
        copy
    }
}

impl<E: Element> std::fmt::Debug for Parameter<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Parameter {:?}", self.value)
    }
}

/// Stored as shape and elements; the identity is not stored, a loaded parameter has a new one.
impl<E: Element> Serialize for Parameter<E> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(serializer)
    }
}

impl<'de, E: Element> Deserialize<'de> for Parameter<E> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Tensor::deserialize(deserializer).map(Parameter::new)
    }
}
