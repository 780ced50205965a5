//! Running statistics taken anew, for the weights as they are now.

use crate::{Layer, ModuleExt};
use kniff_autograd::Var;
use kniff_tensor::{Element, Tensor};
use std::fmt;

/// Takes the running statistics of every batch norm in a network anew, over the given batches; gives how many there were.
///
/// The averages that training leaves behind lag after the weights, and average over batches of weights long gone. Here
/// the weights stand still: every batch norm normalises by each batch, as it does in training, and joins its moments to
/// those of all batches before, so that in the end they are the mean and the unbiased variance of all values together.
/// Nothing is dropped on the way, because nothing is at test time. Do this after averaging weights, and before the last
/// evaluation.
///
/// Differs from PyTorch's `update_bn`: there a short last batch weighs as much as the others, the variance leaves out how
/// the means of batches differ, and dropout stays on. Source: Wu, Johnson, "Rethinking 'Batch' in BatchNorm" (2021).
///
/// ```
/// use kniff_nn::{layers::BatchNorm1d, re_estimate_statistics};
/// use kniff_tensor::Tensor;
/// let mut norm = BatchNorm1d::<f64>::new(1);
/// let batches = [[1.0, 3.0], [5.0, 7.0]].map(|x| Tensor::from_slice(&x, [2, 1]));
/// assert_eq!(re_estimate_statistics(&mut norm, batches)?, 2);
/// assert_eq!(norm.running_mean().item(), 4.0);
/// # Ok::<(), kniff_nn::StatisticsError>(())
/// ```
///
/// # Errors
/// Without batches, or if some batch norm was not reached: then a layer that holds it does not write
/// [`Layer::forward_estimating`].
///
/// # Panics
/// If a batch has one value per channel.
pub fn re_estimate_statistics<E: Element>(
    network: &mut (impl Layer<E> + ?Sized),
    batches: impl IntoIterator<Item = Tensor<E>>,
) -> Result<usize, StatisticsError> {
    let mut seen = 0;
    for batch in batches {
        network.forward_estimating(&Var::inference(batch), seen == 0);
        seen += 1;
    }
    if seen == 0 {
        return Err(StatisticsError::NoBatches);
    }
    // Each batch norm has counted exactly these batches, if it was reached.
    let counts = |path: &str| path.rsplit('.').next() == Some("num_batches_tracked");
    let missed = |count: &Tensor<E>| count.len() != 1 || count.item().to_f64() != seen as f64;
    let missed: Vec<String> = network
        .buffers()
        .into_iter()
        .filter(|(path, buffer)| counts(path) && missed(buffer.value()))
        .map(|(path, _)| path.trim_end_matches("num_batches_tracked").trim_end_matches('.').to_owned())
        .collect();
    if missed.is_empty() { Ok(seen) } else { Err(StatisticsError::NotReached { paths: missed }) }
}

/// Why running statistics could not be taken anew.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StatisticsError {
    /// There was nothing to take them from; they are what they were.
    NoBatches,
    /// Some batch norms did not see every batch.
    NotReached {
        /// Where in the network.
        paths: Vec<String>,
    },
}

impl fmt::Display for StatisticsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoBatches => f.write_str("there are no batches to take statistics from; nothing was changed"),
            Self::NotReached { paths } => write!(
                f,
                "the statistics of `{}` were not taken anew: a layer that holds it must write `forward_estimating`",
                paths.join("`, `")
            ),
        }
    }
}

impl std::error::Error for StatisticsError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Module;
    use crate::layers::{BatchNorm1d, Dropout, Linear, Relu, Sequential};
    use kniff_init::HeNormal;
    use kniff_tensor::Rng;

    #[test]
    fn statistics_are_those_of_the_weights_as_they_are() {
        let mut rng = Rng::new(0);
        let linear = Linear::<f64>::new(3, 4, HeNormal, &mut rng);
        let x = Tensor::<f64>::randn([25, 3], &mut rng);
        let hidden = linear.forward(&Var::constant(x.clone())).into_value();
        let mut network = Sequential::new().with(Dropout::new(0.5)).with(linear).with(BatchNorm1d::new(4)).with(Relu);
        for _ in 0..3 {
            network.forward_train(&Var::constant(Tensor::randn([8, 3], &mut rng)), &mut Rng::new(1));
        }
        let batches = [0..10, 10..20, 20..25].map(|range| x.slice_axis(0, range));
        assert_eq!(re_estimate_statistics(&mut network, batches), Ok(3));
        let close = |name: &str, expected: Tensor<f64>| {
            let found = network.buffers().into_iter().find(|(path, _)| path == name).unwrap().1.value().to_vec();
            found.iter().zip(expected.to_vec()).for_each(|(a, b)| assert!((a - b).abs() < 1e-12, "{name}: {a} {b}"));
        };
        close("2.running_mean", hidden.mean(&[0], false));
        close("2.running_var", hidden.var(&[0], 1, false));
    }

    /// A user's layer that forgets to pass the estimation on.
    #[derive(Module)]
    #[module(crate = "crate")]
    struct Forgetful {
        norm: BatchNorm1d<f32>,
    }

    impl Layer<f32> for Forgetful {
        fn forward(&self, x: &Var<f32>) -> Var<f32> {
            self.norm.forward(x)
        }
    }

    #[test]
    fn a_batch_norm_that_was_not_reached_is_named() {
        let mut network = Sequential::new().named("body", Forgetful { norm: BatchNorm1d::new(2) });
        let error = re_estimate_statistics(&mut network, [Tensor::<f32>::ones([3, 2])]).unwrap_err();
        assert_eq!(error, StatisticsError::NotReached { paths: vec!["body.norm".to_owned()] });
        assert_eq!(re_estimate_statistics(&mut network, []), Err(StatisticsError::NoBatches));
    }
}
