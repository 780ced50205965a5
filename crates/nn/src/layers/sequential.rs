//! Layers one after the other.

use crate::layer::{Seen, ShapeError, SummaryRow};
use crate::{Layer, Module, Path, Stage, Then, Visitor, VisitorMut};
use kniff_autograd::Var;
use kniff_tensor::{Element, Rng, Shape};

/// A chain of layers; each gets what the one before gives.
///
/// Parameters are named by position as in PyTorch (`0.weight`), or by the name given with [`Sequential::named`].
///
/// ```
/// use kniff_init::{GlorotNormal, HeNormal};
/// use kniff_nn::{layers::{Linear, Relu, Sequential}, summary, ModuleExt};
/// use kniff_tensor::Rng;
/// let mut rng = Rng::new(0);
/// let net: Sequential = Sequential::new()
///     .with(Linear::new(4, 8, HeNormal, &mut rng))
///     .with(Relu)
///     .named("out", Linear::new(8, 3, GlorotNormal, &mut rng));
/// let names: Vec<String> = net.parameters().into_iter().map(|(name, _)| name).collect();
/// assert_eq!(names, ["0.weight", "0.bias", "out.weight", "out.bias"]);
/// assert_eq!(summary(&net, [4]).unwrap().output, [3]);
/// assert!(summary(&net, [5]).unwrap_err().to_string().starts_with("Linear at `0`"));
/// ```
#[derive(Default)]
pub struct Sequential<E: Element = f32> {
    layers: Vec<(String, Box<dyn Layer<E>>)>,
}

impl<E: Element> Sequential<E> {
    /// A chain without layers: the identity.
    pub fn new() -> Self {
        Self { layers: Vec::new() }
    }

    /// With one more layer, named by its position.
    #[must_use]
    pub fn with(self, layer: impl Layer<E> + 'static) -> Self {
        let name = self.layers.len().to_string();
        self.named(&name, layer)
    }

    /// With one more layer under a name.
    ///
    /// # Panics
    /// If the name is empty, taken, or has a dot in it.
    #[must_use]
    #[track_caller]
    pub fn named(mut self, name: &str, layer: impl Layer<E> + 'static) -> Self {
        assert!(!name.is_empty() && !name.contains('.'), "Sequential: `{name}` cannot be a layer's name");
        assert!(self.layers.iter().all(|(n, _)| n != name), "Sequential: there is a layer named `{name}` already");
        self.layers.push((name.to_owned(), Box::new(layer)));
        self
    }

    /// How many layers there are.
    pub fn len(&self) -> usize {
        self.layers.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }
}

impl<E: Element> Module<E> for Sequential<E> {
    fn visit<'a>(&'a self, path: &mut Path, visitor: &mut dyn Visitor<'a, E>) {
        for (name, layer) in &self.layers {
            path.enter(name, |path| layer.visit(path, visitor));
        }
    }
    fn visit_mut<'a>(&'a mut self, path: &mut Path, visitor: &mut dyn VisitorMut<'a, E>) {
        for (name, layer) in &mut self.layers {
            path.enter(name, |path| layer.visit_mut(path, visitor));
        }
    }
}

impl<E: Element> Layer<E> for Sequential<E> {
    fn forward(&self, x: &Var<E>) -> Var<E> {
        let mut layers = self.layers.iter();
        let Some((_, first)) = layers.next() else { return x.clone() };
        layers.fold(first.forward(x), |x, (_, layer)| layer.forward(&x))
    }

    fn forward_train(&mut self, x: &Var<E>, rng: &mut Rng) -> Var<E> {
        self.forward_train_then(x, Then::nothing(), rng)
    }

    /// A rectifier is handed to the layer before it, and what follows the chain to its last layer.
    fn forward_train_then(&mut self, x: &Var<E>, then: Then<'_, E>, rng: &mut Rng) -> Var<E> {
        let mut layers = self.layers.iter_mut().peekable();
        let mut y = None;
        while let Some((_, layer)) = layers.next() {
            let x = y.as_ref().unwrap_or(x);
            let relu = layers.next_if(|(_, next)| next.is_relu()).is_some();
            y = Some(match (relu, layers.peek().is_none()) {
                (false, false) => layer.forward_train(x, rng),
                (false, true) => return layer.forward_train_then(x, then, rng),
                (true, false) => layer.forward_train_then(x, Then::relu(), rng),
                (true, true) => return then.apply(layer.forward_train_then(x, Then::relu(), rng)),
            });
        }
        then.apply(x.clone())
    }

    fn forward_sampling(&self, x: &Var<E>, rng: &mut Rng) -> Var<E> {
        self.layers.iter().fold(x.clone(), |x, (_, layer)| layer.forward_sampling(&x, rng))
    }

    fn forward_estimating(&mut self, x: &Var<E>, first: bool) -> Var<E> {
        self.layers.iter_mut().fold(x.clone(), |x, (_, layer)| layer.forward_estimating(&x, first))
    }

    fn output_shape(&self, input: &[usize]) -> Result<Shape, ShapeError> {
        self.summarize(&mut Path::root(), &Shape::new(input), &mut Vec::new())
    }

    fn summarize(&self, path: &mut Path, input: &Shape, rows: &mut Vec<SummaryRow>) -> Result<Shape, ShapeError> {
        let mut shape = *input;
        for (name, layer) in &self.layers {
            shape = path.enter(name, |path| layer.summarize(path, &shape, rows))?;
        }
        Ok(shape)
    }

    fn forward_train_shown(&mut self, path: &mut Path, x: &Var<E>, rng: &mut Rng, seen: &mut Seen<'_, E>) -> Var<E> {
        self.layers
            .iter_mut()
            .fold(x.clone(), |x, (name, layer)| path.enter(name, |path| layer.forward_train_shown(path, &x, rng, seen)))
    }

    fn stage(&self) -> Stage<'_, E> {
        Stage::Chain(self.layers.iter().map(|(_, layer)| &**layer as &dyn Layer<E>).collect())
    }

    fn squashes(&self) -> Option<&'static str> {
        self.layers.iter().rev().find(|(_, layer)| !layer.is_transparent()).and_then(|(_, layer)| layer.squashes())
    }

    fn smallest_training_batch(&self, input: &[usize]) -> usize {
        let (mut shape, mut most) = (Shape::new(input), 1);
        for (_, layer) in &self.layers {
            most = most.max(layer.smallest_training_batch(&shape));
            // A shape that does not fit is reported by the summary.
            let Ok(next) = layer.output_shape(&shape) else { break };
            shape = next;
        }
        most
    }

    fn is_transparent(&self) -> bool {
        self.layers.iter().all(|(_, layer)| layer.is_transparent())
    }
}
