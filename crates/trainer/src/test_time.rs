//! Several views of each image at test time: what they gain, what they cost, and which plan is worth it.

use crate::{Phase, TrainError};
use kniff_data::{Augment, DataError, Dataset, TestTimePlan};
use kniff_nn::{ClassHead, Layer, Model, summary};
use kniff_tensor::{Element, Indices, Rng, Tensor};
use serde::Serialize;
use std::fmt;
use std::time::Instant;

/// What is averaged over the views.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Average {
    /// The probabilities: an arithmetic mean.
    #[default]
    Probabilities,
    /// The logits, of which the softmax is taken afterwards: a geometric mean of the probabilities.
    Logits,
}

/// The class probabilities `[n, classes]` of some images, averaged over the views of a plan.
///
/// # Errors
/// If the data cannot be read, or the images do not fit the plan or its views the model.
pub fn predict_views<E: Element, L: Layer<E>, D: Dataset<E>>(
    model: &Model<L, ClassHead, E>,
    data: &D,
    indices: &[usize],
    plan: &TestTimePlan<E>,
    average: Average,
) -> Result<Tensor<E>, TrainError> {
    // Views draw nothing.
    let nothing = Rng::new(0);
    over_views(model, plan, average, |view| Ok(data.augmented_batch(indices, view, &nothing, 0)?.inputs))
}

/// The class probabilities, averaged over the views of a plan; `inputs` makes a view of the images.
pub(crate) fn over_views<E: Element, L: Layer<E>>(
    model: &Model<L, ClassHead, E>,
    plan: &TestTimePlan<E>,
    average: Average,
    mut inputs: impl FnMut(&Augment<E>) -> Result<Tensor<E>, DataError>,
) -> Result<Tensor<E>, TrainError> {
    let phase = Phase::Evaluation;
    let mut sum: Option<Tensor<E>> = None;
    for view in plan.views() {
        let inputs = inputs(view).map_err(|source| TrainError::Data { phase, source })?;
        if sum.is_none() {
            let shape = inputs.shape().get(1..).unwrap_or(&[]);
            summary(model.network(), shape).map_err(|source| TrainError::Shape { phase, source })?;
        }
        let logits = model.predict(&inputs);
        let answer = match average {
            Average::Probabilities => logits.probabilities().tensor().clone(),
            Average::Logits => logits.var().value().clone(),
        };
        sum = Some(match sum {
            Some(sum) => &sum + &answer,
            None => answer,
        });
    }
    let sum = sum.unwrap_or_else(|| Tensor::zeros([0, 0]));
    let mean = sum.mul_scalar(E::ONE / E::from_usize(plan.len().max(1)));
    Ok(match average {
        Average::Probabilities => mean,
        Average::Logits => mean.softmax(1),
    })
}

/// What a plan gives and takes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlanRow {
    /// The plan, in words.
    pub plan: String,
    /// How often the network runs for each image.
    pub views: usize,
    /// The share of the images that are classified rightly.
    pub accuracy: f64,
    /// Milliseconds an image takes, making its views included.
    pub milliseconds: f64,
}

/// Plans side by side: accuracy against cost.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlanTable {
    /// One row a plan, in the order in which they were given.
    pub rows: Vec<PlanRow>,
    /// How many images were classified.
    pub examples: usize,
}

impl PlanTable {
    /// The plan that is worth its time: from the first row on, a later one is taken if it classifies at least `least_gain` percentage points more
    /// rightly for each millisecond more that an image takes.
    ///
    /// So never one that is worse than the first. Choose on validation data: the best of several on test data is no longer a test.
    /// `None` if there are no rows.
    pub fn pick(&self, least_gain: f64) -> Option<&PlanRow> {
        let mut rows = self.rows.iter();
        let mut best = rows.next()?;
        for row in rows {
            let gain = 100.0 * (row.accuracy - best.accuracy);
            let cost = (row.milliseconds - best.milliseconds).max(0.0);
            if gain > 0.0 && gain >= least_gain * cost {
                best = row;
            }
        }
        Some(best)
    }
}

impl fmt::Display for PlanTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.rows.iter().map(|row| row.plan.len()).max().unwrap_or(0).max(4);
        writeln!(f, "{:width$}  views  accuracy  gain      ms/image  points/ms", "plan")?;
        let Some(first) = self.rows.first() else { return Ok(()) };
        for row in &self.rows {
            let gain = 100.0 * (row.accuracy - first.accuracy);
            let rate = gain / (row.milliseconds - first.milliseconds);
            let rate = if rate.is_finite() { format!("{rate:.2}") } else { "-".into() };
            let (plan, views, accuracy, ms) = (&row.plan, row.views, 100.0 * row.accuracy, row.milliseconds);
            writeln!(f, "{plan:width$}  {views:5}  {accuracy:6.2} %  {gain:+6.2}  {ms:10.4}  {rate:>9}")?;
        }
        Ok(())
    }
}

/// Classifies all images of a data set under each plan, `batch_size` images at a time, and measures what that takes.
///
/// The accuracies are the same on every run; the times are those of this machine now.
///
/// ```
/// use kniff_data::{Augment, HorizontalFlip, ImageDataset, RandomCrop, TestTimePlan};
/// use kniff_init::GlorotNormal;
/// use kniff_nn::{Model, layers::{Flatten, Linear, Sequential}};
/// use kniff_tensor::{Indices, Rng};
/// use kniff_trainer::{Average, compare_plans};
///
/// let data = ImageDataset::new((0..4 * 3 * 64).map(|i| i as u8).collect(), [3, 8, 8], Indices::from_vec(vec![0, 1, 0, 1]))?;
/// let train = Augment::<f32>::new().then(RandomCrop::new(6, 6)).then(HorizontalFlip::new(0.5)?);
/// let network: Sequential = Sequential::new().with(Flatten).with(Linear::new(108, 2, GlorotNormal, &mut Rng::new(0)));
/// let model = Model::classifier(network)?;
/// let plans = TestTimePlan::growing(&train, [3, 8, 8], 0, &Rng::new(0))?;
/// let table = compare_plans(&model, &data, &plans, 2, Average::Probabilities)?;
/// assert_eq!(table.rows.iter().map(|row| row.views).collect::<Vec<_>>(), [1, 2, 10]);
/// println!("{table}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// If the data cannot be read, is empty, or the images do not fit a plan.
pub fn compare_plans<E: Element, L: Layer<E>, D: Dataset<E, Target = Indices>>(
    model: &Model<L, ClassHead, E>,
    data: &D,
    plans: &[TestTimePlan<E>],
    batch_size: usize,
    average: Average,
) -> Result<PlanTable, TrainError> {
    let examples = data.len();
    let labels = data.all_labels()?;
    let mut rows = Vec::with_capacity(plans.len());
    for plan in plans {
        let (mut right, begin) = (0, Instant::now());
        for first in (0..examples).step_by(batch_size.max(1)) {
            let indices: Vec<usize> = (first..examples.min(first + batch_size.max(1))).collect();
            let found = predict_views(model, data, &indices, plan, average)?.argmax(1);
            right += found.as_slice().iter().zip(&labels.as_slice()[first..]).filter(|(a, b)| a == b).count();
        }
        rows.push(PlanRow {
            plan: plan.name().to_owned(),
            views: plan.len(),
            accuracy: right as f64 / examples as f64,
            milliseconds: begin.elapsed().as_secs_f64() * 1e3 / examples as f64,
        });
    }
    Ok(PlanTable { rows, examples })
}

/// The label of every example.
trait AllLabels<E: Element> {
    fn all_labels(&self) -> Result<Indices, TrainError>;
}

impl<E: Element, D: Dataset<E, Target = Indices>> AllLabels<E> for D {
    fn all_labels(&self) -> Result<Indices, TrainError> {
        let wrong = |source| TrainError::Data { phase: Phase::Evaluation, source };
        match self.labels() {
            _ if self.is_empty() => Err(wrong(DataError::Empty { what: "the data set" })),
            Some(labels) => Ok(labels),
            None => Ok(self.all().map_err(wrong)?.targets),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kniff_data::{Augment, HorizontalFlip, ImageDataset, RandomCrop, Views};
    use kniff_init::HeNormal;
    use kniff_nn::layers::{Flatten, Linear, Sequential};

    fn model() -> Model<Sequential<f64>, ClassHead, f64> {
        let layer = Linear::new(3 * 16, 3, HeNormal, &mut Rng::new(2));
        Model::classifier(Sequential::new().with(Flatten).with(layer)).unwrap()
    }

    fn data() -> ImageDataset {
        let labels = Indices::from_vec((0..9).map(|i| i % 3).collect());
        ImageDataset::new((0..9 * 108).map(|i| (i * 83 % 256) as u8).collect(), [3, 6, 6], labels).unwrap()
    }

    #[test]
    fn the_answers_are_averaged_over_the_views() {
        let (model, data) = (model(), data());
        let train = Augment::new().then(RandomCrop::new(4, 4)).then(HorizontalFlip::new(0.5).unwrap());
        let which = Views { corners: false, mirrored: true, colors: 0 };
        let plan = TestTimePlan::of(&train, [3, 6, 6], which, &Rng::new(0)).unwrap();
        let images = data.all().unwrap().inputs.slice_axis(2, 1..5).slice_axis(3, 1..5).contiguous();
        let mirrored = kniff_data::flip_horizontal(&images).unwrap();
        let (a, b) = (model.predict(&images), model.predict(&mirrored));
        let all: Vec<usize> = (0..9).collect();
        let near = |found: Tensor<f64>, expected: Tensor<f64>| {
            assert!(found.to_vec().iter().zip(expected.to_vec()).all(|(a, b)| (a - b).abs() < 1e-12));
        };
        let mean = (a.probabilities().tensor() + b.probabilities().tensor()).mul_scalar(0.5);
        near(predict_views(&model, &data, &all, &plan, Average::Probabilities).unwrap(), mean);
        let mean = (a.var().value() + b.var().value()).mul_scalar(0.5).softmax(1);
        near(predict_views(&model, &data, &all, &plan, Average::Logits).unwrap(), mean);
        // However it is cut into batches, the accuracy is that of all at once.
        let plans = [plan];
        let accuracy = |size| compare_plans(&model, &data, &plans, size, Average::Logits).unwrap().rows[0].accuracy;
        assert_eq!(accuracy(9), accuracy(4));
    }

    #[test]
    fn the_pick_weighs_gain_against_time() {
        let row = |views, accuracy, milliseconds| PlanRow { plan: format!("{views}"), views, accuracy, milliseconds };
        let rows = vec![row(1, 0.90, 1.0), row(2, 0.91, 2.0), row(3, 0.905, 3.0), row(10, 0.915, 10.0)];
        let table = PlanTable { rows, examples: 100 };
        assert_eq!(table.pick(0.0).unwrap().views, 10);
        assert_eq!(table.pick(0.5).unwrap().views, 2);
        assert_eq!(table.pick(2.0).unwrap().views, 1);
        assert!(table.to_string().contains("91.00 %   +1.00"), "{table}");
        assert!(PlanTable { rows: vec![], examples: 0 }.pick(0.0).is_none());
    }
}
