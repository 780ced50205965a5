//! Readers against files that are damaged or made to do damage: an error or a result, never a panic, never absurd memory.

use flate2::{Compression, write::GzEncoder};
use kniff_data::{
    CsvReader, DataError, Idx, Missing, encode_npy, mnist, parse_npy, read_npy, read_npy_indices, write_npy,
};
use kniff_tensor::{Rng, Tensor};
use proptest::prelude::*;
use std::fs;
use std::io::Write;
use std::path::PathBuf;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut e = GzEncoder::new(Vec::new(), Compression::fast());
    e.write_all(bytes).unwrap();
    e.finish().unwrap()
}

fn idx_file() -> Vec<u8> {
    let header = [0, 0, 8, 2, 0, 0, 0, 4, 0, 0, 0, 5];
    header.into_iter().chain(0..20).collect()
}

fn npy_file() -> Vec<u8> {
    let mut file = Vec::new();
    encode_npy(&mut file, &Tensor::<f32>::arange(12).reshape([3, 4])).unwrap();
    file
}

const CSV: &str = "length,width,\"kind, or so\"\n5.1,3.5,setosa\n7.0,3.2,\"versi\"\"color\"\n6.0,,virginica\n";

/// A valid file with some bytes changed, cut off, put in or packed.
fn damaged(file: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 0..6);
    (changes, any::<prop::sample::Index>(), any::<bool>(), 0..3_u8).prop_map(move |(changes, end, cut, packed)| {
        let mut bytes = if packed == 1 { gzip(&file) } else { file.clone() };
        for (at, byte, how) in changes {
            if bytes.is_empty() {
                continue;
            }
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => bytes[at] ^= 1 << (byte % 8),
                2 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
        }
        if cut && !bytes.is_empty() {
            bytes.truncate(end.index(bytes.len()));
        }
        if packed == 2 { gzip(&bytes) } else { bytes }
    })
}

fn every_csv_reader() -> Vec<CsvReader> {
    let missing = [Missing::Refuse, Missing::DropRow, Missing::Mean, Missing::Constant(0.0)];
    let plain = missing.into_iter().map(|m| CsvReader::new().missing(m));
    plain.clone().chain(plain.map(|r| r.label(2))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn idx_never_panics(bytes in damaged(idx_file())) {
        if let Ok(idx) = Idx::parse("x", &bytes[..]) {
            prop_assert_eq!(idx.to_tensor::<f32>().shape().to_vec(), idx.shape());
            let _ = idx.to_indices();
        }
    }

    #[test]
    fn npy_never_panics(bytes in damaged(npy_file())) {
        let _ = parse_npy::<f64>("x", &bytes[..]);
    }

    #[test]
    fn csv_never_panics(bytes in damaged(CSV.into())) {
        for reader in every_csv_reader() {
            if let Ok(table) = reader.parse::<f32>("x", &bytes[..]) {
                prop_assert!(table.inputs.all_finite());
                prop_assert_eq!(table.inputs.shape()[1], table.columns.len());
                if let Some(labels) = &table.labels {
                    prop_assert!(labels.max() < Some(table.classes.len()));
                }
            }
        }
    }

    #[test]
    fn noise_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Idx::parse("x", &bytes[..]);
        let _ = parse_npy::<f32>("x", &bytes[..]);
        let _ = parse_npy::<f32>("x", &[b"\x93NUMPY\x01\x00".as_slice(), &bytes].concat()[..]);
        let _ = CsvReader::new().parse::<f32>("x", &bytes[..]);
    }

    #[test]
    fn npy_comes_back_as_it_went(shape in prop::collection::vec(0..5_usize, 0..4), seed: u64) {
        let x = Tensor::<f64>::randn(shape, &mut Rng::new(seed));
        let mut file = Vec::new();
        encode_npy(&mut file, &x).unwrap();
        prop_assert_eq!(parse_npy::<f64>("x", &file[..]).unwrap(), x);
    }
}

#[test]
fn a_table_larger_than_the_limit_is_refused_and_not_cut() {
    let rows = "1,2\n".repeat(1000);
    let reader = CsvReader::new().limit(3999);
    let said = reader.parse::<f32>("big.csv", rows.as_bytes()).unwrap_err().to_string();
    assert!(said.contains("big.csv") && said.contains("limit"), "{said}");
    assert_eq!(CsvReader::new().limit(4000).parse::<f32>("x", rows.as_bytes()).unwrap().inputs.shape(), &[1000, 2]);
    assert!(reader.parse::<f32>("big.csv.gz", &gzip(rows.as_bytes())[..]).is_err());
}

/// A folder of this test's own, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("kniff-data-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.0.join(name), bytes).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn images(n: u8) -> Vec<u8> {
    let numbers = (0..n as usize * 6).map(|i| i as u8);
    [0, 0, 8, 3, 0, 0, 0, n, 0, 0, 0, 2, 0, 0, 0, 3].into_iter().chain(numbers).collect()
}

fn labels(n: u8) -> Vec<u8> {
    [0, 0, 8, 1, 0, 0, 0, n].into_iter().chain((0..n).map(|i| i % 10)).collect()
}

#[test]
fn mnist_finds_its_files_and_names_what_is_wrong() {
    let says = |folder: &Folder, words: &[&str]| {
        let said = mnist(&folder.0).unwrap_err().to_string();
        assert!(words.iter().all(|w| said.contains(w)), "{said}");
    };
    let folder = Folder::new("mnist");
    assert!(mnist(folder.0.join("nowhere")).unwrap_err().to_string().contains("found nothing there"));
    says(&folder, &["train-images-idx3-ubyte", "train-images.idx3-ubyte", "none of them"]);
    folder.write("train-images.idx3-ubyte", &images(4));
    folder.write("train-labels-idx1-ubyte.gz", &gzip(&labels(4)));
    folder.write("t10k-images-idx3-ubyte.gz", &gzip(&images(2)));
    says(&folder, &["t10k-labels-idx1-ubyte"]);
    folder.write("t10k-labels-idx1-ubyte", &labels(3));
    says(&folder, &["t10k-labels-idx1-ubyte", "2 labels", "shape [3]"]);
    folder.write("t10k-labels-idx1-ubyte", &images(2));
    says(&folder, &["t10k-labels-idx1-ubyte", "2 labels"]);
    folder.write("t10k-labels-idx1-ubyte", &labels(2));
    let data = mnist(&folder.0).unwrap();
    assert_eq!(data.train.inputs().shape(), &[4, 1, 2, 3]);
    assert_eq!(data.test.targets().as_slice(), [0, 1]);
    folder.write("train-images.idx3-ubyte", &images(4)[..30]);
    says(&folder, &["train-images.idx3-ubyte", "24 bytes", "14 bytes"]);
}

#[test]
fn packed_files_unpack_to_a_gibibyte_and_no_more_unless_told() {
    // The header of 65536 images of 256 x 256, and nothing behind it.
    let folder = Folder::new("promise");
    let header = [0, 0, 8, 3, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0];
    folder.write("train-images-idx3-ubyte.gz", &gzip(&header));
    folder.write("train-labels-idx1-ubyte.gz", &gzip(&[0, 0, 8, 1, 0, 1, 0, 0]));
    folder.write("t10k-images-idx3-ubyte", &images(2));
    folder.write("t10k-labels-idx1-ubyte", &labels(2));
    let said = mnist(&folder.0).unwrap_err().to_string();
    assert!(said.contains("train-images") && said.contains("at most 1073741824 bytes"), "{said}");
    // 1040 MiB of empty lines, in a sixtieth of a MiB: the same member of a gzip file again and again.
    let member = gzip(&vec![b'\n'; 16 << 20]);
    let table = [gzip(b"1,2\n"), member.repeat(65)].concat();
    assert!(table.len() < 8 << 20);
    let said = CsvReader::new().parse::<f32>("x.csv.gz", &table[..]).unwrap_err().to_string();
    assert!(said.contains("limit of 1073741824"), "{said}");
}

#[test]
fn files_are_read_and_written_by_path() {
    let folder = Folder::new("paths");
    let path = folder.0.join("x.npy");
    write_npy(&path, &Tensor::<f32>::arange(3)).unwrap();
    assert_eq!(read_npy::<f64>(&path).unwrap().to_vec(), [0.0, 1.0, 2.0]);
    assert_eq!(read_npy_indices(&path).unwrap().as_slice(), [0, 1, 2]);
    write_npy(&path, &Tensor::<f32>::full([1], -1.0)).unwrap();
    assert!(read_npy_indices(&path).unwrap_err().to_string().contains("class labels"));
    folder.write("t.csv.gz", &gzip(b"1,2\n3,4\n"));
    assert_eq!(CsvReader::new().read::<f32>(folder.0.join("t.csv.gz")).unwrap().inputs.shape(), &[2, 2]);
    let e = CsvReader::new().read::<f32>(folder.0.join("none.csv")).unwrap_err();
    assert!(matches!(&e, DataError::Io { file, .. } if file.ends_with("none.csv")), "{e}");
    let e = Idx::read(&folder.0).unwrap_err();
    assert!(e.to_string().contains("expected a file, found a folder"), "{e}");
    let e = write_npy(folder.0.join("no/such/folder.npy"), &Tensor::<f32>::ones([1])).unwrap_err();
    assert!(e.to_string().contains("folder.npy"), "{e}");
}
