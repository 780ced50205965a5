//! Monte-Carlo dropout: what a network says when its units are switched off at random at test time too.

use crate::Layer;
use crate::head::{ClassHead, Head, Model};
use kniff_autograd::Var;
use kniff_tensor::{Element, Rng, Tensor};
use std::fmt;

/// The outputs of several passes with dropout at work, summed up element by element.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampled<E: Element = f32> {
    /// The mean over the passes, of the output's shape.
    pub mean: Tensor<E>,
    /// The standard deviation over the passes, with the sum of squares divided by the passes less one.
    pub std: Tensor<E>,
    /// How many passes there were.
    pub passes: usize,
}

/// What a classifier says over several passes with dropout at work.
#[derive(Clone, Debug, PartialEq)]
pub struct SampledClasses<E: Element = f32> {
    /// The mean over the passes of the probabilities, [n, classes, ..].
    pub probabilities: Tensor<E>,
    /// The standard deviation over the passes of the probabilities.
    pub std: Tensor<E>,
    /// The entropy of the mean probabilities in nats, `[n, ..]`: 0 is certain, `ln(classes)` knows nothing.
    pub entropy: Tensor<E>,
    /// The part of the entropy that comes from the passes contradicting each other, `[n, ..]`: entropy of the mean less mean
    /// of the entropies. What is left is doubt within each pass.
    pub disagreement: Tensor<E>,
    /// How many passes there were.
    pub passes: usize,
}

/// Why sampling gives nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SamplingError {
    /// Fewer than two passes have no deviation.
    TooFewPasses {
        /// How many were asked for.
        passes: usize,
    },
    /// All passes gave the same.
    NothingDrawn,
}

impl fmt::Display for SamplingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooFewPasses { passes } => {
                write!(f, "{passes} passes have no standard deviation; take at least 2, and 20 or more to rely on it")
            }
            Self::NothingDrawn => f.write_str(
                "two passes gave the same: the network draws nothing at test time; give it dropout with p above 0, and let \
                 layers of your own that hold dropout write `forward_sampling`",
            ),
        }
    }
}

impl std::error::Error for SamplingError {}

/// Runs a network `passes` times at test time with its dropout at work, and gives mean and standard deviation.
///
/// Batch norm uses its running statistics, nothing is recorded, and nothing in the network changes: it is
/// [`Layer::forward_sampling`] that runs. Each pass has a stream of its own, so that more passes leave the first ones as
/// they are. Source: Gal, Ghahramani, "Dropout as a Bayesian approximation" (2016).
///
/// ```
/// use kniff_nn::{layers::Dropout, sample};
/// use kniff_tensor::{Rng, Tensor};
/// // A 1 becomes 0 or 2, each half of the time: mean 1, deviation 1.
/// let sampled = sample(&Dropout::new(0.5), &Tensor::<f64>::ones([1, 1]), 2000, &mut Rng::new(0))?;
/// assert!((sampled.mean.item() - 1.0).abs() < 0.1 && (sampled.std.item() - 1.0).abs() < 0.01);
/// # Ok::<(), kniff_nn::SamplingError>(())
/// ```
///
/// # Errors
/// With fewer than two passes, or if the network draws nothing.
pub fn sample<E: Element>(
    network: &(impl Layer<E> + ?Sized),
    x: &Tensor<E>,
    passes: usize,
    rng: &mut Rng,
) -> Result<Sampled<E>, SamplingError> {
    let mut sums = Sums::default();
    each_pass(network, x, passes, rng, |y| sums.add(y))?;
    let (mean, std) = sums.finish();
    Ok(Sampled { mean, std, passes })
}

/// Shows the output of every pass.
fn each_pass<E: Element>(
    network: &(impl Layer<E> + ?Sized),
    x: &Tensor<E>,
    passes: usize,
    rng: &mut Rng,
    mut see: impl FnMut(Tensor<E>),
) -> Result<(), SamplingError> {
    if passes < 2 {
        return Err(SamplingError::TooFewPasses { passes });
    }
    let x = Var::inference(x.clone());
    let mut first: Option<Tensor<E>> = None;
    for _ in 0..passes {
        let y = network.forward_sampling(&x, &mut rng.split()).into_value();
        match &first {
            Some(first) if !first.is_empty() && first == &y => {
                // Two equal draws of a small network are chance; the same generator state twice is not drawing at all.
                let again = network.forward_sampling(&x, &mut rng.stream("again"));
                if again.value() == first && network.forward(&x).value() == first {
                    return Err(SamplingError::NothingDrawn);
                }
            }
            Some(_) => {}
            None => first = Some(y.clone()),
        }
        see(y);
    }
    Ok(())
}

/// Running mean and sum of squared deviations, by Welford's recurrence.
struct Sums<E: Element> {
    seen: usize,
    moments: Option<(Tensor<E>, Tensor<E>)>,
}

impl<E: Element> Default for Sums<E> {
    fn default() -> Self {
        Self { seen: 0, moments: None }
    }
}

impl<E: Element> Sums<E> {
    fn add(&mut self, y: Tensor<E>) {
        self.seen += 1;
        self.moments = Some(match self.moments.take() {
            None => (y.clone(), y.zeros_like()),
            Some((mean, squares)) => {
                let gap = y.sub(&mean);
                let mean = mean.add(&gap.mul_scalar(E::ONE / E::from_usize(self.seen)));
                let squares = squares.add(&gap.mul(&y.sub(&mean)));
                (mean, squares)
            }
        });
    }

    /// The mean and the standard deviation; at least two were added.
    fn finish(self) -> (Tensor<E>, Tensor<E>) {
        let seen = E::from_usize(self.seen);
        let (mean, squares) = self.moments.unwrap_or_else(|| (Tensor::scalar(E::NAN), Tensor::scalar(E::NAN)));
        let std = squares.mul_scalar(E::ONE / (seen - E::ONE)).sqrt();
        (mean, std)
    }
}

/// `-sum p ln p` over axis 1.
fn entropy<E: Element>(probabilities: &Tensor<E>) -> Tensor<E> {
    // p ln p is 0 for p = 0.
    probabilities.map(|p| if p > E::ZERO { -(p * p.ln()) } else { E::ZERO }).sum(&[1], false)
}

impl<E: Element, L: Layer<E>> Model<L, ClassHead, E> {
    /// What the classifier says over `passes` passes with its dropout at work ([`sample`]): mean probabilities, how far they
    /// scatter, and how certain they are.
    ///
    /// Differs from averaging logits: each pass's probabilities are averaged, as votes are.
    ///
    /// # Errors
    /// With fewer than two passes, or if the network draws nothing.
    pub fn predict_sampling(
        &self,
        x: &Tensor<E>,
        passes: usize,
        rng: &mut Rng,
    ) -> Result<SampledClasses<E>, SamplingError> {
        let (mut sums, mut entropies) = (Sums::default(), Sums::default());
        each_pass(self.network(), x, passes, rng, |y| {
            let probabilities = ClassHead::wrap(Var::constant(y)).probabilities().tensor().clone();
            entropies.add(entropy(&probabilities));
            sums.add(probabilities);
        })?;
        let (probabilities, std) = sums.finish();
        let entropy = entropy(&probabilities);
        // Rounding must not make it negative.
        let disagreement = entropy.sub(&entropies.finish().0).map(|d| if d < E::ZERO { E::ZERO } else { d });
        Ok(SampledClasses { probabilities, std, entropy, disagreement, passes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ModuleExt;
    use crate::layers::{BatchNorm1d, ClassicDropout, Dropout, Linear, Relu, Sequential};
    use kniff_init::{GlorotNormal, HeNormal, Initializer};

    #[test]
    fn mean_and_deviation_are_those_of_the_distribution() {
        // y = sum of 20 numbers, each 0 or 2 x_i: mean sum x_i, variance sum x_i^2.
        let x = Tensor::<f64>::linspace(0.1, 2.0, 20).reshape([1, 20]);
        let sum: f64 = x.to_vec().iter().sum();
        let deviation = x.to_vec().iter().map(|x| x * x).sum::<f64>().sqrt();
        let sum_of = Linear::from_parts(Tensor::ones([1, 20]), None);
        let network = Sequential::<f64>::new().with(Dropout::new(0.5)).with(sum_of);
        let passes = 4000;
        let sampled = sample(&network, &x, passes, &mut Rng::new(1)).unwrap();
        // Four standard errors of the mean; the deviation of a near-normal sum has an error of about s / sqrt(2 n).
        let error = 4.0 * deviation / (passes as f64).sqrt();
        assert!((sampled.mean.item() - sum).abs() < error, "{} {sum}", sampled.mean.item());
        assert!((sampled.std.item() - deviation).abs() < error, "{} {deviation}", sampled.std.item());
    }

    #[test]
    fn nothing_changes_and_batch_norm_keeps_its_statistics() {
        let mut rng = Rng::new(2);
        let mut network = Sequential::<f64>::new()
            .with(Linear::new(3, 8, HeNormal, &mut rng))
            .with(BatchNorm1d::new(8))
            .with(Relu)
            .with(ClassicDropout::new(0.3));
        let x = Tensor::<f64>::randn([16, 3], &mut rng);
        network.forward_train(&Var::constant(x.clone()), &mut rng);
        let before = network.state();
        let one = sample(&network, &x.slice_axis(0, 0..1), 400, &mut Rng::new(3)).unwrap();
        for ((_, a), (_, b)) in before.iter().zip(network.state()) {
            assert_eq!(a.to_vec(), b.to_vec());
        }
        // A single example passes, and on average gives what test time gives.
        let y = network.forward(&Var::constant(x.slice_axis(0, 0..1))).value().to_vec();
        for ((mean, std), y) in one.mean.to_vec().iter().zip(one.std.to_vec()).zip(y) {
            assert!((mean - y).abs() <= 5.0 * std / 20.0 + 1e-12, "{mean} {y}");
        }
        assert_eq!(one, sample(&network, &x.slice_axis(0, 0..1), 400, &mut Rng::new(3)).unwrap());
    }

    #[test]
    fn a_network_that_draws_nothing_is_named() {
        let mut rng = Rng::new(4);
        let network = Linear::<f32>::new(2, 2, GlorotNormal, &mut rng);
        let x = Tensor::ones([3, 2]);
        assert_eq!(sample(&network, &x, 5, &mut rng).unwrap_err(), SamplingError::NothingDrawn);
        assert_eq!(sample(&network, &x, 1, &mut rng).unwrap_err(), SamplingError::TooFewPasses { passes: 1 });
    }

    #[test]
    fn a_classifier_gives_probabilities_and_their_entropy() {
        let mut rng = Rng::new(5);
        let weight: Tensor<f64> = GlorotNormal.init(&[4, 6], &mut rng);
        let network =
            Sequential::<f64>::new().with(Dropout::new(0.5)).with(Linear::from_parts(weight.mul_scalar(4.0), None));
        let model = Model::classifier(network).unwrap();
        let x = Tensor::randn([7, 6], &mut rng);
        let sampled = model.predict_sampling(&x, 50, &mut Rng::new(6)).unwrap();
        for i in 0..7 {
            let p: Vec<f64> = (0..4).map(|c| sampled.probabilities.at(&[i, c])).collect();
            assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            let entropy: f64 = p.iter().map(|p| -p * p.ln()).sum();
            assert!((sampled.entropy.at(&[i]) - entropy).abs() < 1e-12 && entropy <= 4.0_f64.ln());
            let disagreement = sampled.disagreement.at(&[i]);
            assert!(disagreement > 0.0 && disagreement < entropy);
        }
    }
}
