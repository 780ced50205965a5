//! What a record keeps for the walk back, in bytes, by operation.

use crate::Var;
use crate::node::{Kind, Node};
use kniff_tensor::{Element, Tensor};
use std::collections::HashSet; // lookups only
use std::sync::Arc;

/// Counts what the record of a computation keeps alive, each buffer once.
///
/// A buffer is charged to the first operation that keeps it as its input, and only if there is none to the operation that keeps
/// it as its output: so ReLU, whose output the next layer keeps anyway, is charged nothing. A view is charged with the whole
/// buffer that it keeps alive. What an operation keeps beside inputs and output (a dropout mask) is what it says itself.
///
/// ```
/// use kniff_autograd::{Ledger, Var};
/// use kniff_tensor::Tensor;
/// let w = Var::<f32>::tracked(Tensor::ones([4, 4]));
/// let x = Var::constant(Tensor::ones([10, 4]));
/// let y = x.matmul(&w).relu().matmul(&w).sum_all();
/// let mut ledger = Ledger::new();
/// ledger.exclude(w.value());
/// ledger.exclude(x.value());
/// ledger.section(&y);
/// let rows: Vec<(&str, usize)> = ledger.rows().iter().map(|r| (r.operation, r.bytes)).collect();
/// // The second product keeps its input, 40 numbers, which is what ReLU gave.
/// assert_eq!(rows, [("matmul", 0), ("relu", 0), ("matmul", 160), ("sum", 0)]);
/// ```
pub struct Ledger<E: Element = f32> {
    excluded: HashSet<usize>, // lookups only
    seen: HashSet<usize>,     // lookups only
    /// Holding the nodes keeps their addresses from being used again.
    nodes: Vec<(usize, Arc<Node<E>>)>,
    kept: Vec<Tensor<E>>,
    sections: usize,
}

/// One recorded operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerRow {
    /// The number of the section, counted from 0.
    pub section: usize,
    /// The operation's name.
    pub operation: &'static str,
    /// Bytes that no operation before has been charged with.
    pub bytes: usize,
}

impl<E: Element> Default for Ledger<E> {
    fn default() -> Self {
        Self {
            excluded: HashSet::new(), // lookups only
            seen: HashSet::new(),     // lookups only
            nodes: Vec::new(),
            kept: Vec::new(),
            sections: 0,
        }
    }
}

impl<E: Element> Ledger<E> {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Charges nobody with this tensor's buffer: a parameter, an input, anything that would be alive without the record.
    pub fn exclude(&mut self, tensor: &Tensor<E>) {
        self.excluded.insert(tensor.buffer_address());
        self.kept.push(tensor.clone());
    }

    /// Enters all operations that `y` was computed by and that are in no section yet, as a new one.
    pub fn section(&mut self, y: &Var<E>) {
        let section = self.sections;
        self.sections += 1;
        let first = self.nodes.len();
        let mut pending: Vec<Arc<Node<E>>> = y.node.iter().cloned().collect();
        while let Some(node) = pending.pop() {
            if !self.seen.insert(Arc::as_ptr(&node) as usize) {
                continue;
            }
            pending.extend(node.inputs.iter().filter_map(|i| i.node.clone()));
            if matches!(node.kind, Kind::Op(_)) {
                self.nodes.push((section, node));
            }
        }
        // In the order of the computation: an operation is deeper than what it takes.
        self.nodes[first..].reverse();
        self.nodes[first..].sort_by_key(|(_, node)| node.depth);
    }

    /// What each operation is charged with, section by section, in the order of the computation.
    pub fn rows(&self) -> Vec<LedgerRow> {
        let mut charged = self.excluded.clone();
        let mut charge = |t: &Tensor<E>| if charged.insert(t.buffer_address()) { t.buffer_bytes() } else { 0 };
        let mut rows: Vec<LedgerRow> = Vec::with_capacity(self.nodes.len());
        for (section, node) in &self.nodes {
            let inputs: usize = node.inputs.iter().filter_map(|i| i.value()).map(&mut charge).sum();
            let own = if let Kind::Op(op) = &node.kind { op.own_bytes() } else { 0 };
            rows.push(LedgerRow { section: *section, operation: node.name(), bytes: inputs + own });
        }
        for (row, (_, node)) in rows.iter_mut().zip(&self.nodes) {
            row.bytes += node.output.as_ref().map_or(0, |output| charge(&output.value));
        }
        rows
    }
}
