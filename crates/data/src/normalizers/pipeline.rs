//! Normalisers one after the other, as one thing that can be stored with a model.

use super::{MinMax, PcaWhitening, PerChannel, Standardizer, ZcaWhitening};
use crate::normalizer::checked_shape;
use crate::{DataError, Normalizer};
use kniff_tensor::{Element, Shape, Tensor};
use serde::{Deserialize, Serialize};

/// Any of the normalisers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound = "", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Step<E: Element = f32> {
    /// Column by column to mean 0 and variance 1.
    Standardizer(Standardizer<E>),
    /// Column by column to a range.
    MinMax(MinMax<E>),
    /// Channel by channel to mean 0 and variance 1.
    PerChannel(PerChannel<E>),
    /// Along the principal axes.
    PcaWhitening(Box<PcaWhitening<E>>),
    /// The symmetric whitening.
    ZcaWhitening(Box<ZcaWhitening<E>>),
}

impl<E: Element> Step<E> {
    fn inner(&self) -> &dyn Normalizer<E> {
        match self {
            Step::Standardizer(n) => n,
            Step::MinMax(n) => n,
            Step::PerChannel(n) => n,
            Step::PcaWhitening(n) => &**n,
            Step::ZcaWhitening(n) => &**n,
        }
    }
}

/// The normalisers that make a pipeline, in the order in which they are applied; none leaves the examples as they are.
///
/// ```
/// use kniff_data::{Normalizer, PcaWhitening, Pipeline, Standardizer, digits};
/// let data = digits();
/// let standardizer = Standardizer::fit(data.inputs())?;
/// let whitening = PcaWhitening::fit(&standardizer.transform(data.inputs())?)?;
/// let pipeline = Pipeline::new().then(standardizer).then(whitening);
/// let text = serde_json::to_string(&pipeline).unwrap();
/// let loaded: Pipeline = serde_json::from_str(&text).unwrap();
/// assert_eq!(loaded.transform(data.inputs())?, pipeline.transform(data.inputs())?);
/// # Ok::<(), kniff_data::DataError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound = "", transparent)]
pub struct Pipeline<E: Element = f32> {
    steps: Vec<Step<E>>,
}

impl<E: Element> Pipeline<E> {
    /// No steps yet.
    pub fn new() -> Self {
        Self { steps: Vec::new() }
    }

    /// One more step, which works on what the steps before it give.
    #[must_use]
    pub fn then(mut self, step: impl Into<Step<E>>) -> Self {
        self.steps.push(step.into());
        self
    }

    /// The steps in order.
    pub fn steps(&self) -> &[Step<E>] {
        &self.steps
    }
}

impl<E: Element> Default for Pipeline<E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E: Element> Normalizer<E> for Step<E> {
    fn output_shape(&self, example: &[usize]) -> Result<Shape, DataError> {
        self.inner().output_shape(example)
    }

    fn transform(&self, x: &Tensor<E>) -> Result<Tensor<E>, DataError> {
        self.inner().transform(x)
    }

    fn inverse_transform(&self, z: &Tensor<E>) -> Result<Tensor<E>, DataError> {
        self.inner().inverse_transform(z)
    }
}

impl<E: Element> Normalizer<E> for Pipeline<E> {
    fn output_shape(&self, example: &[usize]) -> Result<Shape, DataError> {
        self.steps.iter().try_fold(checked_shape("a pipeline", example)?, |shape, step| step.output_shape(&shape))
    }

    fn transform(&self, x: &Tensor<E>) -> Result<Tensor<E>, DataError> {
        self.steps.iter().try_fold(x.clone(), |x, step| step.transform(&x))
    }

    fn inverse_transform(&self, z: &Tensor<E>) -> Result<Tensor<E>, DataError> {
        self.steps.iter().rev().try_fold(z.clone(), |z, step| step.inverse_transform(&z))
    }
}

impl<E: Element> From<Standardizer<E>> for Step<E> {
    fn from(normalizer: Standardizer<E>) -> Self {
        Step::Standardizer(normalizer)
    }
}

impl<E: Element> From<MinMax<E>> for Step<E> {
    fn from(normalizer: MinMax<E>) -> Self {
        Step::MinMax(normalizer)
    }
}

impl<E: Element> From<PerChannel<E>> for Step<E> {
    fn from(normalizer: PerChannel<E>) -> Self {
        Step::PerChannel(normalizer)
    }
}

impl<E: Element> From<PcaWhitening<E>> for Step<E> {
    fn from(normalizer: PcaWhitening<E>) -> Self {
        Step::PcaWhitening(Box::new(normalizer))
    }
}

impl<E: Element> From<ZcaWhitening<E>> for Step<E> {
    fn from(normalizer: ZcaWhitening<E>) -> Self {
        Step::ZcaWhitening(Box::new(normalizer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kniff_tensor::Rng;

    #[test]
    fn steps_follow_one_another_and_go_back() {
        let x = Tensor::<f64>::randn([50, 4], &mut Rng::new(0)).affine(9.0, 2.0);
        let first = Standardizer::fit(&x).unwrap();
        let second = ZcaWhitening::fit(&first.transform(&x).unwrap(), 0.1).unwrap();
        let pipeline = Pipeline::new().then(first).then(second);
        let z = pipeline.transform(&x).unwrap();
        let back = pipeline.inverse_transform(&z).unwrap().to_vec();
        assert!(back.iter().zip(x.to_vec()).all(|(a, b)| (a - b).abs() < 1e-12));
        assert_eq!(pipeline.output_shape(&[4]).unwrap(), [4]);
        assert!(pipeline.output_shape(&[5]).is_err());
        assert_eq!(pipeline.steps().len(), 2);
    }
}
