//! The files of a training: models, checkpoints, histories.

use super::readers::{fitted, folder, said, write};
use kniff::data::{Fitted, Loader, TensorDataset};
use kniff::init::HeNormal;
use kniff::nn::layers::{BatchNorm1d, Linear, Sequential};
use kniff::nn::losses::CrossEntropy;
use kniff::nn::{ClassHead, Model, ModuleExt};
use kniff::optim::{Adam, CutOnPlateau, Optimizer};
use kniff::tensor::{Element, Indices, Rng, Tensor};
use kniff::trainer::metrics::{Accuracy, ConfusionMatrix};
use kniff::trainer::{
    AveragedWeights, Checkpoint, Checkpoints, ClosingPolicy, EarlyStopping, EpochRecord, Every, FileError, History,
    ModelFile, Monitor, Progress, TrainError, Trainer,
};
use std::path::Path;
use std::sync::LazyLock;

pub(super) fn network<E: Element>() -> Sequential<E> {
    Sequential::new().with(Linear::new(4, 3, HeNormal, &mut Rng::new(1))).with(BatchNorm1d::new(3))
}

pub(super) fn model_seeds() -> Vec<Vec<u8>> {
    let path = folder("model").join("seed.kniff");
    let file = ModelFile::of(&network::<f32>())
        .with("classes", &["a", "b"])
        .and_then(|file| file.with("normalizer", &fitted()[0]));
    file.and_then(|file| file.save(&path)).expect("a folder that can be written to");
    let single = std::fs::read(&path).expect("the file just written");
    ModelFile::of(&network::<f64>()).save(&path).expect("a folder that can be written to");
    vec![single, std::fs::read(&path).expect("the file just written")]
}

/// As it stands, and with a frame that is right, which lets damage through to what it holds.
pub(super) fn model(bytes: &[u8]) -> Result<(), String> {
    let path = folder("model").join("x.kniff");
    write(&path, bytes);
    let stands = load_model::<f32>(&path).and(load_model::<f64>(&path));
    let Some(framed) = framed(b"KNIFF", bytes) else { return stands };
    write(&path, &framed);
    load_model::<f64>(&path).and(load_model::<f32>(&path)).and(stands)
}

/// What a frame takes before the content: what it is, its version, its length and its checksum.
const FRAME: usize = 5 + 4 + 8 + 4;

/// The content in a frame with its own length and checksum.
fn framed(magic: &[u8; 5], bytes: &[u8]) -> Option<Vec<u8>> {
    let content = bytes.get(FRAME..)?;
    let mut framed = magic.to_vec();
    framed.extend(1_u32.to_le_bytes());
    framed.extend((content.len() as u64).to_le_bytes());
    framed.extend(crc32fast::hash(content).to_le_bytes());
    framed.extend(content);
    Some(framed)
}

fn load_model<E: Element>(path: &Path) -> Result<(), String> {
    let file = ModelFile::<E>::load(path).map_err(|error| plain(error, path))?;
    let mut network = network::<E>();
    let before = network.state();
    if let Err(error) = file.load_into(&mut network) {
        assert_eq!(network.state(), before, "a refused file changed the model");
        return Err(said(error));
    }
    file.get::<Vec<String>>("classes").map_err(said)?;
    file.get::<Fitted<E>>("normalizer").map(drop).map_err(said)
}

/// Two epochs of two steps, with all that a checkpoint can hold.
fn trainer<E: Element>() -> Trainer<Sequential<E>, ClassHead, Indices, E> {
    let model = Model::classifier(network::<E>()).expect("a network that ends in no activation");
    Trainer::new(model, CrossEntropy::new(), Optimizer::new(Adam::default(), 1e-2))
        .progress(Progress::Silent)
        .epochs(2)
        .metric(Accuracy::new())
        .metric(ConfusionMatrix::new(3))
        .schedule(Every::Epoch, CutOnPlateau { patience: 0, max_cuts: u64::MAX, ..CutOnPlateau::default() })
        .early_stopping(EarlyStopping::new(Monitor::TrainLoss))
        .callback(AveragedWeights::exponential(0.5))
}

fn examples<E: Element>() -> Loader<TensorDataset<E, Indices>, E> {
    let inputs = Tensor::from_fn([6, 4], |i| E::from_f64((i % 7) as f64 - 3.0));
    let data = TensorDataset::new(inputs, Indices::from_vec(vec![0, 1, 2, 0, 1, 2])).expect("six of both");
    Loader::new(data).batch_size(3)
}

/// What is wrong, without the folder's name and what is mostly noise.
fn plain(error: FileError, path: &Path) -> String {
    match error {
        FileError::Element { .. } => "elements".into(),
        error => said(error).replace(&path.display().to_string(), ""),
    }
}

/// One after every step, and one of each other kind.
pub(super) fn checkpoint_seeds() -> Vec<Vec<u8>> {
    let own = folder("checkpoint").join("seeds");
    let mut files = Vec::new();
    let mut take = || {
        let mut all: Vec<_> = std::fs::read_dir(&own).expect("the folder").flatten().map(|e| e.path()).collect();
        all.sort();
        files.extend(all.iter().map(|file| std::fs::read(file).expect("a file just written")));
        std::fs::remove_dir_all(&own).expect("a folder of our own");
    };
    let often = || Checkpoints::in_folder(&own).every_steps(1).keep(9);
    trainer::<f32>().checkpoints(often()).fit(&examples(), None).expect("a training");
    take();
    trainer::<f64>().checkpoints(often()).fit(&examples(), None).expect("a training");
    take();
    let model = Model::classifier(network::<f32>()).expect("a network that ends in no activation");
    let mut closing = Trainer::new(model, CrossEntropy::new(), Optimizer::new(Adam::default(), 1e-2))
        .progress(Progress::Silent)
        .closing(ClosingPolicy::new())
        .checkpoints(often());
    closing.fit(&examples(), None).expect("a training");
    take();
    files
}

/// As it stands, and with a frame that is right, which lets damage through to what it holds.
pub(super) fn checkpoint(bytes: &[u8]) -> Result<(), String> {
    let path = folder("checkpoint").join("x.kniff");
    write(&path, bytes);
    let stands = load_checkpoint::<f32>(&path);
    let Some(whole) = framed(b"KNCKP", bytes) else { return stands };
    write(&path, &whole);
    let framed_right = load_checkpoint::<f64>(&path).and(load_checkpoint::<f32>(&path));
    let start = &*START;
    let Some(rest) = bytes.get(start.len()..) else { return framed_right.and(stands) };
    let Some(whole) = framed(b"KNCKP", &[start, rest].concat()) else { return stands };
    write(&path, &whole);
    load_checkpoint::<f32>(&path).and(framed_right).and(stands)
}

/// What all checkpoints of the training begin with, its settings: damage there is all that a reader would come to see.
static START: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let seeds = checkpoint_seeds();
    // The frame is made anew; the numbers begin where the weights do.
    let same = seeds[0].iter().zip(&seeds[1]).skip(FRAME).take_while(|(a, b)| a == b).count();
    seeds[0][..FRAME + same].to_vec()
});

/// Looks at it, and trains on from it where it is one of the training above.
fn load_checkpoint<E: Element>(path: &Path) -> Result<(), String> {
    let checkpoint = Checkpoint::<E>::load(path).map_err(|error| plain(error, path))?;
    assert!(checkpoint.epoch() < usize::MAX && checkpoint.step() < usize::MAX && checkpoint.notes().len() < 1 << 16);
    let mut trainer = trainer::<E>();
    let before = trainer.model().state();
    if let Err(error) = trainer.resume(path) {
        assert_eq!(trainer.model().state(), before, "a refused checkpoint changed the model");
        // What differs, without the folder's name and the values.
        return Err(match error {
            TrainError::Resume { differences, .. } => differences.first().map(|d| d.what.clone()).unwrap_or_default(),
            error => said(error).replace(&path.display().to_string(), ""),
        });
    }
    let trained = trainer.fit(&examples(), None).map(drop).map_err(said);
    if let Err(error) = &trained {
        assert!(!error.contains("panicked"), "{error}");
    }
    trained
}

pub(super) fn history_seeds() -> Vec<Vec<u8>> {
    let record = r#"{"epoch":1,"train_loss":0.5,"valid_loss":0.25,"metrics":[{"name":"accuracy","train":0.5,"valid":null}],"learning_rate":0.1,"gradient_norm":1.0,"examples":10,"seconds":0.5,"train_loss_error":null,"closing":null}"#;
    let record: EpochRecord = serde_json::from_str(record).expect("a record");
    vec![History { epochs: vec![record.clone(), record] }.to_json().into_bytes()]
}

pub(super) fn history(bytes: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(bytes);
    let history = History::from_json(&text).map_err(said)?;
    assert!(history.to_csv().len() < 1 << 24);
    History::from_json(&history.to_json()).map(drop).map_err(said)
}
