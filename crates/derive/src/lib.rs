//! `#[derive(Module)]`: a user's own struct of layers becomes a module whose parameters have path names.
#![forbid(unsafe_code)]

mod attributes;
mod expand;
mod root;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Implements `kniff_nn::Module` for a struct: each field is visited in declaration order, under its own name.
///
/// A parameter's path is the chain of field names that leads to it, joined by dots: `encoder.0.weight`. The fields
/// of a tuple struct are called `0`, `1`, and so on.
///
/// ```ignore
/// use kniff::prelude::*;
///
/// #[derive(Module)]
/// struct Classifier<E: Element = f32> {
///     hidden: Linear<E>,
///     norm: BatchNorm1d<E>,
///     #[module(rename = "head")]
///     out: Linear<E>,
///     #[module(skip)]
///     temperature: f64,
/// }
/// ```
///
/// # On the struct
///
/// | attribute | meaning |
/// |---|---|
/// | `#[module(element = "f64")]` | the element type, where it is not the struct's parameter bounded by `Element`, nor `f32` |
/// | `#[module(crate = "kniff::nn")]` | where `Module`, `Path`, `Visitor` and `VisitorMut` are found, if not by the manifest |
///
/// The element type is the struct's type parameter that is bounded by `Element`, whatever its name; without one it
/// is `f32`. Every other type parameter that a visited field mentions is bounded by `Module` of that element type.
///
/// # On a field
///
/// | attribute | meaning |
/// |---|---|
/// | `#[module(skip)]` | the field holds nothing to visit: a plain number, a closure, an activation without parameters |
/// | `#[module(rename = "x")]` | the field is `x` in the path, so that a checkpoint outlives a renaming |
///
/// # Errors
///
/// The compiler points at the type of a field that is no module, at an enum or a union, at two fields of one name,
/// and at an attribute that it does not know.
#[proc_macro_derive(Module, attributes(module))]
pub fn derive_module(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand::module(&input, root::from_manifest).unwrap_or_else(|error| error.to_compile_error()).into()
}
