//! A model with its normaliser: raw inputs in, outputs out.

use crate::test_time::over_views;
use crate::{Average, FileError, ModelFile, TrainError, Trainer};
use kniff_data::{DataError, FarOff, Fitted, TestTimePlan};
use kniff_nn::{ClassHead, CompiledModel, Head, Layer, Model};
use kniff_tensor::{Element, Tensor};
use std::path::Path;

/// The name under which a model file holds the normaliser.
const NAME: &str = "normalizer";

/// A model and the normaliser that it was trained with, for raw inputs, as they come in.
///
/// The two stand in one file, and cannot be taken apart by mistake: [`Predictor::of`] refuses a normaliser that is not the one of
/// the training data, [`Predictor::load`] a file without one, or one whose numbers were changed.
///
/// ```
/// use kniff_data::{Fit, Fitted, Loader, Split, wine};
/// use kniff_init::GlorotNormal;
/// use kniff_nn::{Model, layers::{Linear, Sequential}, losses::CrossEntropy};
/// use kniff_optim::{Adam, Optimizer};
/// use kniff_tensor::Rng;
/// use kniff_trainer::{Predictor, Progress, Trainer};
///
/// let table = wine();
/// let split = Split::stratified(table.data, 0.0, 0.2, &mut Rng::new(1))?;
/// let fitted = Fitted::fit(&split.train, &[Fit::Standard])?.names(table.features)?;
/// let network = |seed| -> Sequential { Sequential::new().with(Linear::new(13, 3, GlorotNormal, &mut Rng::new(seed))) };
/// let train = Loader::new(fitted.apply(split.train)?).batch_size(16).shuffle(&Rng::new(2));
/// let mut trainer = Trainer::new(Model::classifier(network(3))?, CrossEntropy::new(), Optimizer::new(Adam::default(), 0.02))
///     .progress(Progress::Silent);
/// trainer.fit(&train, None)?;
///
/// let path = std::env::temp_dir().join("kniff-predictor-example.kniff");
/// Predictor::of(trainer, fitted)?.save(&path)?;
/// let predictor = Predictor::load(&path, Model::classifier(network(4))?)?;
/// // Raw numbers: alcohol 14.23, malic acid 1.71, ...; a wine of the first class.
/// let raw = Tensor::from_slice(&[14.23, 1.71, 2.43, 15.6, 127.0, 2.8, 3.06, 0.28, 2.29, 5.64, 1.04, 3.92, 1065.0], [1, 13]);
/// assert_eq!(predictor.predict(&raw)?.classes().as_slice(), [0]);
/// assert!(!predictor.inspect(&raw)?.is_far());
/// assert_eq!(predictor.compile().predict(&raw)?.classes().as_slice(), [0]);
/// # use kniff_tensor::Tensor;
/// # std::fs::remove_file(&path).unwrap();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Predictor<L, H: Head<E>, E: Element = f32> {
    model: Model<L, H, E>,
    normalizer: Fitted<E>,
}

impl<E: Element, L: Layer<E>, H: Head<E>> Predictor<L, H, E> {
    /// The model that a trainer has trained, with the normaliser of its training data.
    ///
    /// # Errors
    /// [`TrainError::Normalizer`] if the training data were raw or normalised by another one, or are not known to be a part of
    /// a split.
    pub fn of<T: 'static>(trainer: Trainer<L, H, T, E>, normalizer: Fitted<E>) -> Result<Self, TrainError> {
        let used = trainer.provenance.and_then(|p| p.normalizer);
        if used != Some(normalizer.fingerprint()) {
            let found = used.map_or_else(|| "no normaliser that is known".to_owned(), |used| used.to_string());
            return Err(TrainError::Normalizer { expected: normalizer.fingerprint().to_string(), found });
        }
        Ok(Self { model: trainer.into_model(), normalizer })
    }

    /// A model with a normaliser, taken on trust.
    pub fn new(model: Model<L, H, E>, normalizer: Fitted<E>) -> Self {
        Self { model, normalizer }
    }

    /// The output for raw inputs `[n, ...]`.
    ///
    /// # Errors
    /// If they are not shaped like those of the training.
    pub fn predict(&self, raw: &Tensor<E>) -> Result<H::Output, DataError> {
        Ok(self.model.predict(&self.normalizer.transform(raw)?))
    }

    /// The predictor made ready for many predictions: its network is joined and laid out once, see [`kniff_nn::Compiled`].
    pub fn compile(&self) -> CompiledPredictor<'_, H, E> {
        CompiledPredictor { model: self.model.compile(), normalizer: &self.normalizer }
    }

    /// How far raw inputs lie from those of the training.
    ///
    /// # Errors
    /// If they are not shaped like them.
    pub fn inspect(&self, raw: &Tensor<E>) -> Result<FarOff, DataError> {
        self.normalizer.inspect(raw)
    }

    /// The model.
    pub fn model(&self) -> &Model<L, H, E> {
        &self.model
    }

    /// The normaliser.
    pub fn normalizer(&self) -> &Fitted<E> {
        &self.normalizer
    }

    /// As a model file, to add more to it.
    ///
    /// # Errors
    /// If the normaliser cannot be written as JSON.
    pub fn to_file(&self) -> Result<ModelFile<E>, FileError> {
        ModelFile::of(&self.model).with(NAME, &self.normalizer)
    }

    /// Writes both into one file.
    ///
    /// # Errors
    /// What the system says.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), FileError> {
        self.to_file()?.save(path)
    }

    /// Reads both from a file; the weights go into a model of the same layers.
    ///
    /// # Errors
    /// If the file cannot be read, fits another model, has no normaliser, or one whose numbers were changed.
    pub fn load(path: impl AsRef<Path>, mut model: Model<L, H, E>) -> Result<Self, FileError> {
        let file = ModelFile::load(path)?;
        let normalizer = file.get(NAME)?;
        file.load_into(&mut model)?;
        Ok(Self { model, normalizer })
    }
}

/// A [`Predictor`] ready for many predictions.
pub struct CompiledPredictor<'a, H: Head<E>, E: Element = f32> {
    model: CompiledModel<'a, H, E>,
    normalizer: &'a Fitted<E>,
}

impl<E: Element, H: Head<E>> CompiledPredictor<'_, H, E> {
    /// The output for raw inputs `[n, ...]`: that of [`Predictor::predict`] up to rounding.
    ///
    /// # Errors
    /// If they are not shaped like those of the training.
    pub fn predict(&self, raw: &Tensor<E>) -> Result<H::Output, DataError> {
        Ok(self.model.predict(&self.normalizer.transform(raw)?))
    }

    /// The model.
    pub fn model(&self) -> &CompiledModel<'_, H, E> {
        &self.model
    }
}

impl<E: Element, L: Layer<E>> Predictor<L, ClassHead, E> {
    /// The class probabilities `[n, classes]` for raw images, averaged over the views of a plan.
    ///
    /// This is how a network is asked that was trained on crops: the plan of its training's augmentation cuts its size out of the raw
    /// images, which have that of the training's before the crop. The plan is not in the file; it follows from the same
    /// augmentation and seed.
    ///
    /// # Errors
    /// If the images are not shaped like those of the training, or do not fit the plan.
    pub fn predict_views(
        &self,
        raw: &Tensor<E>,
        plan: &TestTimePlan<E>,
        average: Average,
    ) -> Result<Tensor<E>, TrainError> {
        over_views(&self.model, plan, average, |view| self.normalizer.transform_view(raw, view))
    }
}
