//! Branches side by side, joined along the channels.

use crate::layer::{Seen, ShapeError, SummaryRow};
use crate::{Layer, Module, Path, Visitor, VisitorMut};
use kniff_autograd::Var;
use kniff_tensor::{Element, Rng, Shape};

/// Layers that all get the same input, and whose outputs are joined along axis 1, the channels or features.
///
/// Parameters are named by position (`0.weight`), as in [`super::Sequential`].
///
/// ```
/// use kniff_autograd::Var;
/// use kniff_nn::{Layer, layers::{Concat, Relu, Sigmoid}};
/// use kniff_tensor::Tensor;
/// let both: Concat<f64> = Concat::new().with(Relu).with(Sigmoid);
/// let y = both.forward(&Var::constant(Tensor::from_slice(&[0.0], [1, 1])));
/// assert_eq!(y.value().to_vec(), [0.0, 0.5]);
/// ```
#[derive(Default)]
pub struct Concat<E: Element = f32> {
    branches: Vec<Box<dyn Layer<E>>>,
}

impl<E: Element> Concat<E> {
    /// Without branches yet; needs at least one.
    pub fn new() -> Self {
        Self { branches: Vec::new() }
    }

    /// With one more branch.
    #[must_use]
    pub fn with(mut self, branch: impl Layer<E> + 'static) -> Self {
        self.branches.push(Box::new(branch));
        self
    }

    #[track_caller]
    fn join(outputs: &[Var<E>]) -> Var<E> {
        Var::concat(&outputs.iter().collect::<Vec<_>>(), 1)
    }
}

impl<E: Element> Module<E> for Concat<E> {
    fn visit<'a>(&'a self, path: &mut Path, visitor: &mut dyn Visitor<'a, E>) {
        self.branches.visit(path, visitor);
    }
    fn visit_mut<'a>(&'a mut self, path: &mut Path, visitor: &mut dyn VisitorMut<'a, E>) {
        self.branches.visit_mut(path, visitor);
    }
}

impl<E: Element> Layer<E> for Concat<E> {
    fn forward(&self, x: &Var<E>) -> Var<E> {
        Self::join(&self.branches.iter().map(|b| b.forward(x)).collect::<Vec<_>>())
    }

    fn forward_train(&mut self, x: &Var<E>, rng: &mut Rng) -> Var<E> {
        Self::join(&self.branches.iter_mut().map(|b| b.forward_train(x, rng)).collect::<Vec<_>>())
    }

    fn forward_sampling(&self, x: &Var<E>, rng: &mut Rng) -> Var<E> {
        Self::join(&self.branches.iter().map(|b| b.forward_sampling(x, rng)).collect::<Vec<_>>())
    }

    fn forward_estimating(&mut self, x: &Var<E>, first: bool) -> Var<E> {
        Self::join(&self.branches.iter_mut().map(|b| b.forward_estimating(x, first)).collect::<Vec<_>>())
    }

    fn forward_train_shown(&mut self, path: &mut Path, x: &Var<E>, rng: &mut Rng, seen: &mut Seen<'_, E>) -> Var<E> {
        let mut outputs = Vec::with_capacity(self.branches.len());
        for (i, branch) in self.branches.iter_mut().enumerate() {
            outputs.push(path.enter(&i.to_string(), |path| branch.forward_train_shown(path, x, rng, seen)));
        }
        let y = Self::join(&outputs);
        seen(path, Layer::<E>::name(self), &y);
        y
    }

    fn output_shape(&self, input: &[usize]) -> Result<Shape, ShapeError> {
        self.summarize(&mut Path::root(), &Shape::new(input), &mut Vec::new())
    }

    fn summarize(&self, path: &mut Path, input: &Shape, rows: &mut Vec<SummaryRow>) -> Result<Shape, ShapeError> {
        let mut joined: Option<Shape> = None;
        for (i, branch) in self.branches.iter().enumerate() {
            let shape = path.enter(&i.to_string(), |path| branch.summarize(path, input, rows))?;
            let mut so_far = joined.map_or_else(|| shape.to_vec(), |joined| joined.to_vec());
            if shape.is_empty() || so_far.len() != shape.len() || so_far[1..] != shape[1..] {
                let reason =
                    format!("branch {i} gives {shape}, which cannot be joined along the first axis to {so_far:?}");
                return Err(ShapeError::new(self.name(), input, reason).at(path));
            }
            if joined.is_some() {
                so_far[0] += shape[0];
            }
            joined = Some(Shape::new(&so_far));
        }
        joined.ok_or_else(|| ShapeError::new(self.name(), input, "it has no branches").at(path))
    }

    fn squashes(&self) -> Option<&'static str> {
        let all = self.branches.iter().all(|b| b.squashes().is_some());
        if all { self.branches.first().and_then(|b| b.squashes()) } else { None }
    }

    fn smallest_training_batch(&self, input: &[usize]) -> usize {
        self.branches.iter().map(|b| b.smallest_training_batch(input)).max().unwrap_or(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::{BatchNorm2d, Flatten, GroupNorm, Sigmoid, Tanh};
    use crate::summary;
    use kniff_tensor::Tensor;

    #[test]
    fn shapes_add_up_along_the_channels() {
        let both: Concat = Concat::new().with(BatchNorm2d::new(3)).with(GroupNorm::new(1, 3));
        assert_eq!(summary(&both, [3, 2, 2]).unwrap().output, [6, 2, 2]);
        let y = both.forward(&Var::constant(Tensor::zeros([5, 3, 2, 2])));
        assert_eq!(*y.shape(), [5, 6, 2, 2]);
        assert_eq!((both.smallest_training_batch(&[3, 1, 1]), both.smallest_training_batch(&[3, 2, 1])), (2, 1));
        let error = summary(&both.with(Flatten), [3, 2, 2]).unwrap_err().to_string();
        assert!(error.contains("branch 2 gives [12], which cannot be joined"), "{error}");
        assert!(summary(&Concat::<f32>::new(), [3]).unwrap_err().to_string().contains("no branches"));
    }

    #[test]
    fn it_squashes_where_all_branches_do() {
        assert_eq!(Concat::<f32>::new().with(Sigmoid).with(Tanh).squashes(), Some("a sigmoid"));
        assert_eq!(Concat::<f32>::new().with(Sigmoid).with(Flatten).squashes(), None);
    }
}
