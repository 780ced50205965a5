//! Gradients as a value: what `backward` gives back.

use crate::node::LeafId;
use crate::{Parameter, Var};
use kniff_tensor::{Element, Tensor};

/// The gradient of each leaf that a loss was computed from, looked up by parameter or by tracked variable.
///
/// There is no hidden accumulation: add two of these with [`Gradients::accumulate`] to accumulate over batches.
#[derive(Clone, Debug, Default)]
pub struct Gradients<E: Element = f32> {
    /// Sorted by leaf, for the lookup and for a fixed order.
    entries: Vec<(LeafId, Tensor<E>)>,
}

impl<E: Element> Gradients<E> {
    pub(crate) fn from_pairs(mut entries: Vec<(LeafId, Tensor<E>)>) -> Self {
        entries.sort_by_key(|(id, _)| *id);
        Self { entries }
    }

    fn find(&self, id: LeafId) -> Option<usize> {
        self.entries.binary_search_by_key(&id, |(id, _)| *id).ok()
    }

    /// The gradient of a parameter; `None` if the loss does not depend on it.
    pub fn get(&self, parameter: &Parameter<E>) -> Option<&Tensor<E>> {
        self.find(parameter.id()).map(|i| &self.entries[i].1)
    }

    /// The gradient of a parameter, to change it.
    pub fn get_mut(&mut self, parameter: &Parameter<E>) -> Option<&mut Tensor<E>> {
        self.find(parameter.id()).map(|i| &mut self.entries[i].1)
    }

    /// The gradient of a [`Var::tracked`]; `None` if the loss does not depend on it.
    pub fn of(&self, leaf: &Var<E>) -> Option<&Tensor<E>> {
        leaf.leaf_id().and_then(|id| self.find(id)).map(|i| &self.entries[i].1)
    }

    /// Puts a gradient in place of what is there for this parameter.
    pub fn set(&mut self, parameter: &Parameter<E>, gradient: Tensor<E>) {
        match self.entries.binary_search_by_key(&parameter.id(), |(id, _)| *id) {
            Ok(i) => self.entries[i].1 = gradient,
            Err(i) => self.entries.insert(i, (parameter.id(), gradient)),
        }
    }

    /// All gradients, in the order in which their leaves were made.
    pub fn iter(&self) -> impl Iterator<Item = &Tensor<E>> {
        self.entries.iter().map(|(_, g)| g)
    }

    /// All gradients, to change them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Tensor<E>> {
        self.entries.iter_mut().map(|(_, g)| g)
    }

    /// How many leaves have a gradient.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether the loss depended on no leaf at all.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Adds the gradients of another loss; leaves that only one of them has are kept.
    pub fn accumulate(&mut self, other: Gradients<E>) {
        for (id, g) in other.entries {
            match self.entries.binary_search_by_key(&id, |(id, _)| *id) {
                Ok(i) => self.entries[i].1.add_assign(&g),
                Err(i) => self.entries.insert(i, (id, g)),
            }
        }
    }

    /// Multiplies all gradients by a number.
    pub fn scale(&mut self, factor: E) {
        for (_, g) in &mut self.entries {
            g.scale_assign(factor);
        }
    }
}
