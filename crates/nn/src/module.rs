//! Anything that holds parameters, and the walk over them by path name.

use kniff_autograd::{Parameter, Var};
use kniff_tensor::{Element, Tensor};
use std::fmt::{self, Write};

/// Where in a model one is: names joined by dots, as in `block1.fc.weight`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Path {
    text: String,
}

impl Path {
    /// The top of a model.
    pub fn root() -> Self {
        // Long enough for most names, so that the text does not grow on the way down.
        Self { text: String::with_capacity(64) }
    }

    /// Runs `f` one name further down.
    pub fn enter<R>(&mut self, name: &str, f: impl FnOnce(&mut Path) -> R) -> R {
        self.enter_shown(&name, f)
    }

    /// Runs `f` one number further down, as in `layers.3`.
    pub fn enter_index<R>(&mut self, index: usize, f: impl FnOnce(&mut Path) -> R) -> R {
        self.enter_shown(&index, f)
    }

    fn enter_shown<R>(&mut self, name: &dyn fmt::Display, f: impl FnOnce(&mut Path) -> R) -> R {
        let before = self.text.len();
        if before > 0 {
            self.text.push('.');
        }
        // Writing to a string does not fail.
        let _ = write!(self.text, "{name}");
        let result = f(self);
        self.text.truncate(before);
        result
    }

    /// The names joined by dots; empty at the top.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A tensor that belongs to a model's state but is not trained: running statistics.
#[derive(Clone, Debug, PartialEq)]
pub struct Buffer<E: Element = f32> {
    value: Tensor<E>,
}

impl<E: Element> Buffer<E> {
    /// A buffer that starts at `value`.
    pub fn new(value: Tensor<E>) -> Self {
        Self { value }
    }

    /// The value.
    pub fn value(&self) -> &Tensor<E> {
        &self.value
    }

    /// The value, to change it.
    pub fn value_mut(&mut self) -> &mut Tensor<E> {
        &mut self.value
    }
}

/// Sees every parameter and buffer of a module.
pub trait Visitor<'a, E: Element> {
    /// A trained tensor.
    fn parameter(&mut self, path: &Path, parameter: &'a Parameter<E>);
    /// A tensor that is state but not trained.
    fn buffer(&mut self, _path: &Path, _buffer: &'a Buffer<E>) {}
}

/// Sees every parameter and buffer of a module, to change it.
pub trait VisitorMut<'a, E: Element> {
    /// A trained tensor.
    fn parameter(&mut self, path: &Path, parameter: &'a mut Parameter<E>);
    /// A tensor that is state but not trained.
    fn buffer(&mut self, _path: &Path, _buffer: &'a mut Buffer<E>) {}
}

/// Something that holds parameters: a layer, a network, a user's own struct.
///
/// Derive it: `#[derive(Module)]` walks over the fields in the order of their declaration, under their names;
/// `#[module(skip)]` leaves a field out.
pub trait Module<E: Element = f32> {
    /// Shows every parameter and buffer, in a fixed order, under `path`.
    fn visit<'a>(&'a self, path: &mut Path, visitor: &mut dyn Visitor<'a, E>);
    /// Shows every parameter and buffer for changing, in the same order.
    fn visit_mut<'a>(&'a mut self, path: &mut Path, visitor: &mut dyn VisitorMut<'a, E>);
}

impl<E: Element> Module<E> for Parameter<E> {
    fn visit<'a>(&'a self, path: &mut Path, visitor: &mut dyn Visitor<'a, E>) {
        visitor.parameter(path, self);
    }
    fn visit_mut<'a>(&'a mut self, path: &mut Path, visitor: &mut dyn VisitorMut<'a, E>) {
        visitor.parameter(path, self);
    }
}

impl<E: Element> Module<E> for Buffer<E> {
    fn visit<'a>(&'a self, path: &mut Path, visitor: &mut dyn Visitor<'a, E>) {
        visitor.buffer(path, self);
    }
    fn visit_mut<'a>(&'a mut self, path: &mut Path, visitor: &mut dyn VisitorMut<'a, E>) {
        visitor.buffer(path, self);
    }
}

impl<E: Element, M: Module<E>> Module<E> for Vec<M> {
    fn visit<'a>(&'a self, path: &mut Path, visitor: &mut dyn Visitor<'a, E>) {
        for (i, m) in self.iter().enumerate() {
            path.enter_index(i, |path| m.visit(path, visitor));
        }
    }
    fn visit_mut<'a>(&'a mut self, path: &mut Path, visitor: &mut dyn VisitorMut<'a, E>) {
        for (i, m) in self.iter_mut().enumerate() {
            path.enter_index(i, |path| m.visit_mut(path, visitor));
        }
    }
}

impl<E: Element, M: Module<E>> Module<E> for Option<M> {
    fn visit<'a>(&'a self, path: &mut Path, visitor: &mut dyn Visitor<'a, E>) {
        if let Some(m) = self {
            m.visit(path, visitor);
        }
    }
    fn visit_mut<'a>(&'a mut self, path: &mut Path, visitor: &mut dyn VisitorMut<'a, E>) {
        if let Some(m) = self {
            m.visit_mut(path, visitor);
        }
    }
}

impl<E: Element, M: Module<E> + ?Sized> Module<E> for Box<M> {
    fn visit<'a>(&'a self, path: &mut Path, visitor: &mut dyn Visitor<'a, E>) {
        (**self).visit(path, visitor);
    }
    fn visit_mut<'a>(&'a mut self, path: &mut Path, visitor: &mut dyn VisitorMut<'a, E>) {
        (**self).visit_mut(path, visitor);
    }
}

impl<E: Element, A: Module<E>, B: Module<E>> Module<E> for (A, B) {
    fn visit<'a>(&'a self, path: &mut Path, visitor: &mut dyn Visitor<'a, E>) {
        path.enter("0", |path| self.0.visit(path, visitor));
        path.enter("1", |path| self.1.visit(path, visitor));
    }
    fn visit_mut<'a>(&'a mut self, path: &mut Path, visitor: &mut dyn VisitorMut<'a, E>) {
        path.enter("0", |path| self.0.visit_mut(path, visitor));
        path.enter("1", |path| self.1.visit_mut(path, visitor));
    }
}

struct Collect<T>(Vec<(String, T)>);

impl<'a, E: Element> Visitor<'a, E> for Collect<&'a Parameter<E>> {
    fn parameter(&mut self, path: &Path, parameter: &'a Parameter<E>) {
        self.0.push((path.as_str().to_owned(), parameter));
    }
}

impl<'a, E: Element> VisitorMut<'a, E> for Collect<&'a mut Parameter<E>> {
    fn parameter(&mut self, path: &Path, parameter: &'a mut Parameter<E>) {
        self.0.push((path.as_str().to_owned(), parameter));
    }
}

impl<'a, E: Element> Visitor<'a, E> for Collect<&'a Buffer<E>> {
    fn parameter(&mut self, _: &Path, _: &'a Parameter<E>) {}
    fn buffer(&mut self, path: &Path, buffer: &'a Buffer<E>) {
        self.0.push((path.as_str().to_owned(), buffer));
    }
}

impl<'a, E: Element> VisitorMut<'a, E> for Collect<&'a mut Tensor<E>> {
    fn parameter(&mut self, path: &Path, parameter: &'a mut Parameter<E>) {
        self.0.push((path.as_str().to_owned(), parameter.value_mut()));
    }
    fn buffer(&mut self, path: &Path, buffer: &'a mut Buffer<E>) {
        self.0.push((path.as_str().to_owned(), buffer.value_mut()));
    }
}

impl<'a, E: Element> Visitor<'a, E> for Collect<Tensor<E>> {
    fn parameter(&mut self, path: &Path, parameter: &'a Parameter<E>) {
        self.0.push((path.as_str().to_owned(), parameter.value().clone()));
    }
    fn buffer(&mut self, path: &Path, buffer: &'a Buffer<E>) {
        self.0.push((path.as_str().to_owned(), buffer.value().clone()));
    }
}

/// What can be asked of every module; comes with [`Module`].
pub trait ModuleExt<E: Element>: Module<E> {
    /// All parameters with their path names.
    fn parameters(&self) -> Vec<(String, &Parameter<E>)> {
        let mut all = Collect(Vec::new());
        self.visit(&mut Path::root(), &mut all);
        all.0
    }

    /// All parameters with their path names, to change them.
    fn parameters_mut(&mut self) -> Vec<(String, &mut Parameter<E>)> {
        let mut all = Collect(Vec::new());
        self.visit_mut(&mut Path::root(), &mut all);
        all.0
    }

    /// All buffers with their path names.
    fn buffers(&self) -> Vec<(String, &Buffer<E>)> {
        let mut all = Collect(Vec::new());
        self.visit(&mut Path::root(), &mut all);
        all.0
    }

    /// Parameters and buffers with their path names; shares their memory until either side is changed.
    fn state(&self) -> Vec<(String, Tensor<E>)> {
        let mut all = Collect(Vec::new());
        self.visit(&mut Path::root(), &mut all);
        all.0
    }

    /// Puts stored parameters and buffers in place.
    ///
    /// # Errors
    /// If a name is missing or unexpected or a shape differs: all of them at once, and nothing is changed.
    fn load_state(&mut self, state: &[(String, Tensor<E>)]) -> Result<(), StateError> {
        let mut own = Collect::<&mut Tensor<E>>(Vec::new());
        self.visit_mut(&mut Path::root(), &mut own);
        let mut error = StateError::default();
        let mut found = Vec::with_capacity(own.0.len());
        for (path, tensor) in &own.0 {
            match state.iter().find(|(name, _)| name == path) {
                None => error.missing.push(path.clone()),
                Some((_, t)) if t.shape() != tensor.shape() => {
                    error.misshapen.push((path.clone(), tensor.shape().to_vec(), t.shape().to_vec()));
                }
                Some((_, t)) => found.push(t.clone()),
            }
        }
        error.unexpected =
            state.iter().map(|(n, _)| n).filter(|n| !own.0.iter().any(|(path, _)| path == *n)).cloned().collect();
        if !error.is_empty() {
            return Err(error);
        }
        for ((_, place), tensor) in own.0.into_iter().zip(found) {
            *place = tensor;
        }
        Ok(())
    }

    /// How many numbers are trained, counting frozen ones.
    fn parameter_count(&self) -> usize {
        self.parameters().iter().map(|(_, p)| p.value().len()).sum()
    }

    /// Runs `f` with the parameters replaced by `vars`, in the order of [`ModuleExt::parameters`]: how the functional
    /// doors differentiate a model with respect to its parameters.
    ///
    /// # Panics
    /// If there are not as many variables as parameters, or a shape differs.
    #[track_caller]
    fn with_parameters<R>(&mut self, vars: &[Var<E>], f: impl FnOnce(&mut Self) -> R) -> R
    where
        Self: Sized,
    {
        let parameters = self.parameters_mut();
        assert!(
            parameters.len() == vars.len(),
            "with_parameters: {} variables for {} parameters",
            vars.len(),
            parameters.len()
        );
        for ((_, p), v) in parameters.into_iter().zip(vars) {
            p.bind(v.clone());
        }
        let result = f(self);
        for (_, p) in self.parameters_mut() {
            p.unbind();
        }
        result
    }
}

impl<E: Element, M: Module<E> + ?Sized> ModuleExt<E> for M {}

/// How a stored state does not fit a model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateError {
    /// Names the model has and the state has not.
    pub missing: Vec<String>,
    /// Names the state has and the model has not.
    pub unexpected: Vec<String>,
    /// Names whose shapes differ: the model's, then the state's.
    pub misshapen: Vec<(String, Vec<usize>, Vec<usize>)>,
}

impl StateError {
    fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.unexpected.is_empty() && self.misshapen.is_empty()
    }
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the state does not fit the model;")?;
        if !self.missing.is_empty() {
            write!(f, " missing: {};", self.missing.join(", "))?;
        }
        if !self.unexpected.is_empty() {
            write!(f, " unexpected: {};", self.unexpected.join(", "))?;
        }
        for (name, own, other) in &self.misshapen {
            write!(f, " {name}: the model has shape {own:?}, the state {other:?};")?;
        }
        write!(f, " nothing was changed; load it into the model it was saved from")
    }
}

impl std::error::Error for StateError {}
