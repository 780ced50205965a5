//! Where a loss or a gradient that is not finite came from: the step is made again, and every layer looked at.

use crate::checkpoint::numbered;
use crate::trainer::Trainer;
use kniff_autograd::Var;
use kniff_data::{Batch, Targets};
use kniff_nn::{Head, Layer, ModuleExt, Path};
use kniff_tensor::{Element, Tensor};
use std::fmt;
use std::path::PathBuf;

/// Where something that is not finite was seen first in a step: at which layer, in which operation, of which examples.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The layer's path and kind, the loss's name, or the parameter that was not finite before the step.
    pub place: String,
    /// The operation; for the output of a layer that is made of several, the last one of them.
    pub op: Option<String>,
    /// Whether it was on the way back: all values were finite, the gradient was not.
    pub backwards: bool,
    /// The examples' numbers in the data set, where some of the batch are to blame and not all together.
    pub examples: Vec<usize>,
    /// The newest checkpoint before it, from which [`Trainer::replay`](crate::Trainer::replay) makes the step again.
    pub checkpoint: Option<PathBuf>,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 8;
        let way = if self.backwards { "on the way back through" } else { "in" };
        write!(f, "First seen {way} {}", self.place)?;
        if let Some(op) = &self.op {
            write!(f, ", operation `{op}`")?;
        }
        if !self.examples.is_empty() {
            let some: Vec<String> = self.examples.iter().take(SHOWN).map(ToString::to_string).collect();
            write!(f, ", of example {}", some.join(", "))?;
            if self.examples.len() > SHOWN {
                write!(f, " and {} more", self.examples.len() - SHOWN)?;
            }
        }
        match &self.checkpoint {
            None => Ok(()),
            Some(file) => write!(f, ". Trainer::replay makes the step again from {}", file.display()),
        }
    }
}

/// What a layer gave, as it was shown.
struct Shown {
    place: String,
    depth: u64,
}

impl<L: Layer<E>, H: Head<E>, T: Targets, E: Element> Trainer<L, H, T, E> {
    /// Makes the step again that has just failed, as far as the gradients; what it does to running statistics stays.
    pub(crate) fn origin(&mut self, batch: &Batch<E, T>) -> Option<Origin> {
        let checkpoint = self.keeper.as_ref().and_then(|keeper| numbered(keeper.settings.folder()).ok()?.pop());
        let checkpoint = checkpoint.map(|(_, file)| file);
        let found = self.find(batch)?;
        Some(Origin { checkpoint, ..found })
    }

    fn find(&mut self, batch: &Batch<E, T>) -> Option<Origin> {
        if let Some((path, _)) = self.model.parameters().into_iter().find(|(_, p)| !p.value().all_finite()) {
            let place = format!("the parameter `{path}`, before the step");
            return Some(Origin { place, ..Origin::default() });
        }
        let (mut found, mut shown) = (None, Vec::new());
        let mut rng = self.rng.keyed(self.steps as u64);
        let mut see = |path: &Path, layer: &'static str, y: &Var<E>| {
            let place = format!("layer `{path}` ({layer})");
            if found.is_none() && !y.value().all_finite() {
                let op = y.operation().map(str::to_owned);
                let examples = rows(y.value(), &batch.indices);
                found = Some(Origin { place: place.clone(), op, examples, ..Origin::default() });
            }
            shown.push(Shown { place, depth: y.depth() });
        };
        // Tracked, so that the operations of the first layer have names too.
        let inputs = Var::tracked(batch.inputs.clone());
        let network = self.model.network_mut();
        let output = H::wrap(network.forward_train_shown(&mut Path::root(), &inputs, &mut rng, &mut see));
        if found.is_some() {
            return found;
        }
        let loss = self.loss.loss(&output, &batch.targets).ok()?;
        let of_the_loss = format!("the loss ({})", self.loss.name());
        if !loss.value().all_finite() {
            let each = self.loss.per_example(&output, &batch.targets).ok();
            let examples = each.map_or_else(Vec::new, |each| rows(&each, &batch.indices));
            let op = loss.operation().map(str::to_owned);
            return Some(Origin { place: of_the_loss, op, examples, ..Origin::default() });
        }
        let (gradients, lost) = loss.backward_watched();
        if let Some(lost) = lost {
            // An operation lies within the first layer that is as deep.
            let layer = shown.into_iter().find(|layer| layer.depth >= lost.depth);
            let whole = lost.of != batch.indices.len() || lost.rows.len() == lost.of;
            let examples = lost.rows.iter().filter_map(|&row| batch.indices.get(row).copied()).collect();
            return Some(Origin {
                place: layer.map_or(of_the_loss, |layer| layer.place),
                op: Some(lost.op.to_owned()),
                backwards: true,
                examples: if whole { Vec::new() } else { examples },
                checkpoint: None,
            });
        }
        let bad = self.first_gradient_not_finite(&gradients)?;
        Some(Origin { place: format!("the gradient of `{bad}`"), backwards: true, ..Origin::default() })
    }

    /// The first parameter whose gradient is not finite.
    pub(crate) fn first_gradient_not_finite(&self, gradients: &kniff_autograd::Gradients<E>) -> Option<String> {
        let bad = |p: &kniff_autograd::Parameter<E>| gradients.get(p).is_some_and(|g| !g.all_finite());
        self.model.parameters().into_iter().find(|(_, p)| bad(p)).map(|(path, _)| path)
    }
}

/// The examples whose numbers are not all finite; none if that is so of all.
fn rows<E: Element>(tensor: &Tensor<E>, indices: &[usize]) -> Vec<usize> {
    if tensor.shape().first() != Some(&indices.len()) {
        return Vec::new();
    }
    let all = tensor.to_vec();
    let width = (all.len() / indices.len().max(1)).max(1);
    let bad = all.chunks(width).zip(indices).filter(|(row, _)| row.iter().any(|x| !x.is_finite()));
    let bad: Vec<usize> = bad.map(|(_, &index)| index).collect();
    if bad.len() == indices.len() { Vec::new() } else { bad }
}
