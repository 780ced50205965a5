//! The curvature of the loss, measured while a training goes on.

use crate::callback::{Callback, Control, View};
use crate::curvature::{CurvatureReport, Lanczos, Surface};
use crate::{Memory, TrainError};
use kniff_nn::{Head, Layer, Loss, Model, Module, ModuleExt};
use kniff_tensor::{Element, Rng, Tensor};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

/// Measures the ends of the Hessian's spectrum after every k-th epoch, on a fixed batch, beside the rate in use.
///
/// It works on a twin: a model built like the one in training, which takes over its weights and running statistics before each
/// measurement, so that the training is not touched. A rate beyond `2 / lambda` is noted, never refused. A measurement
/// costs up to as many Hessian-vector products as [`Lanczos`] has steps.
///
/// Needs the feature `linalg`.
///
/// ```
/// use kniff_data::{Loader, digits};
/// use kniff_init::GlorotNormal;
/// use kniff_nn::{Model, layers::Linear, losses::CrossEntropy};
/// use kniff_optim::{Optimizer, Sgd};
/// use kniff_tensor::Rng;
/// use kniff_trainer::{CurvatureWatch, Progress, Trainer};
/// let build = || Model::classifier(Linear::new(64, 10, GlorotNormal, &mut Rng::new(0)));
/// let batch = digits().select(&(0..100).collect::<Vec<_>>())?;
/// let watch = CurvatureWatch::new(build()?, CrossEntropy::new(), batch.inputs().clone(), batch.targets().clone()).every(2);
/// let log = watch.log();
/// let mut trainer = Trainer::new(build()?, CrossEntropy::new(), Optimizer::new(Sgd, 1e-3))
///     .epochs(4)
///     .callback(watch)
///     .progress(Progress::Silent);
/// trainer.fit(&Loader::new(digits()).batch_size(256), None)?;
/// let records = log.records();
/// assert_eq!(records.iter().map(|r| r.0).collect::<Vec<_>>(), [2, 4]);
/// assert!(records[0].1.largest > 0.0 && records[0].1.rate == Some(1e-3));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct CurvatureWatch<L, H: Head<E>, T, E: Element = f32> {
    twin: Model<L, H, E>,
    loss: Box<dyn Loss<E, H::Output, T>>,
    inputs: Tensor<E>,
    targets: T,
    every: usize,
    lanczos: Lanczos,
    seed: u64,
    log: CurvatureLog,
}

/// What a [`CurvatureWatch`] has measured; a clone reads what the watch in the trainer writes. Needs the feature `linalg`.
#[derive(Clone, Debug, Default)]
pub struct CurvatureLog {
    records: Arc<Mutex<Vec<(usize, CurvatureReport)>>>,
}

impl CurvatureLog {
    /// The epochs at whose end was measured, and what was found.
    pub fn records(&self) -> Vec<(usize, CurvatureReport)> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// One line per measurement under a line of names.
    pub fn to_csv(&self) -> String {
        let mut text = String::from("epoch,loss,gradient_norm,largest,smallest,learning_rate,bound\n");
        let known = |x: Option<f64>| x.map(|x| x.to_string()).unwrap_or_default();
        for (epoch, r) in self.records() {
            let (rate, bound) = (known(r.rate), known(r.bound()));
            let _ =
                writeln!(text, "{epoch},{},{},{},{},{rate},{bound}", r.loss, r.gradient_norm, r.largest, r.smallest);
        }
        text
    }
}

impl<L: Layer<E>, H: Head<E>, T, E: Element> CurvatureWatch<L, H, T, E> {
    /// With a twin of the model, and the loss and the batch to measure on; after every epoch.
    pub fn new(
        twin: Model<L, H, E>,
        loss: impl Loss<E, H::Output, T> + 'static,
        inputs: Tensor<E>,
        targets: T,
    ) -> Self {
        let (loss, lanczos, log) = (Box::new(loss), Lanczos::default(), CurvatureLog::default());
        Self { twin, loss, inputs, targets, every: 1, lanczos, seed: 0, log }
    }

    /// Measures after every k-th epoch.
    #[must_use]
    pub fn every(mut self, epochs: usize) -> Self {
        self.every = epochs.max(1);
        self
    }

    /// With other settings of the search.
    #[must_use]
    pub fn lanczos(mut self, lanczos: Lanczos) -> Self {
        self.lanczos = lanczos;
        self
    }

    /// What the starts of the search are drawn from.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Where the measurements can be read.
    pub fn log(&self) -> CurvatureLog {
        self.log.clone()
    }
}

impl<L: Layer<E>, H: Head<E>, T: Send, E: Element> Callback<E> for CurvatureWatch<L, H, T, E> {
    fn name(&self) -> &str {
        "CurvatureWatch"
    }

    fn fit_start(&mut self, _: &View<'_>, model: &dyn Module<E>) -> Result<(), TrainError> {
        // A twin of another build is refused before the first step.
        self.follow(model)
    }

    fn memory(&self) -> Memory<E> {
        Memory::default().with("records", &self.log.records())
    }

    fn resume(&mut self, memory: &Memory<E>, view: &View<'_>, model: &dyn Module<E>) -> Result<(), TrainError> {
        self.fit_start(view, model)?;
        *self.log.records.lock().unwrap_or_else(PoisonError::into_inner) = memory.get("records")?;
        Ok(())
    }

    fn epoch_end(&mut self, view: &View<'_>, model: &dyn Module<E>) -> Result<Control, TrainError> {
        if view.epoch.is_multiple_of(self.every) {
            self.follow(model)?;
            let mut rng = Rng::new(self.seed).keyed(view.epoch as u64);
            let (inputs, twin) = (self.inputs.clone(), &mut self.twin);
            let surface = Surface::on_borrowed(twin, &*self.loss, inputs, &self.targets);
            let report = surface.report(&self.lanczos, Some(view.learning_rate), &mut rng)?;
            self.log.records.lock().unwrap_or_else(PoisonError::into_inner).push((view.epoch, report));
        }
        Ok(Control::Continue)
    }
}

impl<L: Layer<E>, H: Head<E>, T, E: Element> CurvatureWatch<L, H, T, E> {
    fn follow(&mut self, model: &dyn Module<E>) -> Result<(), TrainError> {
        self.twin
            .load_state(&model.state())
            .map_err(|e| TrainError::Callback { callback: "CurvatureWatch's twin".into(), reason: e.to_string() })
    }
}
