//! Layers, activations, heads and losses.
//!
//! A [`Layer`] is a function of a batch with parameters; [`layers`] has one file for each. A [`Model`] is a network and
//! what its output means; [`losses`] take only the outputs they are made for. `#[derive(Module)]` makes a user's own struct
//! a module whose parameters have path names.
#![forbid(unsafe_code)]

extern crate self as kniff_nn;

mod compiled;
mod coverage;
mod head;
mod layer;
pub mod layers;
mod loss;
pub mod losses;
mod memory;
mod module;
mod sampling;
mod stage;
mod statistics;
mod then;

pub use compiled::{Compiled, CompiledModel};
pub use coverage::{CoverageError, check_coverage};
pub use head::{
    BinaryHead, BinaryLogits, Bounded, BoundedHead, ClassHead, Head, HeadError, Logits, Model, Probabilities,
    ValueHead, Values,
};
pub use kniff_derive::Module;
pub use layer::{Layer, Seen, ShapeError, Summary, SummaryRow, summary};
pub use loss::{Loss, LossError, Reduction};
pub use memory::{MemoryPlan, MemoryRow, measure_memory, memory_plan, memory_plan_with_loss};
pub use module::{Buffer, Module, ModuleExt, Path, StateError, Visitor, VisitorMut};
pub use sampling::{Sampled, SampledClasses, SamplingError, sample};
pub use stage::Stage;
pub use statistics::{StatisticsError, re_estimate_statistics};
pub use then::Then;

/// Implements [`Module`] for types that hold no parameters.
#[macro_export]
macro_rules! stateless {
    ($($name:ty),*) => {$(
        impl<E: $crate::Element> $crate::Module<E> for $name {
            fn visit<'a>(&'a self, _: &mut $crate::Path, _: &mut dyn $crate::Visitor<'a, E>) {}
            fn visit_mut<'a>(&'a mut self, _: &mut $crate::Path, _: &mut dyn $crate::VisitorMut<'a, E>) {}
        }
    )*};
}

#[doc(hidden)]
pub use kniff_tensor::Element;
