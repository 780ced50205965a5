//! The walk back through the record, from a result to the leaves.

use crate::Var;
use crate::gradients::Gradients;
use crate::node::{GROUND, Kind, LeafId, Node};
use crate::op::{At, Cotangents};
use kniff_tensor::{Element, Tensor};
use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap}; // lookups only
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

/// The gradients of a loss with respect to all leaves on the ground level.
pub(crate) fn gradients<E: Element>(root: Var<E>, seed: Var<E>) -> Gradients<E> {
    let mut found = Vec::with_capacity(FEW);
    if let Some(node) = root.node.clone() {
        // The root's own buffers are given up before the walk begins.
        drop(root);
        let with_graph = false;
        Sweep::new(GROUND, with_graph).run(vec![(node, seed)], &mut |id, g| found.push((id, g.into_value())));
    }
    Gradients::from_pairs(found)
}

/// [`gradients`] with every cotangent on the way shown to `watch`, beside the operation whose pull-back gave it.
pub(crate) fn gradients_watched<E: Element>(root: Var<E>, seed: Var<E>, watch: &mut Watch<'_, E>) -> Gradients<E> {
    let mut found = Vec::new();
    if let Some(node) = root.node.clone() {
        drop(root);
        let sweep = Sweep { watch: Some(watch), ..Sweep::new(GROUND, false) };
        sweep.run(vec![(node, seed)], &mut |id, g| found.push((id, g.into_value())));
    }
    Gradients::from_pairs(found)
}

/// What is shown a record and what its pull-back gives.
pub(crate) type Watch<'a, E> = dyn FnMut(&Node<E>, &Tensor<E>) + 'a;

/// The cotangents of the leaves of one level, as values that outer transformations can go on from.
pub(crate) fn pull<E: Element>(level: u64, outputs: &[(Var<E>, Var<E>)], found: &mut dyn FnMut(LeafId, Var<E>)) {
    let roots: Vec<_> = outputs
        .iter()
        .filter_map(|(y, g)| y.node.clone().filter(|n| n.level >= level).map(|n| (n, g.clone())))
        .collect();
    let with_graph = roots.iter().any(|(n, g)| n.lowest < level || g.node.is_some());
    Sweep::new(level, with_graph).run(roots, found);
}

/// Room that most walks get along with, so that their lists need not grow step by step.
const FEW: usize = 14;

/// What has arrived so far at each node, by the node's address.
type Waiting<E> = HashMap<usize, (Arc<Node<E>>, Var<E>), BuildHasherDefault<AddressHasher>>; // lookups only

struct Sweep<'w, E: Element> {
    watch: Option<&'w mut Watch<'w, E>>,
    level: u64,
    with_graph: bool,
    queue: BinaryHeap<Turn>,
    waiting: Waiting<E>,
    arrivals: u64,
}

/// Deepest first; among equals the one that was reached first, so that sums have a fixed order.
#[derive(PartialEq, Eq)]
struct Turn {
    depth: u64,
    arrival: u64,
    node: usize,
}

impl Ord for Turn {
    fn cmp(&self, other: &Self) -> Ordering {
        self.depth.cmp(&other.depth).then(other.arrival.cmp(&self.arrival))
    }
}

impl PartialOrd for Turn {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E: Element> Sweep<'_, E> {
    fn new(level: u64, with_graph: bool) -> Self {
        let waiting = Waiting::with_capacity_and_hasher(FEW, BuildHasherDefault::default());
        Self { watch: None, level, with_graph, queue: BinaryHeap::with_capacity(FEW), waiting, arrivals: 0 }
    }

    fn run(mut self, roots: Vec<(Arc<Node<E>>, Var<E>)>, found: &mut dyn FnMut(LeafId, Var<E>)) {
        for (node, seed) in roots {
            self.arrive(node, seed);
        }
        let mut given: Vec<(usize, Var<E>)> = Vec::new();
        while let Some(turn) = self.queue.pop() {
            let Some((node, g)) = self.waiting.remove(&turn.node) else { continue };
            match &node.kind {
                Kind::Leaf(id) if node.level == self.level => found(*id, g),
                // A leaf of an inner transformation is the identity for this one.
                Kind::Leaf(_) => {
                    if !node.inputs.is_empty() {
                        given.push((0, g));
                    }
                }
                Kind::Cut(_) => {}
                Kind::Op(_) => self.pull_back(&node, g, &mut given),
            }
            if let Some(watch) = &mut self.watch {
                given.iter().for_each(|(_, g)| watch(&node, g.value()));
            }
            for (i, g) in given.drain(..) {
                if let Some(parent) = &node.inputs[i].node {
                    self.arrive(parent.clone(), g);
                }
            }
        }
    }

    fn arrive(&mut self, node: Arc<Node<E>>, g: Var<E>) {
        let address = Arc::as_ptr(&node) as usize;
        if let Some((_, sum)) = self.waiting.get_mut(&address) {
            if sum.is_plain() && g.is_plain() && sum.shape() == g.shape() {
                sum.value.add_assign(&g.value);
            } else {
                *sum = sum.add(&g);
            }
            return;
        }
        self.queue.push(Turn { depth: node.depth, arrival: self.arrivals, node: address });
        self.arrivals += 1;
        self.waiting.insert(address, (node, g));
    }

    fn pull_back(&self, node: &Arc<Node<E>>, g: Var<E>, given: &mut Vec<(usize, Var<E>)>) {
        let Kind::Op(op) = &node.kind else { return };
        let at = At::of_node(node, self.with_graph);
        let differentiable = self.with_graph
            || g.dual.is_some()
            || g.node.is_some()
            || node.inputs.iter().any(|i| i.dual.is_some() || i.below.is_some());
        if differentiable {
            // The parts are run again on aliases of the inputs, and pulled back through.
            let level = crate::node::fresh_level();
            let inputs: Option<Vec<Var<E>>> =
                node.inputs.iter().enumerate().map(|(i, input)| input.value().map(|_| at.input(i))).collect();
            if let Some(inputs) = inputs {
                let (ids, aliases) = aliases(level, &inputs);
                if let Some(y) = op.parts(&aliases.iter().collect::<Vec<_>>()) {
                    let wanted: Vec<bool> = node.inputs.iter().map(|i| i.node.is_some()).collect();
                    pull(level, &[(y, g)], &mut |id, g| {
                        if let Some(i) = ids.iter().position(|&x| x == id)
                            && wanted[i]
                        {
                            given.push((i, g));
                        }
                    });
                    return;
                }
            }
        }
        let mut to =
            Cotangents { inputs: &node.inputs, lowest_level: self.level, sink: &mut |i, g| given.push((i, g)) };
        op.pull_back(&g, &at, &mut to);
    }
}

/// Leaves of a level that stand for the given values.
pub(crate) fn aliases<E: Element>(level: u64, of: &[Var<E>]) -> (Vec<LeafId>, Vec<Var<E>>) {
    of.iter()
        .map(|v| {
            let id = LeafId::fresh();
            let node = Some(Node::alias(id, level, v));
            (id, Var { value: v.value.clone(), node, dual: v.dual.clone(), inference: false })
        })
        .unzip()
}

/// Addresses are spread well enough by one multiplication.
#[derive(Default)]
struct AddressHasher(u64);

impl Hasher for AddressHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for &b in bytes {
            self.write_usize(b as usize);
        }
    }
    fn write_usize(&mut self, address: usize) {
        self.0 = (self.0.rotate_left(5) ^ address as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}
