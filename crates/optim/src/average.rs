//! Averages of the weights along a training: better than the last weights, and free at test time.

use kniff_autograd::Parameter;
use kniff_tensor::{Element, Tensor};

/// A running average of weights, to be put into the model in their place and taken out again.
///
/// Along a training with noisy steps the weights circle around a minimum; their mean lies closer to it than they do.
///
/// - [`WeightAverage::exponential`]: `a = decay a + (1 - decay) w`, from the first weights on. It remembers about
///   `1 / (1 - decay)` updates: 1000 at 0.999. Polyak, Juditsky, 1992.
/// - [`WeightAverage::mean`]: the plain mean of all updates, one an epoch near the end of a training: stochastic weight
///   averaging. Izmailov et al., Averaging weights leads to wider optima and better generalization, 2018.
///
/// Only parameters are averaged. The running statistics of a batch norm belong to the weights that they were gathered
/// with: gather them anew for the averaged ones.
///
/// ```
/// use kniff_optim::WeightAverage;
/// use kniff_tensor::Tensor;
/// let mut average = WeightAverage::<f64>::exponential(0.75);
/// for w in [0.0, 1.0, 1.0] {
///     average.update([("w", &Tensor::scalar(w))]);
/// }
/// // 0, then 0.25, then 0.75 * 0.25 + 0.25.
/// assert_eq!(average.weights()[0].1.item(), 0.4375);
/// ```
#[derive(Clone, Debug)]
pub struct WeightAverage<E: Element = f32> {
    kind: Kind,
    updates: u64,
    names: Vec<String>,
    sums: Vec<Tensor<E>>,
    /// The model's own weights, while it holds the averaged ones.
    own: Option<Vec<Tensor<E>>>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Mean,
    Exponential { decay: f64, start: Start },
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Start {
    First,
    Zero { debias: bool },
}

impl<E: Element> WeightAverage<E> {
    /// `a = decay a + (1 - decay) w`, where the first weights are the first average.
    ///
    /// # Panics
    /// Unless `decay` is within 0..1.
    #[track_caller]
    pub fn exponential(decay: f64) -> Self {
        assert!((0.0..1.0).contains(&decay), "WeightAverage: a decay of {decay} is not within 0..1");
        Self::of(Kind::Exponential { decay, start: Start::First })
    }

    /// The mean of all updates.
    pub fn mean() -> Self {
        Self::of(Kind::Mean)
    }

    fn of(kind: Kind) -> Self {
        Self { kind, updates: 0, names: Vec::new(), sums: Vec::new(), own: None }
    }

    /// An exponential average that starts at 0 instead of at the first weights (optax); with `debias` it is divided by
    /// `1 - decay^t`, which makes it a weighted mean of what it saw. A plain mean stays what it is.
    #[must_use]
    pub fn from_zero(mut self, debias: bool) -> Self {
        if let Kind::Exponential { start, .. } = &mut self.kind {
            *start = Start::Zero { debias };
        }
        self
    }

    /// What was gathered, for a checkpoint: how many updates there were, and the sums by name.
    pub fn state(&self) -> (u64, Vec<(String, Tensor<E>)>) {
        (self.updates, self.names.iter().cloned().zip(self.sums.iter().cloned()).collect())
    }

    /// Takes back what [`WeightAverage::state`] gave, with the same settings.
    pub fn load_state(&mut self, updates: u64, sums: Vec<(String, Tensor<E>)>) {
        (self.updates, self.own) = (updates, None);
        (self.names, self.sums) = sums.into_iter().unzip();
    }

    /// How many updates there were.
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// Takes in the weights as they are now, by name and in the same order at each update.
    ///
    /// # Panics
    /// If names or shapes differ from those of the first update, or the model holds the averaged weights.
    #[track_caller]
    pub fn update<'a, P: AsRef<str>>(&mut self, weights: impl IntoIterator<Item = (P, &'a Tensor<E>)>) {
        assert!(self.own.is_none(), "WeightAverage: the model holds the averaged weights; swap them out first");
        let share = match self.kind {
            Kind::Mean => 1.0 / (self.updates + 1) as f64,
            Kind::Exponential { decay, .. } => 1.0 - decay,
        };
        let (keep, take) = (E::from_f64(1.0 - share), E::from_f64(share));
        let mut seen = 0;
        for (name, w) in weights {
            let name = name.as_ref();
            if self.updates == 0 {
                let zero = matches!(self.kind, Kind::Exponential { start: Start::Zero { .. }, .. });
                self.names.push(name.to_owned());
                self.sums.push(if zero { w.mul_scalar(take) } else { w.clone() });
            } else {
                let fits = self.names.get(seen).is_some_and(|n| n == name) && self.sums[seen].shape() == w.shape();
                assert!(fits, "WeightAverage: `{name}` of shape {} is not what the first update had there", w.shape());
                let sum = &mut self.sums[seen];
                sum.scale_assign(keep);
                sum.add_assign(&w.mul_scalar(take));
            }
            seen += 1;
        }
        assert!(
            seen == self.names.len(),
            "WeightAverage: {seen} weights, and {} at the first update",
            self.names.len()
        );
        self.updates += 1;
    }

    /// The averaged weights by name; none before the first update.
    pub fn weights(&self) -> Vec<(String, Tensor<E>)> {
        let scale = match self.kind {
            Kind::Exponential { decay, start: Start::Zero { debias: true } } => {
                1.0 / (1.0 - decay.powi(i32::try_from(self.updates).unwrap_or(i32::MAX)))
            }
            _ => 1.0,
        };
        let scaled = |sum: &Tensor<E>| if scale == 1.0 { sum.clone() } else { sum.mul_scalar(E::from_f64(scale)) };
        self.names.iter().cloned().zip(self.sums.iter().map(scaled)).collect()
    }

    /// Puts the averaged weights into the parameters, and keeps theirs until [`WeightAverage::swap_out`].
    ///
    /// # Panics
    /// Before the first update, if they are in already, or if names or shapes are not those of the updates.
    #[track_caller]
    pub fn swap_in<'a, P: AsRef<str>>(&mut self, parameters: impl IntoIterator<Item = (P, &'a mut Parameter<E>)>) {
        assert!(self.own.is_none(), "WeightAverage: the averaged weights are in the model already");
        assert!(self.updates > 0, "WeightAverage: there is no average before the first update");
        self.own = Some(exchange(self.weights(), parameters));
    }

    /// Gives the parameters the weights back that they had before [`WeightAverage::swap_in`].
    ///
    /// # Panics
    /// If the averaged weights are not in the model.
    #[track_caller]
    pub fn swap_out<'a, P: AsRef<str>>(&mut self, parameters: impl IntoIterator<Item = (P, &'a mut Parameter<E>)>) {
        let own = self.own.take().expect("WeightAverage: the averaged weights are not in the model");
        exchange(self.names.iter().cloned().zip(own).collect(), parameters);
    }
}

/// Sets the parameters, and gives what they were.
#[track_caller]
fn exchange<'a, E: Element, P: AsRef<str>>(
    weights: Vec<(String, Tensor<E>)>,
    parameters: impl IntoIterator<Item = (P, &'a mut Parameter<E>)>,
) -> Vec<Tensor<E>> {
    let (count, mut before) = (weights.len(), Vec::with_capacity(weights.len()));
    let mut weights = weights.into_iter();
    for (path, parameter) in parameters {
        let path = path.as_ref();
        let (name, w) = weights.next().unwrap_or_else(|| panic!("WeightAverage: `{path}` was never averaged"));
        assert!(name == path, "WeightAverage: `{path}` comes where the updates had `{name}`");
        before.push(parameter.value().clone());
        parameter.set(w);
    }
    assert!(before.len() == count, "WeightAverage: {} parameters for {count} averages", before.len());
    before
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn averaged_weights_go_in_and_come_out() {
        let mut parameter = Parameter::new(Tensor::<f64>::scalar(1.0));
        let mut average = WeightAverage::mean();
        average.update([("w", parameter.value())]);
        parameter.set(Tensor::scalar(4.0));
        average.update([("w", parameter.value())]);
        average.swap_in([("w", &mut parameter)]);
        assert_eq!(parameter.value().item(), 2.5);
        average.swap_out([("w", &mut parameter)]);
        assert_eq!(parameter.value().item(), 4.0);
        assert_eq!(average.updates(), 2);
    }

    #[test]
    #[should_panic(expected = "swap them out first")]
    fn averaged_weights_are_not_averaged_again() {
        let mut parameter = Parameter::new(Tensor::<f32>::scalar(1.0));
        let mut average = WeightAverage::exponential(0.9);
        average.update([("w", parameter.value())]);
        average.swap_in([("w", &mut parameter)]);
        average.update([("w", parameter.value())]);
    }

    #[test]
    fn debiased_from_zero_the_first_average_is_the_first_weight() {
        let mut average = WeightAverage::<f64>::exponential(0.9).from_zero(true);
        assert!(average.weights().is_empty());
        average.update([("w", &Tensor::scalar(3.0))]);
        assert!((average.weights()[0].1.item() - 3.0).abs() < 1e-15);
    }
}
