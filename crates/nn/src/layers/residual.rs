//! A block whose input is added to its output.

use crate::layer::{Seen, ShapeError, SummaryRow};
use crate::{Layer, Module, Path, Stage, Then, Visitor, VisitorMut};
use kniff_autograd::Var;
use kniff_tensor::{Element, Rng, Shape};

/// `body(x) + x`, or `body(x) + shortcut(x)` where a shortcut brings the input to the shape of the output.
///
/// The derivative has an identity in it, so that gradients reach lower layers whatever the body does to them. Parameters
/// are named `body.*` and `shortcut.*`. Source: He, Zhang, Ren, Sun, "Deep residual learning for image recognition" (2016).
///
/// ```
/// use kniff_autograd::Var;
/// use kniff_init::{GlorotNormal, Zeros};
/// use kniff_nn::{Layer, summary, layers::{Linear, Residual}};
/// use kniff_tensor::{Rng, Tensor};
/// let mut rng = Rng::new(0);
/// // A body of zeros leaves the input as it is.
/// let block: Residual = Residual::new(Linear::new(2, 2, Zeros, &mut rng));
/// let x = Var::constant(Tensor::from_slice(&[3.0, 4.0], [1, 2]));
/// assert_eq!(block.forward(&x).value().to_vec(), [3.0, 4.0]);
/// // Shapes that differ are found before it runs.
/// let block: Residual = Residual::new(Linear::new(2, 5, GlorotNormal, &mut rng));
/// assert!(summary(&block, [2]).is_err());
/// let block = block.with_shortcut(Linear::without_bias(2, 5, GlorotNormal, &mut rng));
/// assert_eq!(summary(&block, [2]).unwrap().output, [5]);
/// ```
pub struct Residual<E: Element = f32> {
    body: Box<dyn Layer<E>>,
    shortcut: Option<Box<dyn Layer<E>>>,
}

impl<E: Element> Residual<E> {
    /// A block whose input is added as it is.
    pub fn new(body: impl Layer<E> + 'static) -> Self {
        Self { body: Box::new(body), shortcut: None }
    }

    /// With a layer that the input passes before it is added: a projection where the shape changes.
    #[must_use]
    pub fn with_shortcut(self, shortcut: impl Layer<E> + 'static) -> Self {
        Self { shortcut: Some(Box::new(shortcut)), ..self }
    }

    #[track_caller]
    fn join(body: &Var<E>, shortcut: &Var<E>) -> Var<E> {
        let fits = body.shape() == shortcut.shape();
        assert!(fits, "Residual: sides of shape {} and {} differ", body.shape(), shortcut.shape());
        body.add(shortcut)
    }
}

impl<E: Element> Module<E> for Residual<E> {
    fn visit<'a>(&'a self, path: &mut Path, visitor: &mut dyn Visitor<'a, E>) {
        path.enter("body", |path| self.body.visit(path, visitor));
        path.enter("shortcut", |path| self.shortcut.visit(path, visitor));
    }
    fn visit_mut<'a>(&'a mut self, path: &mut Path, visitor: &mut dyn VisitorMut<'a, E>) {
        path.enter("body", |path| self.body.visit_mut(path, visitor));
        path.enter("shortcut", |path| self.shortcut.visit_mut(path, visitor));
    }
}

impl<E: Element> Layer<E> for Residual<E> {
    fn forward(&self, x: &Var<E>) -> Var<E> {
        let shortcut = self.shortcut.as_ref().map_or_else(|| x.clone(), |s| s.forward(x));
        Self::join(&self.body.forward(x), &shortcut)
    }

    fn forward_train(&mut self, x: &Var<E>, rng: &mut Rng) -> Var<E> {
        self.forward_train_then(x, Then::nothing(), rng)
    }

    /// The side that is computed last adds the other, and does what follows: the body, or the shortcut if there is one.
    fn forward_train_then(&mut self, x: &Var<E>, then: Then<'_, E>, rng: &mut Rng) -> Var<E> {
        if then.plus().is_some() {
            return then.apply(self.forward_train(x, rng));
        }
        match &mut self.shortcut {
            Some(shortcut) => {
                let body = self.body.forward_train(x, rng);
                shortcut.forward_train_then(x, then.with_plus(&body), rng)
            }
            None => self.body.forward_train_then(x, then.with_plus(x), rng),
        }
    }

    fn forward_sampling(&self, x: &Var<E>, rng: &mut Rng) -> Var<E> {
        let body = self.body.forward_sampling(x, rng);
        let shortcut = self.shortcut.as_ref().map_or_else(|| x.clone(), |s| s.forward_sampling(x, rng));
        Self::join(&body, &shortcut)
    }

    fn forward_estimating(&mut self, x: &Var<E>, first: bool) -> Var<E> {
        let body = self.body.forward_estimating(x, first);
        let shortcut = self.shortcut.as_mut().map_or_else(|| x.clone(), |s| s.forward_estimating(x, first));
        Self::join(&body, &shortcut)
    }

    fn output_shape(&self, input: &[usize]) -> Result<Shape, ShapeError> {
        self.summarize(&mut Path::root(), &Shape::new(input), &mut Vec::new())
    }

    fn summarize(&self, path: &mut Path, input: &Shape, rows: &mut Vec<SummaryRow>) -> Result<Shape, ShapeError> {
        let body = path.enter("body", |path| self.body.summarize(path, input, rows))?;
        let shortcut = match &self.shortcut {
            Some(layer) => path.enter("shortcut", |path| layer.summarize(path, input, rows))?,
            None => *input,
        };
        if body == shortcut {
            return Ok(body);
        }
        let advice = if self.shortcut.is_some() { "make them equal" } else { "bring it there with a shortcut" };
        let reason = format!("its body gives {body}, to which {shortcut} cannot be added; {advice}");
        Err(ShapeError::new(self.name(), input, reason).at(path))
    }

    fn forward_train_shown(&mut self, path: &mut Path, x: &Var<E>, rng: &mut Rng, seen: &mut Seen<'_, E>) -> Var<E> {
        let body = path.enter("body", |path| self.body.forward_train_shown(path, x, rng, seen));
        let shortcut = match &mut self.shortcut {
            Some(layer) => path.enter("shortcut", |path| layer.forward_train_shown(path, x, rng, seen)),
            None => x.clone(),
        };
        let y = Self::join(&body, &shortcut);
        seen(path, self.name(), &y);
        y
    }

    fn stage(&self) -> Stage<'_, E> {
        Stage::Sum { body: &*self.body, shortcut: self.shortcut.as_deref().map(|s| s as &dyn Layer<E>) }
    }

    fn smallest_training_batch(&self, input: &[usize]) -> usize {
        let shortcut = self.shortcut.as_ref().map_or(1, |layer| layer.smallest_training_batch(input));
        self.body.smallest_training_batch(input).max(shortcut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::{BatchNorm1d, Dropout, Linear, Relu, Sequential, Tanh};
    use crate::{ModuleExt, summary};
    use kniff_init::{GlorotNormal, HeNormal};
    use kniff_tensor::Tensor;

    fn block(outputs: usize, rng: &mut Rng) -> Residual<f64> {
        let body = Sequential::new()
            .with(Linear::without_bias(3, 4, HeNormal, rng))
            .with(BatchNorm1d::new(4))
            .with(Relu)
            .with(Dropout::new(0.5))
            .with(Linear::new(4, outputs, GlorotNormal, rng));
        Residual::new(body)
    }

    #[test]
    fn parameters_are_named_by_their_side() {
        let mut rng = Rng::new(0);
        let block = block(5, &mut rng).with_shortcut(Linear::new(3, 5, GlorotNormal, &mut rng));
        let names: Vec<String> = block.parameters().into_iter().map(|(name, _)| name).collect();
        let body = ["body.0.weight", "body.1.weight", "body.1.bias", "body.4.weight", "body.4.bias"];
        assert_eq!(names, [&body[..], &["shortcut.weight", "shortcut.bias"]].concat());
        assert_eq!((block.smallest_training_batch(&[3]), block.squashes()), (2, None));
    }

    #[test]
    fn shapes_that_differ_are_reported_with_the_path() {
        let mut rng = Rng::new(0);
        let net = Sequential::<f64>::new().with(Tanh).named("block", block(5, &mut rng));
        let error = summary(&net, [3]).unwrap_err().to_string();
        assert!(
            error.starts_with("Residual at `block` was given examples of shape [3]: its body gives [5]"),
            "{error}"
        );
        let error = summary(&net, [2]).unwrap_err().to_string();
        assert!(error.starts_with("Linear at `block.body.0`"), "{error}");
    }

    #[test]
    fn every_way_through_adds_the_input() {
        let mut rng = Rng::new(0);
        let mut block = block(3, &mut rng);
        let x = Var::constant(Tensor::<f64>::randn([6, 3], &mut rng));
        let same = |a: &Var<f64>, b: &Var<f64>| {
            a.value().to_vec().iter().zip(b.value().to_vec()).for_each(|(a, b)| assert!((a - b).abs() < 1e-12));
        };
        same(&block.forward(&x), &block.body.forward(&x).add(&x));
        let sampled = block.forward_sampling(&x, &mut Rng::new(1));
        same(&sampled, &block.body.forward_sampling(&x, &mut Rng::new(1)).add(&x));
        assert_ne!(sampled.value().to_vec(), block.forward(&x).value().to_vec());
        let trained = block.forward_train(&x, &mut Rng::new(2));
        same(&trained, &block.body.forward_train(&x, &mut Rng::new(2)).add(&x));
        let estimated = block.forward_estimating(&x, true);
        same(&estimated, &block.body.forward_estimating(&x, true).add(&x));
    }
}
