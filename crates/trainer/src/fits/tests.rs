//! Checkpoints whose checksum is right and whose content is not.

use crate::checkpoint::{Checkpoint, Content};
use crate::frame::{self, CHECKPOINT};
use crate::metrics::{Accuracy, ConfusionMatrix};
use crate::{
    AveragedWeights, BestWeights, Checkpoints, ClosingPolicy, EarlyStopping, Every, LearningRateLog, Memory, Monitor,
    Progress, Trainer,
};
use kniff_data::{Loader, TensorDataset};
use kniff_init::HeNormal;
use kniff_nn::layers::{BatchNorm1d, Linear, Sequential};
use kniff_nn::losses::CrossEntropy;
use kniff_nn::{ClassHead, Model, ModuleExt};
use kniff_optim::{Adam, Cosine, Optimizer};
use kniff_tensor::{Indices, Rng, Tensor};
use std::path::PathBuf;

type Net = Trainer<Sequential, ClassHead>;

fn data() -> Loader<TensorDataset<f32, Indices>> {
    let inputs = Tensor::randn([24, 3], &mut Rng::new(2));
    let labels = Indices::from_vec((0..24).map(|i| i % 2).collect());
    Loader::new(TensorDataset::new(inputs, labels).unwrap()).batch_size(4).shuffle(&Rng::new(3))
}

fn trainer() -> Net {
    let mut rng = Rng::new(1);
    let network = Sequential::new()
        .with(Linear::new(3, 4, HeNormal, &mut rng))
        .with(BatchNorm1d::new(4))
        .with(Linear::new(4, 2, HeNormal, &mut rng));
    Trainer::new(Model::classifier(network).unwrap(), CrossEntropy::new(), Optimizer::new(Adam::default(), 1e-2))
        .progress(Progress::Silent)
        .metric(Accuracy::new())
        .metric(ConfusionMatrix::new(2))
        .schedule(Every::Step, Cosine::new(30))
        .closing(ClosingPolicy::new())
        .early_stopping(EarlyStopping::new(Monitor::TrainLoss))
        .callback(AveragedWeights::exponential(0.9))
        .callback(BestWeights::new(Monitor::TrainLoss))
        .callback(LearningRateLog::new())
        .epochs(2)
}

/// A checkpoint of the second epoch's middle, and the folder of its test.
fn checkpoint(test: &str) -> (Checkpoint, PathBuf) {
    let folder = std::env::temp_dir().join(format!("kniff-fits-{}-{test}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    trainer().checkpoints(Checkpoints::in_folder(&folder).every_steps(9).keep(9)).fit(&data(), None).unwrap();
    (Checkpoint::load(folder.join("step-000000009.kniff")).unwrap(), folder)
}

type Change = fn(&mut Content<f32>);

/// The same with something changed, in a right frame; what resuming it says, or else training on.
fn refused(checkpoint: &Checkpoint, folder: &std::path::Path, change: Change) -> String {
    let file = folder.join("hostile.kniff");
    let mut content = checkpoint.content.clone();
    change(&mut content);
    frame::write(&file, &CHECKPOINT, &Checkpoint::encode(&content, &file).unwrap()).unwrap();
    let mut trainer = trainer();
    let before = trainer.model().state();
    match trainer.resume(&file) {
        Err(error) => {
            assert_eq!(trainer.model().state(), before, "{error}");
            assert!(trainer.resumed.is_none() && trainer.steps == 0 && trainer.history().epochs.is_empty());
            assert_eq!(trainer.optimizer.state().steps, 0);
            // What was refused is as if it had not been tried.
            trainer.resume(&checkpoint.file).unwrap();
            trainer.fit(&data(), None).unwrap();
            error.to_string()
        }
        Ok(()) => {
            let taken = trainer.model().state();
            let error = trainer.fit(&data(), None).unwrap_err().to_string();
            assert_eq!(trainer.model().state(), taken, "{error}");
            error
        }
    }
}

fn position(content: &mut Content<f32>) -> &mut crate::checkpoint::Position {
    content.position.as_mut().unwrap()
}

#[test]
fn numbers_that_cannot_be_are_refused() {
    let (checkpoint, folder) = checkpoint("numbers");
    let changes: [(&str, Change); 16] = [
        ("steps, of which there are at most", |c| c.steps = u64::MAX),
        ("epochs before, of which there are at most 1", |c| c.before = u64::MAX),
        ("epochs before, of which there are at most 1", |c| c.before = 2),
        ("a history with epoch 18446744073709551615 in place 1", |c| {
            c.history = c.history.replace("\"epoch\": 1,", "\"epoch\": 18446744073709551615,");
        }),
        ("batches of the epoch, of which there are at most 9", |c| position(c).batch = u64::MAX),
        ("batches: 8 done in the checkpoint, 6 in an epoch here", |c| position(c).batch = 8),
        ("examples of the epoch", |c| position(c).sums.examples = usize::MAX),
        ("norms of the epoch", |c| position(c).sums.norms = usize::MAX),
        ("inputs of shape", |c| c.input = vec![1; 9]),
        ("inputs of shape", |c| c.input = vec![1 << 40, 1 << 40]),
        ("the optimiser after 18446744073709551615 steps", |c| c.optimizer.steps = u64::MAX),
        ("after 9 steps, of which there are at most 8", |c| c.optimizer.steps = 8),
        ("learning_rate is NaN", |c| c.optimizer.learning_rate = f64::NAN),
        ("accuracy: -1 is not a number of examples", |c| position(c).metrics[0][0] = -1.0),
        ("accuracy: inf is not a number of examples", |c| position(c).metrics[0][1] = f64::INFINITY),
        ("confusion matrix: its state holds", |c| position(c).metrics[1] = vec![9e15, 9e15, 0.0, 0.0, 0.0]),
    ];
    for (part, change) in changes {
        let said = refused(&checkpoint, &folder, change);
        assert!(said.contains(part), "{part}: {said}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn parts_that_are_missing_too_many_or_of_another_shape_are_refused() {
    let (checkpoint, folder) = checkpoint("parts");
    fn resized(state: &mut [(String, Tensor)]) {
        state[0].1 = Tensor::zeros([1]);
    }
    let changes: [(&str, Change); 14] = [
        ("memories of callbacks: 3 in the checkpoint, 4 here", |c| drop(c.callbacks.pop())),
        ("memories of callbacks: 5 in the checkpoint, 4 here", |c| c.callbacks.push(Memory::default())),
        ("states of metrics: 0 in the checkpoint, 2 here", |c| position(c).metrics.clear()),
        ("states of metrics: 3 in the checkpoint, 2 here", |c| position(c).metrics.push(Vec::new())),
        ("accuracy: its state is 2 numbers, but 0 were given", |c| position(c).metrics[0].clear()),
        ("what the schedule has seen: none in the checkpoint, some here", |c| c.schedule = None),
        ("what the closing policy has seen: none in the checkpoint, some here", |c| c.closing = None),
        ("the closing policy's best weights: `0.weight` of shape [1]", |c| {
            let text = serde_json::to_string(c.closing.as_ref().unwrap()).unwrap();
            let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
            value["best"]["state"][0][1] = serde_json::to_value(Tensor::<f32>::zeros([1])).unwrap();
            c.closing = Some(serde_json::from_value(value).unwrap());
        }),
        ("the number of cuts made is 1000000000000", |c| {
            let text = serde_json::to_string(c.closing.as_ref().unwrap()).unwrap();
            let text = text.replace("\"cuts\":0", "\"cuts\":1000000000000");
            c.closing = Some(serde_json::from_str(&text).unwrap());
        }),
        ("optimiser's state of `0.bias`: [2] in the checkpoint, [4] here", |c| {
            let text = serde_json::to_string(&c.optimizer.parameters["2.bias"]).unwrap();
            c.optimizer.parameters.insert("0.bias".into(), serde_json::from_str(&text).unwrap());
        }),
        ("0.weight", |c| resized(&mut c.model)),
        ("sampler's memory", |c| position(c).sampler_before = vec![1.0]),
        ("a callback's memory: best: it is not there", |c| c.callbacks[0] = Memory::default()),
        ("a callback's memory: sums: `0.weight` of shape [1]", |c| {
            let mut sums = c.callbacks[1].weights("sums").unwrap().to_vec();
            resized(&mut sums);
            c.callbacks[1] = c.callbacks[1].clone().with_weights("sums", sums);
        }),
    ];
    for (part, change) in changes {
        let said = refused(&checkpoint, &folder, change);
        assert!(said.contains(part), "{part}: {said}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn counts_near_the_most_are_counted_on() {
    let (checkpoint, folder) = checkpoint("near");
    let file = folder.join("near.kniff");
    let mut content = checkpoint.content.clone();
    (content.steps, content.optimizer.steps) = (1 << 53, 1 << 53);
    content.callbacks[0] = content.callbacks[0].clone().with("waited", &u64::MAX);
    frame::write(&file, &CHECKPOINT, &Checkpoint::encode(&content, &file).unwrap()).unwrap();
    let mut resumed = trainer();
    resumed.resume(&file).unwrap();
    assert_eq!(resumed.fit(&data(), None).unwrap().epochs, 1);
    assert_eq!(resumed.steps, (1 << 53) + 3);
    // As many epochs as there are numbers, and a few more.
    content.stopped = Some(("who".into(), "why".into()));
    frame::write(&file, &CHECKPOINT, &Checkpoint::encode(&content, &file).unwrap()).unwrap();
    let mut resumed = trainer().epochs(usize::MAX);
    resumed.resume(&file).unwrap();
    assert!(matches!(resumed.fit(&data(), None).unwrap().stopped, crate::Stopped::Early { .. }));
    std::fs::remove_dir_all(folder).unwrap();
}
