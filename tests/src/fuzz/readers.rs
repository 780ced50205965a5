//! The readers of the house, each as a function of bytes.

use super::Reader;
use super::settings::{settings, settings_seeds};
use super::training::{checkpoint, checkpoint_seeds, history, history_seeds, model, model_seeds, network};
use kniff::data::{
    CsvReader, Fit, Fitted, IdxReader, Missing, Normalizer, NpyReader, NpzReader, PcaOptions, Picture, Pipeline, Split,
    breast_cancer, cifar10, encode_npy, encode_npz,
};
use kniff::formats::{Weights, safetensors};
use kniff::tensor::{Rng, Tensor};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Every reader.
pub const READERS: &[Reader] = &[
    Reader { name: "idx", seeds: idx_seeds, words: &[b"\0\0\x08\x03", b"\x1f\x8b"], memory: SOME, read: idx },
    Reader { name: "csv", seeds: csv_seeds, words: &[b"\"", b"\r\n", b",", b"NaN", b"inf"], memory: SOME, read: csv },
    Reader { name: "npy", seeds: npy_seeds, words: NPY_WORDS, memory: SOME, read: npy },
    Reader { name: "npz", seeds: npz_seeds, words: NPY_WORDS, memory: SOME, read: npz },
    Reader { name: "cifar", seeds: cifar_seeds, words: &[b"\x1f\x8b\x08", b"\n"], memory: SOME, read: cifar },
    // A picture may take a gigabyte in its decoder, and a few bytes for each of 2^27 pixels.
    Reader { name: "picture", seeds: picture_seeds, words: PICTURE_WORDS, memory: 3 << 30, read: picture },
    Reader { name: "safetensors", seeds: safetensors_seeds, words: SAFETENSORS_WORDS, memory: SOME, read: tensors },
    Reader { name: "model-file", seeds: model_seeds, words: &[b"KNIFF", b"f32", b"f64"], memory: SOME, read: model },
    Reader { name: "checkpoint", seeds: checkpoint_seeds, words: CHECKPOINT_WORDS, memory: SOME, read: checkpoint },
    Reader { name: "normalizer", seeds: normalizer_seeds, words: JSON_WORDS, memory: SOME, read: normalizer },
    Reader { name: "history", seeds: history_seeds, words: JSON_WORDS, memory: SOME, read: history },
    Reader { name: "settings", seeds: settings_seeds, words: JSON_WORDS, memory: SOME, read: settings },
];

/// The reader of a name.
pub fn reader(name: &str) -> Option<&'static Reader> {
    READERS.iter().find(|reader| reader.name == name)
}

/// More than any file of 64 KiB justifies but for what unpacks, which is limited to [`LIMIT`].
const SOME: u64 = 64 << 20;
/// What packed files may unpack to here.
const LIMIT: u64 = 1 << 20;

const NPY_WORDS: &[&[u8]] = &[
    b"\x93NUMPY",
    b"'descr': '<f4'",
    b"'fortran_order': True",
    b"'shape': (",
    b"PK\x01\x02",
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"PK\x06\x06",
    b"<f2",
    b">i8",
    b"|b1",
];
const PICTURE_WORDS: &[&[u8]] = &[
    b"\x89PNG\r\n\x1a\n",
    b"IHDR",
    b"IDAT",
    b"PLTE",
    b"tRNS",
    b"IEND",
    b"\xff\xd8",
    b"\xff\xc0",
    b"\xff\xc4",
    b"\xff\xda",
    b"BM",
];
const SAFETENSORS_WORDS: &[&[u8]] = &[
    b"\"dtype\":\"F16\"",
    b"\"BF16\"",
    b"\"I64\"",
    b"\"BOOL\"",
    b"\"F4\"",
    b"\"C64\"",
    b"\"shape\":[",
    b"\"data_offsets\":[",
    b"{",
    b"}",
    b"[0,0]",
];
const CHECKPOINT_WORDS: &[&[u8]] = &[
    b"KNCKP",
    b"f32",
    b"Adam",
    b"\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\0\0\0\0\0\0\xf0\x7f",
    b"\0\0\0\0\0\0\xf8\x7f",
    b"\x01\0\0\0\0\0\0\0",
    b"\0\0\0\0\0\0\0\0",
];
const JSON_WORDS: &[&[u8]] = &[b"{", b"}", b"[", b"]", b"null", b"\"", b"-", b"[0,", b",1]", b"1e400"];

pub(super) fn said(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(bytes).and_then(|()| packed.finish()).expect("a vector takes all")
}

fn idx_seeds() -> Vec<Vec<u8>> {
    let file = |code: u8, size: usize| -> Vec<u8> {
        let header = [0, 0, code, 2, 0, 0, 0, 2, 0, 0, 0, 3];
        header.into_iter().chain((0..6 * size).map(|i| i as u8)).collect()
    };
    let mut all = vec![file(8, 1), file(9, 1), file(0xb, 2), file(0xc, 4), file(0xd, 4), file(0xe, 8)];
    all.push(gzip(&all[0]));
    all
}

fn idx(bytes: &[u8]) -> Result<(), String> {
    let idx = IdxReader::new().limit(LIMIT).parse("x.idx", bytes).map_err(said)?;
    assert_eq!(idx.to_tensor::<f32>().shape().to_vec(), idx.shape());
    idx.to_indices().map(drop).map_err(said)
}

fn csv_seeds() -> Vec<Vec<u8>> {
    let plain = "length,width,\"kind, or so\"\n5.1,3.5,setosa\n7.0,3.2,\"versi\"\"color\"\n6.0,,virginica\n";
    let numbers = "1;2;3\r\n-4e-3;5.5;+6\r\n7;8;9\r\n";
    let labels = "a,b,c\n1,NA,01\n2,?,1.0\n3,none,2\n";
    vec![plain.into(), numbers.into(), labels.into(), gzip(plain.as_bytes())]
}

fn csv(bytes: &[u8]) -> Result<(), String> {
    let plain = [Missing::Refuse, Missing::DropRow, Missing::Mean, Missing::Constant(0.0)]
        .into_iter()
        .map(|missing| CsvReader::new().missing(missing).limit(LIMIT));
    let mut last = Ok(());
    for reader in plain.clone().chain(plain.map(|r| r.label(2))).chain([CsvReader::new().delimiter(b';').targets([0])])
    {
        last = match reader.parse::<f32>("x.csv", bytes) {
            Ok(table) => {
                assert!(table.inputs.all_finite());
                assert_eq!(table.inputs.shape()[1], table.columns.len());
                if let Some(labels) = &table.labels {
                    assert!(labels.max() < Some(table.classes.len()));
                }
                Ok(())
            }
            Err(error) => Err(said(error)),
        };
    }
    last
}

fn npy_seeds() -> Vec<Vec<u8>> {
    let with = |descr: &str, order: &str, shape: &str, bytes: usize| {
        let header = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}\n");
        let mut file = b"\x93NUMPY\x01\x00".to_vec();
        file.extend((header.len() as u16).to_le_bytes());
        file.extend(header.bytes());
        file.extend((0..bytes).map(|i| i as u8));
        file
    };
    let mut written = Vec::new();
    encode_npy(&mut written, &Tensor::<f32>::arange(12).reshape([3, 4])).expect("a vector takes all");
    let packed = gzip(&written);
    vec![
        written,
        packed,
        with("<f2", "False", "(2, 3)", 12),
        with(">f8", "True", "(2, 3)", 48),
        with("|b1", "False", "()", 1),
        with("<u8", "False", "(1,)", 8),
    ]
}

fn npy(bytes: &[u8]) -> Result<(), String> {
    let reader = NpyReader::new().limit(LIMIT);
    let double = reader.parse::<f64>("x.npy", bytes).map_err(said)?;
    let single = reader.parse::<f32>("x.npy", bytes).map_err(said)?;
    assert_eq!(single.shape(), double.shape());
    Ok(())
}

fn npz_seeds() -> Vec<Vec<u8>> {
    let mut written = Vec::new();
    let (a, b) = (Tensor::<f64>::arange(6).reshape([2, 3]), Tensor::scalar(1.0));
    encode_npz(&mut written, &[("a", &a), ("b", &b)]).expect("a vector takes all");
    vec![
        written,
        include_bytes!("../../../crates/formats/tests/fixtures/net.npz").to_vec(),
        include_bytes!("../../../crates/formats/tests/fixtures/net_compressed.npz").to_vec(),
        include_bytes!("../../../crates/formats/tests/fixtures/net_orders.npz").to_vec(),
    ]
}

fn npz(bytes: &[u8]) -> Result<(), String> {
    let arrays = NpzReader::new().limit(LIMIT).parse::<f32>("x.npz", bytes).map_err(said)?;
    Weights::new(arrays).map(drop).map_err(said)
}

fn cifar_seeds() -> Vec<Vec<u8>> {
    let record: Vec<u8> = (0..3073).map(|i| (i % 10) as u8).collect();
    let names = (0..10).map(|i| format!("class {i}\n")).collect::<String>();
    vec![record.clone(), record.repeat(2), gzip(&record), names.into_bytes()]
}

/// As the test part of a folder, and as its names of classes.
fn cifar(bytes: &[u8]) -> Result<(), String> {
    let folder = folder("cifar");
    static SEEDS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(cifar_seeds);
    let record = &SEEDS[0];
    for i in 1..=5 {
        let path = folder.join(format!("data_batch_{i}.bin"));
        if !path.exists() {
            write(&path, record);
        }
    }
    let (test, names) = (folder.join("test_batch.bin"), folder.join("batches.meta.txt"));
    write(&test, bytes);
    write(&names, &SEEDS[3]);
    let as_pixels = cifar10(&folder).map(drop).map_err(said);
    write(&test, record);
    write(&names, bytes);
    cifar10(&folder).map(drop).map_err(said)?;
    as_pixels
}

fn picture_seeds() -> Vec<Vec<u8>> {
    let small = Picture::new((0..48).map(|i| i * 5).collect(), [3, 4, 4]).expect("48 bytes");
    let grey = small.clone().grey().to_png().expect("a picture");
    let mut files = vec![small.to_png().expect("a picture"), grey];
    files.push(include_bytes!("../../hostile/seeds/colour.jpg").to_vec());
    files.push(include_bytes!("../../hostile/seeds/grey_progressive.jpg").to_vec());
    files.push(include_bytes!("../../hostile/seeds/palette.png").to_vec());
    files.push(include_bytes!("../../hostile/seeds/interlaced16.png").to_vec());
    files.push(include_bytes!("../../hostile/seeds/colour.bmp").to_vec());
    files
}

/// As it stands, and as a PNG whose checksums are right, which lets damage through to what they vouch for.
fn picture(bytes: &[u8]) -> Result<(), String> {
    let stands = decode(bytes);
    if bytes.starts_with(PNG) {
        return decode(&with_checksums(bytes)).and(stands);
    }
    stands
}

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

fn with_checksums(png: &[u8]) -> Vec<u8> {
    let (mut bytes, mut at) = (png.to_vec(), PNG.len());
    // A chunk: its length, its name, its content, and the checksum of the last two.
    while let Some(length) = bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map(u32::from_be_bytes) {
        let end = at + 8 + length as usize;
        let Some(content) = bytes.get(at + 4..end) else { break };
        let sum = crc32fast::hash(content).to_be_bytes();
        let Some(place) = bytes.get_mut(end..end + 4) else { break };
        place.copy_from_slice(&sum);
        at = end + 4;
    }
    bytes
}

fn decode(bytes: &[u8]) -> Result<(), String> {
    let picture = Picture::parse("x.png", bytes).map_err(said)?;
    let [channels, height, width] = picture.shape();
    assert_eq!((channels, picture.pixels().len()), (3, 3 * height * width));
    if height * width < 1 << 14 {
        assert_eq!(picture.grey().resized(8, 8).map_err(said)?.to_tensor::<f32>().len(), 64);
    }
    Ok(())
}

fn safetensors_seeds() -> Vec<Vec<u8>> {
    let own = safetensors::encode("seed", &Weights::of(&network::<f32>())).expect("a few names");
    vec![
        own,
        include_bytes!("../../../crates/formats/tests/fixtures/net.safetensors").to_vec(),
        include_bytes!("../../../crates/formats/tests/fixtures/net_f16.safetensors").to_vec(),
        include_bytes!("../../../crates/formats/tests/fixtures/net_bf16.safetensors").to_vec(),
        include_bytes!("../../../crates/formats/tests/fixtures/net_f64.safetensors").to_vec(),
        include_bytes!("../../../crates/formats/tests/fixtures/complex.safetensors").to_vec(),
    ]
}

fn tensors(bytes: &[u8]) -> Result<(), String> {
    let double = safetensors::parse::<f64>("x.safetensors", bytes).map_err(said)?;
    let again = safetensors::encode("x", &double).map_err(said)?;
    let back = safetensors::parse::<f64>("x", &again).map_err(said)?;
    assert_eq!(back.tensors().len(), double.tensors().len());
    let single = safetensors::parse::<f32>("x.safetensors", bytes).map_err(said)?;
    let single = single.rename(|name| name.replace("fc.", "0.").replace("features.", "")).map_err(said)?;
    let mut network = network::<f32>();
    single.load_partial(&mut network).map(drop).map_err(said)?;
    single.load_into(&mut network).map_err(said)
}

pub(super) fn fitted() -> Vec<Fitted<f32>> {
    let table = breast_cancer();
    let split = Split::stratified(table.data, 0.0, 0.2, &mut Rng::new(1)).expect("enough examples");
    let fits = [
        vec![Fit::Standard],
        vec![Fit::MinMax(-1.0, 1.0)],
        vec![Fit::Standard, Fit::Pca(PcaOptions { keep: kniff::data::Keep::Components(2), ..PcaOptions::default() })],
    ];
    fits.iter().map(|fits| Fitted::fit(&split.train, fits).expect("a fit")).collect()
}

fn normalizer_seeds() -> Vec<Vec<u8>> {
    let json = |fitted: &Fitted<f32>| serde_json::to_vec(fitted).expect("JSON");
    let mut files: Vec<Vec<u8>> = fitted().iter().map(json).collect();
    // Small ones: their changes reach further.
    let x = Tensor::<f32>::randn([9, 2], &mut Rng::new(1));
    let standard = kniff::data::Standardizer::fit(&x).expect("a fit");
    let zca = kniff::data::ZcaWhitening::fit(&x, 0.1).expect("a fit");
    let range = kniff::data::MinMax::fit(&x, 0.0, 1.0).expect("a fit");
    let pca = kniff::data::PcaWhitening::fit(&x).expect("a fit");
    let channel = kniff::data::PerChannel::new(vec![0.5], vec![0.25]).expect("a fit");
    let steps = [
        Pipeline::new().then(standard),
        Pipeline::new().then(zca),
        Pipeline::new().then(range),
        Pipeline::new().then(pca),
        Pipeline::new().then(channel),
    ];
    files.extend(steps.iter().map(|steps| serde_json::to_vec(steps).expect("JSON")));
    files
}

fn normalizer(bytes: &[u8]) -> Result<(), String> {
    let whole = serde_json::from_slice::<Fitted<f32>>(bytes).map_err(said);
    if let Ok(fitted) = &whole {
        let columns = fitted.mean().len();
        let _ = fitted.transform(&Tensor::zeros([2, columns]));
        let _ = fitted.inspect(&Tensor::zeros([2, columns]));
        assert!(fitted.advice().len() < 100);
    }
    let pipeline = serde_json::from_slice::<Pipeline<f64>>(bytes).map_err(said);
    if let Ok(pipeline) = &pipeline {
        for shape in [vec![2, 1], vec![2, 2], vec![2, 30], vec![2, 1, 3, 3], vec![0, 2]] {
            let x = Tensor::<f64>::zeros(&shape);
            if let Ok(z) = pipeline.transform(&x) {
                let _ = pipeline.inverse_transform(&z);
            }
        }
    }
    whole.map(drop).and(pipeline.map(drop))
}

/// A folder of this thread's own, gone at its end.
pub(super) fn folder(name: &str) -> PathBuf {
    // Tests run side by side in one process.
    static NEXT: AtomicU64 = AtomicU64::new(0);
    thread_local! {
        static FOLDERS: Folders = Folders(NEXT.fetch_add(1, Ordering::Relaxed));
    }
    let path = FOLDERS.with(|folders| folders.path(name));
    std::fs::create_dir_all(&path).expect("a folder for temporary files");
    path
}

/// The folders of one thread.
struct Folders(u64);

impl Folders {
    fn path(&self, name: &str) -> PathBuf {
        memory().join(format!("{}{}-{name}", own(std::process::id()), self.0))
    }
}

impl Drop for Folders {
    fn drop(&mut self) {
        for name in ["cifar", "model", "checkpoint"] {
            let _ = std::fs::remove_dir_all(self.path(name));
        }
    }
}

/// How the folders of a process begin.
fn own(process: u32) -> String {
    format!("kniff-fuzz-{process}-")
}

/// In memory where there is such a folder: a disk would be what is measured.
fn memory() -> PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { memory.to_path_buf() } else { std::env::temp_dir() }
}

/// Removes what a process that was ended left.
pub(super) fn sweep(process: u32) {
    for entry in std::fs::read_dir(memory()).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(&own(process)) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

pub(super) fn write(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).expect("a folder that can be written to");
}
