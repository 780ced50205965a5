//! The contract of a layer: what it computes at test time, what differs in training, and which shapes it takes.

use crate::{Module, ModuleExt, Path, Stage, Then};
use kniff_autograd::Var;
use kniff_tensor::{Element, Rng, Shape, Tensor};
use std::fmt;

/// A differentiable function with parameters, applied to a batch: the first axis counts the examples.
///
/// Test time and training are two functions: [`Layer::forward`] is pure; a layer that behaves differently in training
/// (dropout, batch norm) also writes [`Layer::forward_train`]. There is no mode to forget.
///
/// Two more functions are for special passes at test time: [`Layer::forward_sampling`], which draws as training does
/// ([`crate::sample`]), and [`Layer::forward_estimating`], which takes the moments of batch norm anew
/// ([`crate::re_estimate_statistics`]).
///
/// For a struct of one's own, derive [`Module`] and write [`Layer::forward`]; if it contains dropout or batch norm, write
/// the other three too and call theirs.
pub trait Layer<E: Element = f32>: Module<E> + Send + Sync {
    /// What the layer computes at test time.
    fn forward(&self, x: &Var<E>) -> Var<E>;

    /// What the layer computes in training; the same unless written.
    fn forward_train(&mut self, x: &Var<E>, _rng: &mut Rng) -> Var<E> {
        self.forward(x)
    }

    /// [`Layer::forward_train`], and then what follows the layer; containers call it where something does.
    ///
    /// A layer writes it where it can do both in one pass. What it gives must not differ.
    fn forward_train_then(&mut self, x: &Var<E>, then: Then<'_, E>, rng: &mut Rng) -> Var<E> {
        then.apply(self.forward_train(x, rng))
    }

    /// What the layer computes at test time when it is to draw as it does in training: dropout drops, batch norm uses its
    /// running statistics. The same as [`Layer::forward`] unless written.
    fn forward_sampling(&self, x: &Var<E>, _rng: &mut Rng) -> Var<E> {
        self.forward(x)
    }

    /// What the layer computes while running statistics are taken anew: nothing is dropped, batch norm uses the moments of
    /// the batch and adds them to its statistics, which start again with the `first` batch. The same as
    /// [`Layer::forward`] unless written.
    fn forward_estimating(&mut self, x: &Var<E>, _first: bool) -> Var<E> {
        self.forward(x)
    }

    /// The name for messages and summaries.
    fn name(&self) -> &'static str {
        short_type_name::<Self>()
    }

    /// The shape of one example's output for the shape of one example's input, neither with the batch axis.
    ///
    /// Unless written, tries the layer on a batch of one zero example; what that panics with becomes the error.
    ///
    /// # Errors
    /// If the layer does not take that shape.
    fn output_shape(&self, input: &[usize]) -> Result<Shape, ShapeError> {
        let mut batch = vec![1];
        batch.extend_from_slice(input);
        let probe = Var::inference(Tensor::zeros(batch));
        let tried = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| *self.forward(&probe).shape()));
        match tried {
            Ok(shape) if shape.is_empty() => Err(ShapeError::new(self.name(), input, "gives a number, not a batch")),
            Ok(shape) => Ok(shape.without_axis(0)),
            Err(panic) => {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                let text = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked");
                Err(ShapeError::new(self.name(), input, text))
            }
        }
    }

    /// Adds this layer's rows to a summary and gives the shape of its output. Containers write it; others need not.
    ///
    /// # Errors
    /// If a layer does not take the shape it gets; the error names it by its path.
    fn summarize(&self, path: &mut Path, input: &Shape, rows: &mut Vec<SummaryRow>) -> Result<Shape, ShapeError> {
        let output = self.output_shape(input).map_err(|e| e.at(path))?;
        rows.push(SummaryRow {
            path: path.to_string(),
            layer: self.name(),
            input: *input,
            output,
            parameters: self.parameter_count(),
        });
        Ok(output)
    }

    /// [`Layer::forward_train`], with the output of every layer inside shown to `seen`, under its path and name.
    ///
    /// Containers write it; others need not.
    fn forward_train_shown(&mut self, path: &mut Path, x: &Var<E>, rng: &mut Rng, seen: &mut Seen<'_, E>) -> Var<E> {
        let y = self.forward_train(x, rng);
        seen(path, self.name(), &y);
        y
    }

    /// What the layer is at test time, for [`crate::Compiled`] to join it with its neighbours; not known unless written.
    fn stage(&self) -> Stage<'_, E> {
        Stage::Layer
    }

    /// The squashing function that the output has passed through, if there is one: what a head on logits refuses.
    fn squashes(&self) -> Option<&'static str> {
        None
    }

    /// The fewest examples of a shape (without the batch axis) that a batch must have in training; a container gives the
    /// largest of its layers'.
    fn smallest_training_batch(&self, _input: &[usize]) -> usize {
        1
    }

    /// Whether the layer is [`Var::relu`] and nothing else, in every pass: a container may then have the layer before do it.
    fn is_relu(&self) -> bool {
        false
    }

    /// Whether the layer passes its input on at test time as it is, so that what came before decides on
    /// [`Layer::squashes`].
    fn is_transparent(&self) -> bool {
        false
    }
}

/// What is shown a layer's path, its name and its output.
pub type Seen<'a, E> = dyn FnMut(&Path, &'static str, &Var<E>) + 'a;

fn short_type_name<T: ?Sized>() -> &'static str {
    let full = std::any::type_name::<T>();
    let head = full.split('<').next().unwrap_or(full);
    head.rsplit("::").next().unwrap_or(head)
}

impl<E: Element> Layer<E> for Box<dyn Layer<E>> {
    fn forward(&self, x: &Var<E>) -> Var<E> {
        (**self).forward(x)
    }
    fn forward_train(&mut self, x: &Var<E>, rng: &mut Rng) -> Var<E> {
        (**self).forward_train(x, rng)
    }
    fn forward_train_then(&mut self, x: &Var<E>, then: Then<'_, E>, rng: &mut Rng) -> Var<E> {
        (**self).forward_train_then(x, then, rng)
    }
    fn forward_sampling(&self, x: &Var<E>, rng: &mut Rng) -> Var<E> {
        (**self).forward_sampling(x, rng)
    }
    fn forward_estimating(&mut self, x: &Var<E>, first: bool) -> Var<E> {
        (**self).forward_estimating(x, first)
    }
    fn name(&self) -> &'static str {
        (**self).name()
    }
    fn output_shape(&self, input: &[usize]) -> Result<Shape, ShapeError> {
        (**self).output_shape(input)
    }
    fn summarize(&self, path: &mut Path, input: &Shape, rows: &mut Vec<SummaryRow>) -> Result<Shape, ShapeError> {
        (**self).summarize(path, input, rows)
    }
    fn forward_train_shown(&mut self, path: &mut Path, x: &Var<E>, rng: &mut Rng, seen: &mut Seen<'_, E>) -> Var<E> {
        (**self).forward_train_shown(path, x, rng, seen)
    }
    fn stage(&self) -> Stage<'_, E> {
        (**self).stage()
    }
    fn squashes(&self) -> Option<&'static str> {
        (**self).squashes()
    }
    fn smallest_training_batch(&self, input: &[usize]) -> usize {
        (**self).smallest_training_batch(input)
    }
    fn is_relu(&self) -> bool {
        (**self).is_relu()
    }
    fn is_transparent(&self) -> bool {
        (**self).is_transparent()
    }
}

/// A layer that was given a shape it does not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShapeError {
    /// Where in the model, if that is known.
    pub path: String,
    /// The layer's name.
    pub layer: &'static str,
    /// The shape of one example that it was given.
    pub input: Vec<usize>,
    /// What is wrong with it.
    pub reason: String,
}

impl ShapeError {
    /// An error of a layer that does not know its path yet.
    pub fn new(layer: &'static str, input: &[usize], reason: impl Into<String>) -> Self {
        Self { path: String::new(), layer, input: input.to_vec(), reason: reason.into() }
    }

    /// The error with a path, unless it has a longer one already.
    #[must_use]
    pub fn at(mut self, path: &Path) -> Self {
        if self.path.is_empty() {
            self.path = path.to_string();
        }
        self
    }
}

impl fmt::Display for ShapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.path.is_empty() { String::new() } else { format!(" at `{}`", self.path) };
        write!(f, "{}{place} was given examples of shape {:?}: {}", self.layer, self.input, self.reason)
    }
}

impl std::error::Error for ShapeError {}

/// One line of a summary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SummaryRow {
    /// Where in the model.
    pub path: String,
    /// The layer's name.
    pub layer: &'static str,
    /// The shape of one example that goes in.
    pub input: Shape,
    /// The shape of one example that comes out.
    pub output: Shape,
    /// How many numbers are trained.
    pub parameters: usize,
}

/// What a model is, before it runs: its layers, their shapes and their parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// One row per layer.
    pub rows: Vec<SummaryRow>,
    /// The shape of one example that goes in.
    pub input: Shape,
    /// The shape of one example that comes out.
    pub output: Shape,
    /// How many numbers are trained in all.
    pub parameters: usize,
}

/// The summary of a model for examples of a shape (without the batch axis).
///
/// # Errors
/// The first layer, named by its path, that does not take the shape it would get.
pub fn summary<E: Element>(model: &(impl Layer<E> + ?Sized), input: impl Into<Shape>) -> Result<Summary, ShapeError> {
    let input = input.into();
    let mut rows = Vec::new();
    let output = model.summarize(&mut Path::root(), &input, &mut rows)?;
    Ok(Summary { rows, input, output, parameters: model.parameter_count() })
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<[String; 4]> = self
            .rows
            .iter()
            .map(|r| [r.path.clone(), r.layer.to_owned(), r.output.to_string(), r.parameters.to_string()])
            .collect();
        let heads = ["path", "layer", "output", "parameters"];
        let width = |i: usize| lines.iter().map(|l| l[i].len()).max().unwrap_or(0).max(heads[i].len());
        let widths = [width(0), width(1), width(2), width(3)];
        let mut line = |cells: [&str; 4]| {
            let [a, b, c, d] = widths;
            writeln!(f, "{:a$}  {:b$}  {:c$}  {:>d$}", cells[0], cells[1], cells[2], cells[3])
        };
        line(heads)?;
        line(["", "input", &self.input.to_string(), ""])?;
        for l in &lines {
            line([&l[0], &l[1], &l[2], &l[3]])?;
        }
        line(["", "total", "", &self.parameters.to_string()])
    }
}
