//! Trying learning rates out: one short training in which the rate grows until the loss diverges.

use crate::checks::{Checks, finite};
use crate::evaluate::loss_error;
use crate::{Batches, Phase, TrainError};
use kniff_autograd::Var;
use kniff_data::Targets;
use kniff_nn::{Head, Layer, Loss, Model, ModuleExt};
use kniff_optim::{OptimError, Optimizer, Rule};
use kniff_tensor::{Element, Rng};
use std::fmt::Write as _;

/// The learning-rate range test: the rate grows from step to step, the loss is noted, and where it falls fastest is a good rate.
///
/// The model comes back with the weights and running statistics that it had; the optimiser is a copy. The loss is smoothed by a
/// running average that is corrected for its start (as Adam's). The test ends when the smoothed loss exceeds `stop_at`
/// times its minimum, or is not finite.
///
/// Two readings: [`RangeReport::steepest`], the rate at which the smoothed loss falls fastest, and
/// [`RangeReport::tenth_of_minimum`]. Both are rules of thumb with no theory behind them; the curvature
/// ([`crate::curvature`]) is a measurement, of one point.
///
/// Sources: Smith, "Cyclical learning rates for training neural networks" (2017), section 3.3, for the test; Gugger,
/// "How do you find a good learning rate" (2018), for the exponential growth and the readings.
///
/// ```
/// use kniff_data::{Loader, digits};
/// use kniff_init::GlorotNormal;
/// use kniff_nn::{Model, layers::Linear, losses::CrossEntropy};
/// use kniff_optim::{Optimizer, Sgd};
/// use kniff_tensor::Rng;
/// use kniff_trainer::RangeTest;
/// let mut model = Model::classifier(Linear::new(64, 10, GlorotNormal, &mut Rng::new(0)))?;
/// let data = Loader::new(digits()).batch_size(64).shuffle(&Rng::new(1));
/// let report = RangeTest::new(1e-6, 10.0, 80).run(&mut model, &CrossEntropy::new(), &Optimizer::new(Sgd, 1.0), &data)?;
/// let rate = report.steepest().unwrap();
/// assert!((1e-5..1.0).contains(&rate) && report.to_csv().starts_with("learning_rate,loss,smoothed\n"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RangeTest {
    from: f64,
    to: f64,
    steps: usize,
    linear: bool,
    smoothing: f64,
    stop_at: f64,
    seed: u64,
}

impl RangeTest {
    /// From one rate to another in so many steps, each the same factor above the one before.
    pub fn new(from: f64, to: f64, steps: usize) -> Self {
        Self { from, to, steps, linear: false, smoothing: 0.9, stop_at: 4.0, seed: 0 }
    }

    /// Each rate the same amount above the one before, as in Smith's paper.
    #[must_use]
    pub fn linear(mut self) -> Self {
        self.linear = true;
        self
    }

    /// The weight of the past in the smoothed loss; 0.9 unless given.
    #[must_use]
    pub fn smoothing(mut self, past: f64) -> Self {
        self.smoothing = past;
        self
    }

    /// How many times its minimum the smoothed loss may be; 4 unless given.
    #[must_use]
    pub fn stop_at(mut self, times: f64) -> Self {
        self.stop_at = times;
        self
    }

    /// What dropout draws from.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The rate of a step, counted from 0.
    pub fn rate(&self, step: usize) -> f64 {
        let part = step as f64 / (self.steps.max(2) - 1) as f64;
        if self.linear {
            self.from + part * (self.to - self.from)
        } else {
            self.from * (self.to / self.from).powf(part)
        }
    }

    /// Runs the test. Epochs follow each other until the steps are done.
    ///
    /// # Errors
    /// If a setting cannot be, the data cannot be read or do not fit, or the optimiser refuses. The model is as before then, too.
    pub fn run<L: Layer<E>, H: Head<E>, T: Targets, R: Rule, E: Element>(
        &self,
        model: &mut Model<L, H, E>,
        loss: &dyn Loss<E, H::Output, T>,
        optimizer: &Optimizer<R, E>,
        data: &dyn Batches<E, T>,
    ) -> Result<RangeReport, TrainError> {
        self.check()?;
        let checks = Checks { model: &mut *model, loss };
        let first = checks.data(Phase::Training, data)?;
        checks.batch_sizes(&first, data)?;
        let before = model.state();
        let report = self.steps(model, loss, optimizer.clone(), data);
        // The same names and shapes as a moment ago.
        let restored = model.load_state(&before);
        debug_assert!(restored.is_ok());
        report
    }

    fn check(&self) -> Result<(), TrainError> {
        let refuse = |what, expected, found: f64| Err(TrainError::Setting { what, expected, found: found.to_string() });
        if !(self.from > 0.0 && self.from.is_finite()) {
            return refuse("RangeTest's first rate", "positive and finite", self.from);
        }
        if !(self.to > self.from && self.to.is_finite()) {
            return refuse("RangeTest's last rate", "finite and above the first", self.to);
        }
        if self.steps < 2 {
            return refuse("RangeTest's number of steps", "at least 2", self.steps as f64);
        }
        if !(0.0..1.0).contains(&self.smoothing) {
            return refuse("RangeTest's smoothing", "from 0 to below 1", self.smoothing);
        }
        if self.stop_at.is_nan() || self.stop_at <= 1.0 {
            return refuse("RangeTest's stop_at", "above 1", self.stop_at);
        }
        Ok(())
    }

    fn steps<L: Layer<E>, H: Head<E>, T, R: Rule, E: Element>(
        &self,
        model: &mut Model<L, H, E>,
        loss: &dyn Loss<E, H::Output, T>,
        mut optimizer: Optimizer<R, E>,
        data: &dyn Batches<E, T>,
    ) -> Result<RangeReport, TrainError> {
        let phase = Phase::Training;
        optimizer.reset();
        let rng = Rng::new(self.seed).stream("range_test");
        let mut report = RangeReport::default();
        let (mut average, mut weight, mut least) = (0.0, 1.0, f64::INFINITY);
        let (mut epoch, mut batches, mut idle) = (0, data.epoch(0), 0);
        let mut step = 0;
        while step < self.steps {
            let batch = match batches.next() {
                Some(batch) => batch,
                None => {
                    epoch += 1;
                    batches = data.epoch(epoch);
                    batches.next().unwrap_or(Err(kniff_data::DataError::Empty { what: "an epoch" }))
                }
            };
            let batch = batch.map_err(|source| TrainError::Data { phase, source })?;
            let rate = self.rate(step);
            let output = model.forward_train(&Var::constant(batch.inputs.clone()), &mut rng.keyed(step as u64));
            let value = loss.loss(&output, &batch.targets);
            let value = value.map_err(|source| loss_error(phase, source, &batch.indices))?;
            if loss.weight(&batch.targets) == 0.0 {
                // Of such a batch nothing can be learnt, as in a training; a whole epoch of them is no data.
                idle += 1;
                if idle > data.batches() {
                    return Err(TrainError::NothingCounts { phase });
                }
                continue;
            }
            idle = 0;
            if !value.item().is_finite() {
                finite(phase, &batch)?;
            }
            let now = value.item().to_f64();
            average = self.smoothing * average + (1.0 - self.smoothing) * now;
            weight *= self.smoothing;
            let smoothed = average / (1.0 - weight);
            report.points.push(RangePoint { learning_rate: rate, loss: now, smoothed });
            if !smoothed.is_finite() || smoothed > self.stop_at * least {
                report.diverged = true;
                break;
            }
            least = least.min(smoothed);
            drop(output);
            optimizer.set_learning_rate(rate);
            match optimizer.step(model.parameters_mut(), &value.backward()) {
                Ok(_) => {}
                Err(OptimError::NonFiniteGradient { .. }) => {
                    report.diverged = true;
                    break;
                }
                Err(source) => return Err(TrainError::Optimizer { epoch: epoch as usize + 1, step: step + 1, source }),
            }
            step += 1;
        }
        Ok(report)
    }
}

/// What a [`RangeTest`] saw.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RangeReport {
    /// One point per step.
    pub points: Vec<RangePoint>,
    /// Whether it ended because the loss diverged; if not, larger rates are worth a try.
    pub diverged: bool,
}

/// One step of a [`RangeTest`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RangePoint {
    /// The rate of the step that follows the loss.
    pub learning_rate: f64,
    /// The loss of the batch.
    pub loss: f64,
    /// The running average of the losses.
    pub smoothed: f64,
}

impl RangeReport {
    /// The rate at which the smoothed loss falls fastest, by the logarithm of the rate, before its minimum; `None` if it
    /// never falls.
    pub fn steepest(&self) -> Option<f64> {
        let end = self.minimum()?;
        // The slope over three points, which the smoothing has left on one curve.
        let slope = |i: usize| {
            let (a, b) = (&self.points[i - 1], &self.points[i + 1]);
            (b.smoothed - a.smoothed) / (b.learning_rate / a.learning_rate).ln()
        };
        let best = (1..end).map(|i| (slope(i), i)).min_by(|a, b| a.0.total_cmp(&b.0))?;
        (best.0 < 0.0).then(|| self.points[best.1].learning_rate)
    }

    /// A tenth of the rate at which the smoothed loss was least; `None` if it was least at the start.
    pub fn tenth_of_minimum(&self) -> Option<f64> {
        self.minimum().filter(|&i| i > 0).map(|i| self.points[i].learning_rate / 10.0)
    }

    fn minimum(&self) -> Option<usize> {
        let finite = self.points.iter().enumerate().filter(|(_, p)| p.smoothed.is_finite());
        finite.min_by(|a, b| a.1.smoothed.total_cmp(&b.1.smoothed)).map(|(i, _)| i)
    }

    /// The picture's data: lines `learning_rate,loss,smoothed`.
    pub fn to_csv(&self) -> String {
        let mut text = String::from("learning_rate,loss,smoothed\n");
        for p in &self.points {
            let _ = writeln!(text, "{},{},{}", p.learning_rate, p.loss, p.smoothed);
        }
        text
    }
}
