//! A normaliser with proof of what it was fitted on.

use crate::far_off::{self, FarOff};
use crate::part::{Part, Purpose, Train};
use crate::{
    Augment, Batch, DataError, Dataset, Fingerprint, MinMax, Moments, Normalizer, PerChannel, Pipeline, Standardizer,
    Step,
};
#[cfg(feature = "linalg")]
use crate::{PcaOptions, PcaWhitening, ZcaWhitening};
use kniff_tensor::{Element, Indices, Rng, Shape, Tensor};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What to fit.
///
/// | first layer | fit |
/// |---|---|
/// | dense | [`Fit::Standard`]; with correlated inputs and enough examples, then [`Fit::Pca`] or [`Fit::Zca`] |
/// | convolution | [`Fit::PerChannel`]: its weights are shared over places, and so must the scale be |
/// | a bounded range is wanted | [`Fit::MinMax`] |
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fit {
    /// Mean 0 and variance 1 for every column.
    Standard,
    /// Every column between two bounds.
    MinMax(f64, f64),
    /// Mean 0 and variance 1 for every channel.
    PerChannel,
    /// The principal axes, scaled. Needs the feature `linalg`.
    #[cfg(feature = "linalg")]
    Pca(PcaOptions),
    /// The symmetric whitening, with what is added to every eigenvalue. Needs the feature `linalg`.
    #[cfg(feature = "linalg")]
    Zca(f64),
}

/// Normalisers that were fitted, one after the other, on the training part of a split and on nothing else.
///
/// That is the contract: [`Fitted::fit`] takes a [`TrainPart`](crate::TrainPart) only, a validation or test part does
/// not compile; [`Fitted::apply`] refuses a part of another split, whose test examples may be this one's training
/// examples, and a part that was normalised before. It is stored with the model and applied to what comes in; a stored one is
/// known again by its fingerprint. The normalisers can be used without any of this, [`Standardizer::fit`] takes any tensor.
///
/// ```compile_fail,E0308
/// use kniff_data::{Fit, Fitted, Split, digits};
/// let split = Split::stratified(digits(), 0.2, 0.2, &mut kniff_tensor::Rng::new(1)).unwrap();
/// let fitted = Fitted::fit(&split.test, &[Fit::Standard]); // Expected `Train`, found `Test`.
/// ```
///
/// ```
/// use kniff_data::{Fit, Fitted, Split, breast_cancer};
/// use kniff_tensor::{Rng, Tensor};
/// let table = breast_cancer();
/// let split = Split::stratified(table.data, 0.0, 0.2, &mut Rng::new(1))?;
/// let fitted = Fitted::fit(&split.train, &[Fit::Standard])?.names(table.features)?;
/// // Nanometres where micrometres were fitted on: seen before anything is predicted.
/// let raw = Tensor::from_fn([1, 30], |i| if i == 0 { 17_990.0 } else { fitted.mean()[i] as f32 });
/// let report = fitted.inspect(&raw)?;
/// assert!(report.is_far() && report.to_string().contains("mean radius"));
/// # Ok::<(), kniff_data::DataError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound = "", try_from = "Stored<E>", into = "Stored<E>")]
pub struct Fitted<E: Element = f32> {
    stored: Stored<E>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound = "", rename = "Fitted")]
struct Stored<E: Element> {
    pipeline: Pipeline<E>,
    fingerprint: Fingerprint,
    split: Fingerprint,
    /// How many examples it was fitted on, and their shape.
    examples: usize,
    shape: Vec<usize>,
    /// Of each column, or of each channel if the first step goes by channels.
    mean: Vec<f64>,
    std: Vec<f64>,
    names: Vec<String>,
}

impl<E: Element> Fitted<E> {
    /// Fits the steps, each on what those before it give.
    ///
    /// # Errors
    /// Without steps, for a part that was normalised already, and what the data set and the steps say.
    pub fn fit<D: Dataset<E>>(train: &Part<Train, D>, steps: &[Fit]) -> Result<Self, DataError> {
        refuse_twice(train.normalizer)?;
        if steps.is_empty() {
            return Err(DataError::setting("the steps to fit", "at least one", 0));
        }
        let mut pipeline = Pipeline::new();
        for step in steps {
            let so_far =
                Normalized { data: train, pipeline: Arc::new(pipeline.clone()), shape: Shape::new(&[]) }.shaped()?;
            pipeline = pipeline.then(fit_one(&so_far, step)?);
        }
        let shape = train.input_shape().to_vec();
        let by_channel = matches!(steps[0], Fit::PerChannel);
        let columns = if by_channel { shape.first().copied().unwrap_or(0) } else { shape.iter().product() };
        let mut moments = Moments::new(columns);
        crate::normalizer::for_all(train, |x| if by_channel { moments.update_channels(x) } else { moments.update(x) })?;
        let std = moments.variance(0).iter().map(|v| v.sqrt()).collect();
        let fingerprint = fingerprint(&pipeline);
        let (mean, split, examples) = (moments.mean().to_vec(), train.split, train.len());
        Ok(Self { stored: Stored { pipeline, fingerprint, split, examples, shape, mean, std, names: Vec::new() } })
    }

    /// With the names of the columns (or channels), for reports.
    ///
    /// # Errors
    /// If there are not as many as columns.
    pub fn names(mut self, names: &[&str]) -> Result<Self, DataError> {
        if names.len() != self.stored.mean.len() {
            return Err(DataError::setting(
                "the names of the columns",
                self.stored.mean.len().to_string(),
                names.len(),
            ));
        }
        self.stored.names = names.iter().map(|&name| name.to_owned()).collect();
        Ok(self)
    }

    /// A part with its inputs normalised, batch by batch as they are asked for; see [`Part::in_memory`].
    ///
    /// # Errors
    /// [`DataError::Contract`] for a part that was normalised already or is one of another split; [`DataError::Shape`] if the
    /// examples do not fit.
    pub fn apply<P: Purpose, D: Dataset<E>>(&self, part: Part<P, D>) -> Result<Part<P, Normalized<D, E>>, DataError> {
        refuse_twice(part.normalizer)?;
        if part.split != self.stored.split {
            return Err(DataError::Contract {
                expected: format!("a part of the split that the normaliser was fitted on ({})", self.stored.split),
                found: format!("{} of another split ({})", P::ROLE, part.split),
                mend: "fit on the training part of the split that is used; an example may be in one's test and the \
                       other's training part",
            });
        }
        let marked = part.with(()).marked(Some(self.stored.fingerprint));
        let pipeline = Arc::new(self.stored.pipeline.clone());
        let normalized = Normalized { data: part.data, pipeline, shape: Shape::new(&[]) }.shaped()?;
        Ok(marked.with(normalized))
    }

    /// Raw inputs `[n, ...]`, as they come in when the model is used, normalised.
    ///
    /// # Errors
    /// [`DataError::Shape`] if they are not shaped like those that were fitted on.
    pub fn transform(&self, raw: &Tensor<E>) -> Result<Tensor<E>, DataError> {
        self.check_shape(raw)?;
        self.stored.pipeline.transform(raw)
    }

    /// [`Fitted::transform`] of one view of raw images: cut out or mirrored first, as in the training, and normalised then.
    ///
    /// # Errors
    /// As there; and if the view normalises itself, or gives images of a size that the normaliser does not take.
    pub fn transform_view(&self, raw: &Tensor<E>, view: &Augment<E>) -> Result<Tensor<E>, DataError> {
        self.check_shape(raw)?;
        refuse_normalizing(view)?;
        self.stored.pipeline.transform(&view.apply(raw, &Rng::new(0))?)
    }

    /// How far raw inputs lie from those that were fitted on: what lies beyond four standard deviations, column by
    /// column, what is not a number, and for a whitening the distance over all columns together.
    ///
    /// # Errors
    /// [`DataError::Shape`] if they are not shaped like those that were fitted on.
    pub fn inspect(&self, raw: &Tensor<E>) -> Result<FarOff, DataError> {
        self.check_shape(raw)?;
        let s = &self.stored;
        let white = match s.pipeline.steps().last() {
            Some(Step::PcaWhitening(_) | Step::ZcaWhitening(_)) => Some(s.pipeline.transform(raw)?),
            _ => None,
        };
        Ok(far_off::inspect(raw, white.as_ref(), &s.mean, &s.std, &s.names))
    }

    /// What is unwise about the steps for inputs of this shape, in words; empty if nothing is.
    pub fn advice(&self) -> Vec<&'static str> {
        let mut advice = Vec::new();
        let images = self.stored.shape.len() > 1;
        for step in self.stored.pipeline.steps() {
            match step {
                Step::PcaWhitening(_) if images => advice.push(
                    "PCA flattens images: no convolution can follow. It is for dense first layers; before a \
                     convolution, normalise per channel",
                ),
                Step::ZcaWhitening(_) if images => advice.push(
                    "ZCA gives every place a filter of its own, but a convolution shares its filter over places. It is \
                     for dense first layers; before a convolution, normalise per channel",
                ),
                Step::Standardizer(_) if images => advice.push(
                    "every place is scaled by itself, but a convolution shares its weights over places. Before a \
                     convolution, normalise per channel",
                ),
                _ => {}
            }
        }
        advice
    }

    /// The steps.
    pub fn pipeline(&self) -> &Pipeline<E> {
        &self.stored.pipeline
    }

    /// What it is known by; two normalisers of the same numbers have the same.
    pub fn fingerprint(&self) -> Fingerprint {
        self.stored.fingerprint
    }

    /// The mean of each column (or channel) of the training part.
    pub fn mean(&self) -> &[f64] {
        &self.stored.mean
    }

    /// How many examples it was fitted on.
    pub fn examples(&self) -> usize {
        self.stored.examples
    }

    fn check_shape(&self, x: &Tensor<E>) -> Result<(), DataError> {
        if x.rank() > 0 && x.shape()[1..] == self.stored.shape[..] {
            return Ok(());
        }
        let axes: String = self.stored.shape.iter().map(|axis| format!(", {axis}")).collect();
        Err(DataError::Shape { what: "raw inputs", expected: format!("[n{axes}]"), found: *x.shape() })
    }
}

/// Refuses an augmentation that normalises what a fitted normaliser is applied to after it.
fn refuse_normalizing<E: Element>(augment: &Augment<E>) -> Result<(), DataError> {
    if let Some(step) = augment.steps().iter().find(|step| step.normalizes()) {
        return Err(DataError::Contract {
            expected: "an augmentation of raw images, which are normalised after it".into(),
            found: format!("one with the step `{}`, for inputs that a fitted normaliser is applied to", step.name()),
            mend: "leave that step out",
        });
    }
    Ok(())
}

fn refuse_twice(normalizer: Option<Fingerprint>) -> Result<(), DataError> {
    match normalizer {
        None => Ok(()),
        Some(before) => Err(DataError::Contract {
            expected: "raw inputs".into(),
            found: format!("inputs to which the normaliser {before} was applied already"),
            mend: "fit and apply once; several steps go into one fit",
        }),
    }
}

fn fit_one<E: Element, D: Dataset<E>>(data: &D, step: &Fit) -> Result<Step<E>, DataError> {
    Ok(match *step {
        Fit::Standard => Standardizer::<E>::fit_dataset(data)?.into(),
        Fit::MinMax(low, high) => MinMax::<E>::fit_dataset(data, E::from_f64(low), E::from_f64(high))?.into(),
        Fit::PerChannel => PerChannel::<E>::fit_dataset(data)?.into(),
        #[cfg(feature = "linalg")]
        Fit::Pca(options) => PcaWhitening::<E>::fit_dataset(data, &options)?.into(),
        #[cfg(feature = "linalg")]
        Fit::Zca(eps) => ZcaWhitening::<E>::fit_dataset(data, eps)?.into(),
    })
}

/// Of the numbers that decide what the steps do.
fn fingerprint<E: Element>(pipeline: &Pipeline<E>) -> Fingerprint {
    pipeline.steps().iter().fold(Fingerprint::new("normalizer"), |mark, step| match step {
        Step::Standardizer(s) => mark.count(1).numbers(s.mean()).numbers(s.std()),
        Step::MinMax(s) => {
            let mark = mark.count(2).counts(s.constant_columns());
            s.parts().iter().fold(mark, |mark, numbers| mark.numbers(numbers))
        }
        Step::PerChannel(s) => mark.count(3).numbers(s.mean()).numbers(s.std()),
        Step::PcaWhitening(s) => mark.count(4).numbers(s.mean()).numbers(&s.matrix().to_vec()),
        Step::ZcaWhitening(s) => mark.count(5).numbers(s.mean()).numbers(&s.matrix().to_vec()),
    })
}

impl<E: Element> From<Fitted<E>> for Stored<E> {
    fn from(fitted: Fitted<E>) -> Self {
        fitted.stored
    }
}

impl<E: Element> TryFrom<Stored<E>> for Fitted<E> {
    type Error = DataError;

    fn try_from(stored: Stored<E>) -> Result<Self, DataError> {
        let found = fingerprint(&stored.pipeline);
        if found != stored.fingerprint {
            let expected = format!("numbers with the fingerprint {}", stored.fingerprint);
            return Err(DataError::setting("a stored normaliser", expected, format!("{found}: they were changed")));
        }
        let columns = stored.mean.len();
        crate::normalizer::check_stored("stored means", &stored.mean, columns)?;
        crate::normalizer::check_stored("stored deviations", &stored.std, columns)?;
        if !stored.names.is_empty() && stored.names.len() != columns {
            return Err(DataError::setting("stored names", columns.to_string(), stored.names.len()));
        }
        stored.pipeline.output_shape(&stored.shape)?;
        Ok(Self { stored })
    }
}

/// A data set whose inputs are normalised as they are asked for; images are augmented before, while colours are still colours.
#[derive(Clone, Debug)]
pub struct Normalized<D, E: Element = f32> {
    data: D,
    pipeline: Arc<Pipeline<E>>,
    shape: Shape,
}

impl<E: Element, D: Dataset<E>> Normalized<D, E> {
    /// With the shape that its inputs have.
    fn shaped(self) -> Result<Self, DataError> {
        Ok(Self { shape: self.pipeline.output_shape(&self.data.input_shape())?, ..self })
    }
}

impl<E: Element, D: Dataset<E>> Dataset<E> for Normalized<D, E> {
    type Target = D::Target;

    fn len(&self) -> usize {
        self.data.len()
    }
    fn batch(&self, indices: &[usize]) -> Result<Batch<E, Self::Target>, DataError> {
        let batch = self.data.batch(indices)?;
        Ok(Batch { inputs: self.pipeline.transform(&batch.inputs)?, ..batch })
    }
    fn augmented_batch(
        &self,
        indices: &[usize],
        augment: &Augment<E>,
        rng: &Rng,
        first: usize,
    ) -> Result<Batch<E, Self::Target>, DataError> {
        refuse_normalizing(augment)?;
        let batch = self.data.augmented_batch(indices, augment, rng, first)?;
        Ok(Batch { inputs: self.pipeline.transform(&batch.inputs)?, ..batch })
    }
    fn augmented_shape(&self, augment: &Augment<E>) -> Shape {
        self.pipeline.output_shape(&self.data.augmented_shape(augment)).unwrap_or(self.shape)
    }
    fn input_shape(&self) -> Shape {
        self.shape
    }
    fn check(&self, indices: &[usize]) -> Result<(), DataError> {
        self.data.check(indices)
    }
    fn labels(&self) -> Option<Indices> {
        self.data.labels()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ImageDataset, Loader, PadCrop, RandomCrop, Split, TensorDataset, breast_cancer, digits};
    use kniff_tensor::Rng;

    #[test]
    fn fitted_on_the_training_part_alone() {
        let split = Split::stratified(digits(), 0.1, 0.2, &mut Rng::new(1)).unwrap();
        let fitted = Fitted::fit(&split.train, &[Fit::Standard]).unwrap();
        let alone = Standardizer::fit(&split.train.all().unwrap().inputs).unwrap();
        assert_eq!(fitted.pipeline().steps(), [alone.into()]);
        assert_eq!(fitted.examples(), split.train.len());
        let raw = split.test.all().unwrap();
        let test = fitted.apply(split.test).unwrap();
        let batch = test.all().unwrap();
        assert_eq!(batch.inputs, fitted.transform(&raw.inputs).unwrap());
        assert_eq!(test.in_memory().unwrap().all().unwrap().inputs, batch.inputs);
        assert_eq!(test.in_memory().unwrap().provenance().unwrap().normalizer, Some(fitted.fingerprint()));
    }

    #[test]
    fn twice_and_across_splits_is_refused() {
        let split = |seed| Split::random(digits(), 0.1, 0.2, &mut Rng::new(seed)).unwrap();
        let fitted = Fitted::fit(&split(1).train, &[Fit::Standard]).unwrap();
        let once = fitted.apply(split(1).train).unwrap();
        assert!(matches!(Fitted::fit(&once, &[Fit::Standard]), Err(DataError::Contract { .. })));
        assert!(matches!(fitted.apply(once.in_memory().unwrap()), Err(DataError::Contract { .. })));
        let error = fitted.apply(split(2).test).unwrap_err().to_string();
        assert!(error.contains("the test part of another split"), "{error}");
        assert!(Fitted::fit(&split(1).train, &[]).is_err());
    }

    #[test]
    fn a_chain_whitens_and_a_far_example_is_seen() {
        let table = breast_cancer();
        let split = Split::stratified(table.data, 0.0, 0.2, &mut Rng::new(3)).unwrap();
        let pca = Fit::Pca(PcaOptions::default());
        let fitted = Fitted::fit(&split.train, &[Fit::Standard, pca]).unwrap().names(table.features).unwrap();
        let raw = split.train.all().unwrap().inputs;
        let report = fitted.inspect(&raw).unwrap();
        assert!(!report.is_far(), "{report}");
        assert!(report.far_examples.unwrap() < 0.1);
        // Two columns that always go together, pulled apart by two deviations each: only the whitened distance sees it.
        let odd = Tensor::from_fn([1, 30], |i| {
            let by = if i == 0 {
                2.0
            } else if i == 2 {
                -2.0
            } else {
                0.0
            };
            (fitted.mean()[i] + by * fitted.stored.std[i]) as f32
        });
        let report = fitted.inspect(&odd).unwrap();
        assert_eq!(report.far_examples, Some(1.0));
        assert!(report.features.iter().all(|f| f.beyond == 0.0) && report.is_far());
        let nan = fitted.inspect(&Tensor::full([2, 30], f32::NAN)).unwrap();
        assert_eq!(nan.features[5].not_finite, 2);
        assert!(nan.is_far() && fitted.inspect(&Tensor::zeros([2, 29])).is_err());
    }

    #[test]
    fn images_are_augmented_before_they_are_normalised_and_normalised_once() {
        let labels = Indices::from_vec((0..12).map(|i| i % 2).collect());
        let bytes = (0..12 * 3 * 36).map(|i| (i * 89 % 251) as u8).collect();
        let images = ImageDataset::new(bytes, [3, 6, 6], labels).unwrap();
        let split = Split::random::<f64>(images, 0.0, 0.5, &mut Rng::new(0)).unwrap();
        let fitted = Fitted::<f64>::fit(&split.train, &[Fit::PerChannel]).unwrap();
        let rng = Rng::new(5);
        // The frame that is padded is black, not the mean.
        let augment = Augment::new().then(PadCrop::new(2).unwrap()).then(RandomCrop::new(4, 5));
        let raw = split.train.augmented_batch(&[1, 0], &augment, &rng, 7).unwrap().inputs;
        assert!(raw.to_vec().contains(&0.0));
        let train = fitted.apply(split.train).unwrap();
        let batch = train.augmented_batch(&[1, 0], &augment, &rng, 7).unwrap().inputs;
        assert_eq!(batch, fitted.pipeline().transform(&raw).unwrap());
        let loader = Loader::new(train.clone()).augment_images(augment.clone());
        assert_eq!(loader.input_shape(), [3, 4, 5]);
        let Step::PerChannel(step) = fitted.pipeline().steps()[0].clone() else { panic!("one step by channel") };
        let error = train.augmented_batch(&[0], &augment.then(step), &rng, 0).unwrap_err().to_string();
        assert!(error.contains("`normalize`"), "{error}");
    }

    #[test]
    fn images_are_advised_on() {
        let x = Tensor::<f32>::randn([20, 2, 3, 3], &mut Rng::new(0));
        let data = TensorDataset::new(x, Indices::from_vec(vec![0; 20])).unwrap();
        let split = Split::random(data, 0.0, 0.5, &mut Rng::new(0)).unwrap();
        let advice = |fit| Fitted::fit(&split.train, &[fit]).unwrap().advice();
        assert!(advice(Fit::PerChannel).is_empty());
        for fit in [Fit::Zca(0.1), Fit::Standard, Fit::Pca(PcaOptions { eps: 0.1, ..PcaOptions::default() })] {
            assert_eq!(advice(fit).len(), 1);
            assert!(advice(fit)[0].contains("per channel"));
        }
        let channels = Fitted::fit(&split.train, &[Fit::PerChannel]).unwrap();
        assert_eq!(channels.mean().len(), 2);
        assert!(!channels.inspect(&split.test.all().unwrap().inputs).unwrap().is_far());
    }

    #[test]
    fn what_is_stored_comes_back_and_a_change_is_noticed() {
        let split = Split::random(digits(), 0.0, 0.2, &mut Rng::new(1)).unwrap();
        let fitted = Fitted::fit(&split.train, &[Fit::Standard]).unwrap();
        let text = serde_json::to_string(&fitted).unwrap();
        assert_eq!(serde_json::from_str::<Fitted>(&text).unwrap(), fitted);
        let first = format!("{}", fitted.stored.mean[2]);
        assert!(text.contains(&first));
        let mean = serde_json::to_string(&fitted.pipeline()).unwrap();
        let changed = mean.replacen("\"std\":[1.0,", "\"std\":[2.0,", 1);
        assert_ne!(mean, changed);
        let error = serde_json::from_str::<Fitted>(&text.replace(&mean, &changed)).unwrap_err().to_string();
        assert!(error.contains("they were changed"), "{error}");
    }
}
