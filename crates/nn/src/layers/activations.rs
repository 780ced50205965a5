//! The activations as layers: functions without parameters, applied to every element.

use crate::layer::ShapeError;
use crate::{Layer, Stage};
use kniff_autograd::Var;
use kniff_tensor::{Element, Shape};

/// The one that the layer before may do.
const RELU: &str = "Relu";

macro_rules! activation {
    ($($(#[$doc:meta])* $name:ident |$x:ident| $value:expr, $squashes:expr, $stage:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default)]
        pub struct $name;

        crate::stateless!($name);

        impl<E: Element> Layer<E> for $name {
            fn forward(&self, $x: &Var<E>) -> Var<E> {
                $value
            }
            fn output_shape(&self, input: &[usize]) -> Result<Shape, ShapeError> {
                Ok(Shape::new(input))
            }
            fn stage(&self) -> Stage<'_, E> {
                $stage
            }
            fn squashes(&self) -> Option<&'static str> {
                $squashes
            }
            fn is_relu(&self) -> bool {
                RELU == stringify!($name)
            }
        }
    )*};
}

activation! {
    /// `max(0, x)`; pair it with He initialisation. See [`Var::relu`].
    Relu |x| x.relu(), None, Stage::Relu;
    /// `1 / (1 + e^-x)`. Between layers tanh is better, since it is centred; at the end of a classifier leave it out: the
    /// loss works on logits. See [`Var::sigmoid`].
    Sigmoid |x| x.sigmoid(), Some(crate::head::SIGMOID), Stage::Layer;
    /// `ln sigmoid(x)`. See [`Var::log_sigmoid`].
    LogSigmoid |x| x.log_sigmoid(), Some("a log-sigmoid"), Stage::Layer;
    /// `tanh x`; pair it with Glorot initialisation. See [`Var::tanh`].
    Tanh |x| x.tanh(), Some("a tanh"), Stage::Layer;
    /// `1.7159 tanh(2x/3)`, the recommended sigmoid; pair it with LeCun initialisation. See [`Var::scaled_tanh`].
    ScaledTanh |x| x.scaled_tanh(), Some("a scaled tanh"), Stage::Layer;
    /// x limited to -1..1, the piecewise linear tanh. See [`Var::hard_tanh`].
    HardTanh |x| x.hard_tanh(), Some("a hard tanh"), Stage::Layer;
    /// The self-normalising ELU; pair it with LeCun normal initialisation. See [`Var::selu`].
    Selu |x| x.selu(), None, Stage::Layer;
    /// `x Phi(x)`. See [`Var::gelu`].
    Gelu |x| x.gelu(), None, Stage::Layer;
    /// `x sigmoid(x)`. See [`Var::silu`].
    Silu |x| x.silu(), None, Stage::Layer;
    /// `ln(1 + e^x)`. See [`Var::softplus`].
    Softplus |x| x.softplus(), None, Stage::Layer;
}

macro_rules! activation_with_number {
    ($($(#[$doc:meta])* $name:ident $field:ident = $default:literal |$x:ident, $c:ident| $value:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct $name {
            $field: f64,
        }

        impl $name {
            #[doc = concat!("With the given ", stringify!($field), ".")]
            pub fn new($field: f64) -> Self {
                Self { $field }
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $field: $default }
            }
        }

        crate::stateless!($name);

        impl<E: Element> Layer<E> for $name {
            fn forward(&self, $x: &Var<E>) -> Var<E> {
                let $c = E::from_f64(self.$field);
                $value
            }
            fn output_shape(&self, input: &[usize]) -> Result<Shape, ShapeError> {
                Ok(Shape::new(input))
            }
        }
    )*};
}

activation_with_number! {
    /// `x` above 0, `slope x` below; default 0.01. See [`Var::leaky_relu`].
    LeakyRelu slope = 0.01 |x, c| x.leaky_relu(c);
    /// `x` above 0, `alpha (e^x - 1)` below; default 1. See [`Var::elu`].
    Elu alpha = 1.0 |x, c| x.elu(c);
}
