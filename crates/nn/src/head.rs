//! What a network's output means, as a type: so that a loss only takes what it is made for.

use crate::{Layer, Module, Path, ShapeError, Summary, Visitor, VisitorMut, summary};
use kniff_autograd::Var;
use kniff_tensor::{Element, Indices, Rng, Shape, Tensor};
use std::fmt;
use std::marker::PhantomData;

/// The meaning of an output.
pub trait Head<E: Element>: Send + Sync + 'static {
    /// The output as a type of its own.
    type Output: Clone + AsRef<Var<E>>;
    /// For messages: what kind of output this is.
    const NAME: &'static str;
    /// Whether the network must end without a squashing function, because the loss squashes.
    const WANTS_RAW: bool;
    /// Gives the output its type.
    fn wrap(y: Var<E>) -> Self::Output;
}

macro_rules! outputs {
    ($($(#[$doc:meta])* $output:ident, $(#[$head_doc:meta])* $head:ident $name:literal $raw:literal |$y:ident| $wrap:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $output<E: Element = f32>(Var<E>);

        impl<E: Element> $output<E> {
            /// The numbers.
            pub fn var(&self) -> &Var<E> {
                &self.0
            }

            /// The numbers; what they mean is forgotten.
            pub fn into_var(self) -> Var<E> {
                self.0
            }
        }

        impl<E: Element> AsRef<Var<E>> for $output<E> {
            fn as_ref(&self) -> &Var<E> {
                &self.0
            }
        }

        $(#[$head_doc])*
        #[derive(Clone, Copy, Debug, Default)]
        pub struct $head;

        impl<E: Element> Head<E> for $head {
            type Output = $output<E>;
            const NAME: &'static str = $name;
            const WANTS_RAW: bool = $raw;
            fn wrap($y: Var<E>) -> $output<E> {
                $output($wrap)
            }
        }
    )*};
}

outputs! {
    /// One number per class along axis 1, [n, classes, ..], before softmax: for one class out of several.
    Logits,
    /// The head of a classifier: one class out of several.
    ClassHead "a classifier's logits" true |y| y;

    /// One number per question, before the sigmoid: for independent yes-or-no answers.
    BinaryLogits,
    /// The head of a binary or multi-label classifier.
    BinaryHead "binary logits" true |y| y;

    /// Numbers without limits: regression.
    Values,
    /// The head of a regression without limits.
    ValueHead "values" false |y| y;

    /// Numbers between -1 and 1, through tanh: regression of a bounded quantity.
    Bounded,
    /// The head of a bounded regression; applies tanh itself.
    BoundedHead "bounded values" true |y| y.tanh();
}

/// Probabilities; a type of their own, so that no loss on logits takes them and softmax is never applied twice.
///
/// ```compile_fail,E0277
/// use kniff_nn::{ClassHead, Head, Logits, Loss, losses::CrossEntropy};
/// use kniff_tensor::{Indices, Tensor};
/// let logits: Logits = ClassHead::wrap(Tensor::zeros([2, 3]).into());
/// let loss = CrossEntropy::new().loss(&logits.probabilities(), &Indices::from_vec(vec![0, 1]));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Probabilities<E: Element = f32>(Tensor<E>);

impl<E: Element> Probabilities<E> {
    /// The numbers.
    pub fn tensor(&self) -> &Tensor<E> {
        &self.0
    }
}

impl<E: Element> Logits<E> {
    /// The softmax over the classes.
    ///
    /// # Panics
    /// Unless there are at least two axes.
    #[track_caller]
    pub fn probabilities(&self) -> Probabilities<E> {
        Probabilities(self.0.value().softmax(1))
    }

    /// The most likely class of each example.
    ///
    /// # Panics
    /// Unless there are at least two axes.
    #[track_caller]
    pub fn classes(&self) -> Indices {
        self.0.value().argmax(1)
    }
}

impl<E: Element> BinaryLogits<E> {
    /// The sigmoid of each number.
    pub fn probabilities(&self) -> Probabilities<E> {
        Probabilities(self.0.value().sigmoid())
    }

    /// 1 where the answer is yes (probability above one half), else 0.
    pub fn classes(&self) -> Indices {
        let bits = self.0.value().to_vec().iter().map(|&z| usize::from(z > E::ZERO)).collect();
        Indices::new(bits, *self.0.shape())
    }
}

/// A network and what its output means.
///
/// ```
/// use kniff_init::GlorotNormal;
/// use kniff_nn::{layers::{Linear, Sequential, Sigmoid}, Model};
/// use kniff_tensor::Rng;
/// let mut rng = Rng::new(0);
/// let net: Sequential = Sequential::new().with(Linear::new(4, 3, GlorotNormal, &mut rng));
/// assert!(Model::classifier(net).is_ok());
/// // Cross-entropy applies softmax itself: a sigmoid before it would squash twice.
/// let net: Sequential = Sequential::new().with(Linear::new(4, 3, GlorotNormal, &mut rng)).with(Sigmoid);
/// assert!(Model::classifier(net).is_err());
/// ```
pub struct Model<L, H, E: Element = f32> {
    network: L,
    head: PhantomData<fn() -> (H, E)>,
}

impl<E: Element, L: Layer<E>> Model<L, ClassHead, E> {
    /// One class out of several; train with cross-entropy.
    ///
    /// # Errors
    /// If the network ends in a squashing function: the loss applies softmax itself.
    pub fn classifier(network: L) -> Result<Self, HeadError> {
        Self::new(network)
    }
}

impl<E: Element, L: Layer<E>> Model<L, BinaryHead, E> {
    /// Independent yes-or-no answers; train with binary cross-entropy.
    ///
    /// # Errors
    /// If the network ends in a squashing function: the loss applies the sigmoid itself.
    pub fn binary(network: L) -> Result<Self, HeadError> {
        Self::new(network)
    }
}

impl<E: Element, L: Layer<E>> Model<L, ValueHead, E> {
    /// Regression without limits; train with a squared, absolute or Huber loss.
    ///
    /// # Errors
    /// If the network ends in a sigmoid: a squared error on it has no gradient where it is saturated and wrong. A quantity
    /// between 0 and 1 is for [`Model::binary`], whose cross-entropy takes targets anywhere between.
    pub fn regressor(network: L) -> Result<Self, HeadError> {
        Self::new(network)
    }
}

impl<E: Element, L: Layer<E>> Model<L, BoundedHead, E> {
    /// Regression of a quantity between -1 and 1, through tanh, which the head applies.
    ///
    /// # Errors
    /// If the network ends in a squashing function already.
    pub fn bounded_regressor(network: L) -> Result<Self, HeadError> {
        Self::new(network)
    }
}

impl<E: Element, L: Layer<E>, H: Head<E>> Model<L, H, E> {
    /// A network under a head.
    ///
    /// # Errors
    /// If the head wants raw outputs and the network ends in a squashing function, or in a sigmoid under any head.
    pub fn new(network: L) -> Result<Self, HeadError> {
        match network.squashes() {
            Some(squash) if H::WANTS_RAW || squash == SIGMOID => {
                Err(HeadError { squash, head: H::NAME, twice: H::WANTS_RAW })
            }
            _ => Ok(Self { network, head: PhantomData }),
        }
    }

    /// The network.
    pub fn network(&self) -> &L {
        &self.network
    }

    /// The network, to change it.
    pub fn network_mut(&mut self) -> &mut L {
        &mut self.network
    }

    /// The network alone.
    pub fn into_network(self) -> L {
        self.network
    }

    /// The layers, shapes and parameter counts for examples of a shape (without the batch axis).
    ///
    /// # Errors
    /// The first layer, named by its path, that does not take the shape it would get.
    pub fn summary(&self, input: impl Into<Shape>) -> Result<Summary, ShapeError> {
        summary(&self.network, input)
    }

    /// The output at test time, recorded if the parameters ask for it.
    pub fn forward(&self, x: &Var<E>) -> H::Output {
        H::wrap(self.network.forward(x))
    }

    /// The output in training.
    pub fn forward_train(&mut self, x: &Var<E>, rng: &mut Rng) -> H::Output {
        H::wrap(self.network.forward_train(x, rng))
    }

    /// The output at test time, with nothing recorded.
    pub fn predict(&self, x: &Tensor<E>) -> H::Output {
        H::wrap(self.network.forward(&Var::inference(x.clone())))
    }
}

impl<E: Element, L: Layer<E>, H: Head<E>> Module<E> for Model<L, H, E> {
    fn visit<'a>(&'a self, path: &mut Path, visitor: &mut dyn Visitor<'a, E>) {
        self.network.visit(path, visitor);
    }
    fn visit_mut<'a>(&'a mut self, path: &mut Path, visitor: &mut dyn VisitorMut<'a, E>) {
        self.network.visit_mut(path, visitor);
    }
}

/// How a layer that ends in a sigmoid says so.
pub(crate) const SIGMOID: &str = "a sigmoid";

/// A network whose output has been squashed already, under a head that squashes or for a loss that it would starve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadError {
    squash: &'static str,
    head: &'static str,
    twice: bool,
}

impl fmt::Display for HeadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.twice {
            return write!(
                f,
                "the network ends in {}, but its output is taken as {}, whose losses have no gradient where it is saturated \
                 and wrong; leave the sigmoid out, or use Model::binary: its cross-entropy takes targets from 0 to 1",
                self.squash, self.head
            );
        }
        write!(
            f,
            "the network ends in {}, but its output is taken as {}, to which the squashing function is applied by the \
             head or the loss: it would be squashed twice; leave it out",
            self.squash, self.head
        )
    }
}

impl std::error::Error for HeadError {}
