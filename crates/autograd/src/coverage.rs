//! Which parameters a loss reaches, and which operation cut the others off.

use crate::node::{Kind, LeafId, Node};
use crate::{Parameter, Var};
use kniff_tensor::Element;
use std::collections::{BTreeMap, HashSet}; // lookups only
use std::fmt;
use std::sync::Arc;

/// How a parameter stands to a loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// A gradient flows to it.
    Reached,
    /// The loss was computed from it, but the named operation lets no gradient through.
    CutBy(&'static str),
    /// No recorded operation leads from it to the loss.
    Unused,
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reach::Reached => write!(f, "reached"),
            Reach::CutBy(op) => write!(f, "cut off by `{op}`, which lets no gradient through"),
            Reach::Unused => write!(f, "not used in computing the loss"),
        }
    }
}

/// The proof, before the first step, that a loss reaches the parameters it should.
///
/// Make the loss from parameters that are traced ([`Parameter::set_traced`]), so that the operations that cut a
/// gradient (`detach`, `argmax`, comparisons, rounding) leave a mark.
///
/// ```
/// use kniff_autograd::{Coverage, Parameter, Reach};
/// use kniff_tensor::Tensor;
/// let (mut a, mut b) = (Parameter::<f32>::new(Tensor::ones([2])), Parameter::new(Tensor::ones([2])));
/// a.set_traced(true);
/// b.set_traced(true);
/// let loss = (a.var() * b.var().detach()).sum_all();
/// let coverage = Coverage::of(&loss);
/// assert_eq!(coverage.reach(&a), Reach::Reached);
/// assert_eq!(coverage.reach(&b), Reach::CutBy("detach"));
/// ```
pub struct Coverage {
    leaves: BTreeMap<LeafId, Reach>,
}

impl Coverage {
    /// Walks the record of a loss.
    pub fn of<E: Element>(loss: &Var<E>) -> Self {
        let mut leaves = BTreeMap::new();
        // First what is reached without passing a cut, then what lies behind cuts.
        let mut seen = HashSet::new(); // lookups only
        let mut behind: Vec<(Arc<Node<E>>, &'static str)> = Vec::new();
        let mut open: Vec<Arc<Node<E>>> = loss.node.iter().cloned().collect();
        while let Some(node) = open.pop() {
            if !seen.insert(Arc::as_ptr(&node)) {
                continue;
            }
            match &node.kind {
                Kind::Cut(name) => {
                    behind.extend(node.inputs.iter().filter_map(|i| i.node.clone()).map(|n| (n, *name)));
                    continue;
                }
                Kind::Leaf(id) => {
                    leaves.insert(*id, Reach::Reached);
                }
                Kind::Op(_) => {}
            }
            open.extend(node.inputs.iter().filter_map(|i| i.node.clone()));
        }
        while let Some((node, name)) = behind.pop() {
            if !seen.insert(Arc::as_ptr(&node)) {
                continue;
            }
            if let Kind::Leaf(id) = &node.kind {
                leaves.entry(*id).or_insert(Reach::CutBy(name));
            }
            behind.extend(node.inputs.iter().filter_map(|i| i.node.clone()).map(|n| (n, name)));
        }
        Self { leaves }
    }

    /// How this parameter stands to the loss.
    pub fn reach<E: Element>(&self, parameter: &Parameter<E>) -> Reach {
        self.leaves.get(&parameter.id()).copied().unwrap_or(Reach::Unused)
    }
}
