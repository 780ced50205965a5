//! Running statistics taken anew over a data set.

use crate::{Batches, Phase, TrainError};
use kniff_nn::{Head, Layer, Model};
use kniff_tensor::Element;

/// Takes the running statistics of every batch norm in a model anew, over the batches of the first epoch; gives how many
/// batches there were. See [`kniff_nn::re_estimate_statistics`].
///
/// Give it the training data, without the augmentation that test time does not see, in batches as large as memory allows.
///
/// # Errors
/// If the data cannot be read, a batch is smaller than batch norm takes, or a batch norm was not reached; then statistics
/// may be those of the batches before.
pub fn re_estimate_statistics<E: Element, L: Layer<E>, H: Head<E>, T>(
    model: &mut Model<L, H, E>,
    data: &dyn Batches<E, T>,
) -> Result<usize, TrainError> {
    let phase = Phase::Training;
    data.check().map_err(|source| TrainError::Data { phase, source })?;
    kniff_nn::summary(model.network(), data.input_shape()).map_err(|source| TrainError::Shape { phase, source })?;
    let needed = model.network().smallest_training_batch(&data.input_shape());
    let batches = data.batches();
    let mut failed = None;
    let inputs = data.epoch(0).enumerate().map_while(|(i, batch)| {
        let batch = match batch {
            Ok(batch) if batch.len() >= needed => batch,
            Ok(batch) => {
                failed = Some(TrainError::BatchTooSmall { batch: i + 1, batches, examples: batch.len(), needed });
                return None;
            }
            Err(source) => {
                failed = Some(TrainError::Data { phase, source });
                return None;
            }
        };
        Some(batch.inputs)
    });
    let seen = kniff_nn::re_estimate_statistics(model.network_mut(), inputs);
    match failed {
        Some(error) => Err(error),
        None => seen.map_err(TrainError::Statistics),
    }
}
