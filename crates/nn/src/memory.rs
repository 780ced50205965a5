//! What backward keeps, layer by layer, in bytes: foretold before the run, and measured on it.

use crate::{Layer, ModuleExt, Path, ShapeError, summary};
use kniff_autograd::{Ledger, Var};
use kniff_tensor::{Element, Rng, Shape, Tensor};
use std::fmt;

/// What the record of one training step keeps alive until backward, operation by operation.
///
/// Not counted is what is alive anyway: parameters, running statistics and the batch of inputs. Each buffer is counted once,
/// with the first operation that keeps it as its input: so an activation that computes its derivative from its output (ReLU,
/// tanh, sigmoid) adds nothing before a layer that keeps its input, and one that needs its input (ELU, GELU, SiLU) adds that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryPlan {
    /// One row per recorded operation, in the order of the computation.
    pub rows: Vec<MemoryRow>,
    /// How many examples the batch has.
    pub batch: usize,
}

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryRow {
    /// The path of the layer; empty for the loss, and for a model that is a single layer.
    pub path: String,
    /// The layer's name, or `loss`.
    pub layer: &'static str,
    /// The operation's name.
    pub operation: &'static str,
    /// Bytes.
    pub bytes: usize,
}

impl MemoryPlan {
    /// Bytes in all.
    pub fn bytes(&self) -> usize {
        self.rows.iter().map(|r| r.bytes).sum()
    }

    /// Bytes of each layer: path, name, bytes. Layers that record nothing are not there.
    pub fn layers(&self) -> Vec<(String, &'static str, usize)> {
        let mut layers: Vec<(String, &'static str, usize)> = Vec::new();
        for row in &self.rows {
            match layers.last_mut() {
                Some((path, layer, bytes)) if *path == row.path && *layer == row.layer => *bytes += row.bytes,
                _ => layers.push((row.path.clone(), row.layer, row.bytes)),
            }
        }
        layers
    }
}

impl fmt::Display for MemoryPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let layers = self.layers();
        let width = |g: &dyn Fn(&(String, &'static str, usize)) -> usize, head: &str| {
            layers.iter().map(g).max().unwrap_or(0).max(head.len())
        };
        let (a, b) = (width(&|l| l.0.len(), "path"), width(&|l| l.1.len(), "layer"));
        writeln!(f, "{:a$}  {:b$}  {:>14}", "path", "layer", "bytes kept")?;
        for (path, layer, bytes) in &layers {
            writeln!(f, "{path:a$}  {layer:b$}  {bytes:>14}")?;
        }
        writeln!(f, "{:a$}  {:b$}  {:>14}", "", format!("batch of {}", self.batch), self.bytes())
    }
}

/// What backward will keep for a batch of that many examples of a shape (without the batch axis), without a loss.
///
/// Foretold from two small batches of zeros, 8 and 16 examples, whatever the size asked for: what is kept grows in equal steps
/// with the examples, a mask of bits by whole bytes. Needs no data; running statistics come back as they were.
///
/// # Errors
/// The first layer, named by its path, that does not take the shape it would get.
///
/// ```
/// use kniff_init::HeNormal;
/// use kniff_nn::{layers::{Elu, Linear, Relu, Sequential}, memory_plan};
/// use kniff_tensor::Rng;
/// let mut rng = Rng::new(0);
/// let mut net: Sequential = Sequential::new()
///     .with(Linear::new(10, 20, HeNormal, &mut rng))
///     .with(Relu)
///     .with(Linear::new(20, 20, HeNormal, &mut rng))
///     .with(Elu::default())
///     .with(Linear::new(20, 2, HeNormal, &mut rng));
/// let plan = memory_plan(&mut net, [10], 100)?;
/// let bytes: Vec<usize> = plan.layers().iter().map(|layer| layer.2).collect();
/// // 100 x 20 numbers of 4 bytes: what the second layer takes, what ELU takes, what the third takes; ReLU adds nothing.
/// assert_eq!(bytes, [0, 0, 8000, 8000, 8000]);
/// # Ok::<(), kniff_nn::ShapeError>(())
/// ```
pub fn memory_plan<E: Element>(
    model: &mut (impl Layer<E> + ?Sized),
    input: impl Into<Shape>,
    batch: usize,
) -> Result<MemoryPlan, ShapeError> {
    memory_plan_with_loss(model, input, batch, |y| y.clone())
}

/// [`memory_plan`] with what the loss keeps: `loss` is given the output of a batch of zeros, whose first axis tells how many
/// targets it needs.
///
/// # Errors
/// As [`memory_plan`].
pub fn memory_plan_with_loss<E: Element>(
    model: &mut (impl Layer<E> + ?Sized),
    input: impl Into<Shape>,
    batch: usize,
    mut loss: impl FnMut(&Var<E>) -> Var<E>,
) -> Result<MemoryPlan, ShapeError> {
    // Multiples of 8, so that bits fill bytes; more than one, for batch norm.
    const PROBES: [usize; 2] = [8, 16];
    let input = input.into();
    summary(model, input)?;
    let before = model.state();
    let mut probe = |examples: usize| {
        let mut shape = vec![examples];
        shape.extend_from_slice(&input);
        measure_memory(model, &Tensor::zeros(shape), &mut Rng::new(0), &mut loss)
    };
    let (small, large) = (probe(PROBES[0]), probe(PROBES[1]));
    let place = |row: &MemoryRow| (row.path.clone(), row.layer, row.operation);
    let plan = if small.rows.iter().map(place).eq(large.rows.iter().map(place)) {
        let foretold = |(small, large): (MemoryRow, MemoryRow)| {
            let (a, b) = (small.bytes as i128, large.bytes as i128);
            let (n, step) = (batch as i128, (PROBES[1] - PROBES[0]) as i128);
            let eighths = a * step + (b - a) * (n - PROBES[0] as i128);
            MemoryRow { bytes: usize::try_from((eighths + step - 1) / step).unwrap_or(0), ..small }
        };
        MemoryPlan { rows: small.rows.into_iter().zip(large.rows).map(foretold).collect(), batch }
    } else {
        // The operations depend on the size of the batch: only that size tells.
        probe(batch)
    };
    // The same names and shapes as a moment ago.
    let restored = model.load_state(&before);
    debug_assert!(restored.is_ok());
    Ok(plan)
}

/// What the record of a training step on these inputs keeps: runs it forward, walks the record, and drops it.
///
/// Running statistics change as in training.
pub fn measure_memory<E: Element>(
    model: &mut (impl Layer<E> + ?Sized),
    inputs: &Tensor<E>,
    rng: &mut Rng,
    loss: impl FnOnce(&Var<E>) -> Var<E>,
) -> MemoryPlan {
    let mut ledger = Ledger::new();
    ledger.exclude(inputs);
    for (_, tensor) in model.state() {
        ledger.exclude(&tensor);
    }
    let mut places: Vec<(String, &'static str)> = Vec::new();
    let mut seen = |path: &Path, name: &'static str, y: &Var<E>| {
        ledger.section(y);
        places.push((path.to_string(), name));
    };
    let y = model.forward_train_shown(&mut Path::root(), &Var::constant(inputs.clone()), rng, &mut seen);
    // What a container computes between its layers is its own.
    seen(&Path::root(), model.name(), &y);
    let loss = loss(&y);
    seen(&Path::root(), "loss", &loss);
    let batch = inputs.shape().first().copied().unwrap_or(1);
    let rows = ledger.rows();
    let rows = rows.into_iter().map(|row| {
        let (path, layer) = places[row.section].clone();
        MemoryRow { path, layer, operation: row.operation, bytes: row.bytes }
    });
    MemoryPlan { rows: rows.collect(), batch }
}
