//! A network made ready for test time: neighbours joined, weights laid out once.

mod draft;

use crate::{Head, Layer, Model, Stage};
use draft::Draft;
use kniff_autograd::Var;
use kniff_tensor::{Element, PreparedConv, PreparedLinear, Tensor};
use std::fmt;
use std::marker::PhantomData;

/// A network for test time alone: batch norm folded into the weights before it, bias, residual sum and ReLU computed with the
/// product, dropout left out, and the weights kept in the order that the kernels read.
///
/// With a layer's weight w and bias b, and batch norm's `scale = gamma / sqrt(var + eps)` and `shift = beta - mean scale`, what is
/// kept is `scale w` and `scale b + shift`, computed in f64. The result is that of [`Layer::forward`] up to rounding.
///
/// The network is borrowed, so that its weights cannot change meanwhile; nothing is recorded for derivatives. Layers of one's own
/// are called as they are unless they write [`Layer::stage`]. The copies of the weights take as much memory as the weights, and four times
/// as much for 3x3 convolutions (see [`PreparedConv`]); a weight that is not folded is shared until a copy in another order is
/// needed. Copies are made at the first call.
///
/// ```
/// use kniff_init::HeNormal;
/// use kniff_nn::{Compiled, layers::{BatchNorm1d, Dropout, Linear, Relu, Sequential}};
/// use kniff_tensor::{Rng, Tensor};
/// let mut rng = Rng::new(0);
/// let network: Sequential = Sequential::new()
///     .with(Linear::new(4, 8, HeNormal, &mut rng))
///     .with(BatchNorm1d::new(8))
///     .with(Relu)
///     .with(Dropout::new(0.5))
///     .with(Linear::new(8, 3, HeNormal, &mut rng));
/// let compiled = Compiled::of(&network);
/// assert_eq!(compiled.to_string(), "Linear + BatchNorm1d + Relu\nLinear\n");
/// let y = compiled.forward(&Tensor::randn([5, 4], &mut rng));
/// assert_eq!(*y.shape(), [5, 3]);
/// ```
pub struct Compiled<'a, E: Element = f32> {
    steps: Vec<Step<'a, E>>,
}

/// Something that is computed in one go.
enum Step<'a, E: Element> {
    Linear { op: PreparedLinear<E>, whole: Whole<'a, E> },
    Conv { op: PreparedConv<E>, whole: Whole<'a, E>, rank: usize },
    Sum { body: Vec<Step<'a, E>>, shortcut: Vec<Step<'a, E>>, relu: bool },
    Layer(&'a dyn Layer<E>),
}

/// The layers that were joined.
struct Whole<'a, E: Element> {
    layers: Vec<&'a dyn Layer<E>>,
    /// Whether a number per channel was folded in, so that the last axis must be the second.
    folded: bool,
}

impl<E: Element> Whole<'_, E> {
    fn forward(&self, x: &Tensor<E>) -> Tensor<E> {
        self.layers.iter().fold(x.clone(), |x, layer| forward(*layer, &x))
    }
}

fn forward<E: Element>(layer: &dyn Layer<E>, x: &Tensor<E>) -> Tensor<E> {
    layer.forward(&Var::inference(x.clone())).value().clone()
}

impl<'a, E: Element> Compiled<'a, E> {
    /// A network, ready.
    pub fn of(network: &'a impl Layer<E>) -> Self {
        let mut draft = Draft::new();
        draft.add(network);
        Self { steps: draft.finish() }
    }

    /// What [`Layer::forward`] computes at test time.
    ///
    /// # Panics
    /// If the network does not take inputs of that shape.
    pub fn forward(&self, x: &Tensor<E>) -> Tensor<E> {
        run(&self.steps, x.clone(), None)
    }

    /// Bytes that the copies of the weights take in an order of their own; they are made when they are first needed.
    pub fn prepared_bytes(&self) -> usize {
        self.steps.iter().map(Step::bytes).sum()
    }
}

/// The steps one after the other; what is to be added goes to the last one.
fn run<E: Element>(steps: &[Step<'_, E>], x: Tensor<E>, add: Option<&Tensor<E>>) -> Tensor<E> {
    let last = steps.len().wrapping_sub(1);
    steps.iter().enumerate().fold(x, |x, (i, step)| step.run(&x, add.filter(|_| i == last)))
}

impl<E: Element> Step<'_, E> {
    /// Whether something can be added before its ReLU.
    fn takes_addend(&self) -> bool {
        matches!(self, Step::Conv { .. })
    }

    fn run(&self, x: &Tensor<E>, add: Option<&Tensor<E>>) -> Tensor<E> {
        match self {
            Step::Linear { op, whole } if !whole.folded || x.rank() == 2 => op.apply(x),
            Step::Linear { whole, .. } => whole.forward(x),
            Step::Conv { op, rank: 4, .. } if x.rank() == 4 => op.apply(x, add),
            Step::Conv { op, rank: 3, .. } if x.rank() == 3 => {
                let add = add.map(|add| add.unsqueeze(2));
                op.apply(&x.unsqueeze(2), add.as_ref()).squeeze(2)
            }
            // The layers say what is wrong.
            Step::Conv { whole, .. } => whole.forward(x),
            Step::Sum { body, shortcut, relu } => {
                let other = run(shortcut, x.clone(), None);
                if body.last().is_some_and(Step::takes_addend) {
                    return run(body, x.clone(), Some(&other));
                }
                let y = run(body, x.clone(), None);
                assert!(
                    y.shape() == other.shape(),
                    "Residual: a body of shape {} and a shortcut of {} differ",
                    y.shape(),
                    other.shape()
                );
                let mut y = y.add(&other);
                if *relu {
                    y = y.relu();
                }
                y
            }
            Step::Layer(layer) => forward(*layer, x),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Step::Linear { op, .. } => op.prepared_bytes(),
            Step::Conv { op, .. } => op.prepared_bytes(),
            Step::Sum { body, shortcut, .. } => body.iter().chain(shortcut).map(Step::bytes).sum(),
            Step::Layer(_) => 0,
        }
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        let indent = 2 * depth;
        match self {
            Step::Linear { whole, .. } | Step::Conv { whole, .. } => {
                let names: Vec<&str> = whole.layers.iter().map(|l| l.name()).collect();
                writeln!(f, "{:indent$}{}", "", names.join(" + "))
            }
            Step::Layer(layer) => writeln!(f, "{:indent$}{}", "", layer.name()),
            Step::Sum { body, shortcut, relu } => {
                writeln!(f, "{:indent$}sum{}", "", if *relu { " + Relu" } else { "" })?;
                body.iter().try_for_each(|step| step.write(f, depth + 1))?;
                writeln!(f, "{:indent$}and", "")?;
                if shortcut.is_empty() {
                    writeln!(f, "{:indent$}  the input", "")?;
                }
                shortcut.iter().try_for_each(|step| step.write(f, depth + 1))
            }
        }
    }
}

/// A line for everything that is computed in one go.
impl<E: Element> fmt::Display for Compiled<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.steps.iter().try_for_each(|step| step.write(f, 0))
    }
}

/// A [`Model`] ready for test time.
pub struct CompiledModel<'a, H, E: Element = f32> {
    network: Compiled<'a, E>,
    head: PhantomData<fn() -> H>,
}

impl<E: Element, H: Head<E>> CompiledModel<'_, H, E> {
    /// The output at test time: that of [`Model::predict`] up to rounding.
    ///
    /// # Panics
    /// If the network does not take inputs of that shape.
    pub fn predict(&self, x: &Tensor<E>) -> H::Output {
        H::wrap(Var::inference(self.network.forward(x)))
    }

    /// The network.
    pub fn network(&self) -> &Compiled<'_, E> {
        &self.network
    }
}

impl<E: Element, L: Layer<E>, H: Head<E>> Model<L, H, E> {
    /// The model made ready for many predictions: see [`Compiled`].
    ///
    /// ```
    /// use kniff_init::GlorotNormal;
    /// use kniff_nn::{Model, layers::{Linear, Sequential}};
    /// use kniff_tensor::{Rng, Tensor};
    /// let mut rng = Rng::new(0);
    /// let model = Model::classifier(Sequential::<f32>::new().with(Linear::new(4, 3, GlorotNormal, &mut rng)))?;
    /// let ready = model.compile();
    /// assert_eq!(*ready.predict(&Tensor::zeros([5, 4])).classes().shape(), [5]);
    /// # Ok::<(), kniff_nn::HeadError>(())
    /// ```
    pub fn compile(&self) -> CompiledModel<'_, H, E> {
        CompiledModel { network: Compiled::of(self.network()), head: PhantomData }
    }
}

#[cfg(test)]
mod tests;
