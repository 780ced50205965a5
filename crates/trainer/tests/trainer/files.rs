//! Model files, whole and damaged.

use crate::folder::Folder;
use crate::networks::{clouds, loader, network, trainer};
use kniff_init::HeNormal;
use kniff_nn::ModuleExt;
use kniff_nn::layers::{Linear, Sequential};
use kniff_tensor::Rng;
use kniff_trainer::{FileError, ModelFile};
use proptest::prelude::*;
use std::sync::LazyLock;

/// A whole file's bytes.
fn bytes() -> Vec<u8> {
    static BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let folder = Folder::new("files-bytes");
        let path = folder.file("model.kniff");
        ModelFile::of(&network(1)).with("classes", &["a", "b", "c"]).unwrap().save(&path).unwrap();
        std::fs::read(path).unwrap()
    });
    BYTES.clone()
}

#[test]
fn a_trained_model_comes_back_with_what_belongs_to_it() {
    let folder = Folder::new("files-back");
    let path = folder.file("model.kniff");
    let (mut trainer, data) = (trainer().epochs(2), loader(clouds(96, 1)));
    trainer.fit(&data, None).unwrap();
    ModelFile::of(trainer.model()).with("history", trainer.history()).unwrap().save(&path).unwrap();

    let file = ModelFile::<f32>::load(&path).unwrap();
    assert_eq!(file.kniff_version(), env!("CARGO_PKG_VERSION"));
    assert_eq!(&file.get::<kniff_trainer::History>("history").unwrap(), trainer.history());
    let mut other = crate::networks::trainer();
    file.load_into(other.model_mut()).unwrap();
    assert_eq!(other.model().state(), trainer.model().state());
    assert_eq!(other.evaluate(&data).unwrap(), trainer.evaluate(&data).unwrap());
    // Nothing but the file is left in the folder.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn both_element_types_are_stored_and_told_apart() {
    let folder = Folder::new("files-elements");
    let path = folder.file("double.kniff");
    let net = Sequential::<f64>::new().with(Linear::new(3, 2, HeNormal, &mut Rng::new(1)));
    ModelFile::of(&net).save(&path).unwrap();
    assert_eq!(ModelFile::<f64>::load(&path).unwrap().state(), net.state());
    let error = ModelFile::<f32>::load(&path).unwrap_err();
    assert!(matches!(&error, FileError::Element { expected: "f32", found, .. } if found == "f64"), "{error}");
    assert!(error.to_string().contains("double.kniff"));
}

#[test]
fn a_file_of_another_model_names_every_difference_and_changes_nothing() {
    let folder = Folder::new("files-other");
    let path = folder.file("model.kniff");
    ModelFile::of(&network(1)).save(&path).unwrap();
    let mut other: Sequential = Sequential::new()
        .with(Linear::new(2, 8, HeNormal, &mut Rng::new(0)))
        .named("head", Linear::new(8, 3, HeNormal, &mut Rng::new(0)));
    let before = other.state();
    let error = ModelFile::<f32>::load(&path).unwrap().load_into(&mut other).unwrap_err();
    let text = error.to_string();
    for part in ["model.kniff", "0.bias", "head.weight", "out.weight", "1.running_var", "[8, 2]", "[16, 2]"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert_eq!(other.state(), before);
}

#[test]
fn what_is_no_model_file_is_refused_by_name() {
    let folder = Folder::new("files-refused");
    let refused = |name: &str, bytes: &[u8]| {
        let path = folder.file(name);
        std::fs::write(&path, bytes).unwrap();
        let error = ModelFile::<f32>::load(&path).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
        error
    };
    let whole = bytes();
    let damaged = |error| matches!(error, FileError::Damaged { .. });
    assert!(damaged(refused("empty", b"")));
    assert!(damaged(refused("text", b"epoch,loss\n1,0.5\n")));
    assert!(damaged(refused("start", &whole[..3])));
    assert!(damaged(refused("header", &whole[..18])));
    assert!(damaged(refused("cut", &whole[..whole.len() - 1])));
    assert!(damaged(refused("longer", &[&whole[..], &[0]].concat())));
    let mut later = whole.clone();
    later[5] = 2;
    assert!(matches!(refused("later", &later), FileError::Version { expected: 1, found: 2, .. }));
    let mut changed = whole.clone();
    *changed.last_mut().unwrap() ^= 1;
    let error = refused("changed", &changed);
    assert!(error.to_string().contains("expected checksum"), "{error}");
    let mut huge = whole;
    huge[9..17].copy_from_slice(&u64::MAX.to_le_bytes());
    let error = refused("huge", &huge);
    assert!(error.to_string().contains("expected 18446744073709551615 bytes after the header"), "{error}");
    assert!(matches!(ModelFile::<f32>::load(folder.file("nowhere")), Err(FileError::Io { .. })));
    assert!(ModelFile::<f32>::load(folder.path()).is_err());
    assert!(ModelFile::of(&network(1)).save(folder.file("no/such/folder")).is_err());
}

#[test]
fn values_that_are_not_there_or_of_another_type_are_refused() {
    let file = ModelFile::of(&network(1)).with("classes", &10).unwrap();
    let error = file.get::<usize>("clases").unwrap_err().to_string();
    assert!(error.contains("\"clases\"") && error.contains("it has: classes"), "{error}");
    assert!(matches!(file.get::<String>("classes"), Err(FileError::Metadata { .. })));
}

/// A right frame around any content.
fn framed(payload: &[u8]) -> Vec<u8> {
    let mut bytes = b"KNIFF\x01\0\0\0".to_vec();
    bytes.extend((payload.len() as u64).to_le_bytes());
    bytes.extend(crc32fast::hash(payload).to_le_bytes());
    bytes.extend(payload);
    bytes
}

const HEADER: usize = 21;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn one_changed_byte_is_always_seen(at: prop::sample::Index, by in 1_u8..) {
        let folder = Folder::new("files-byte");
        let mut bytes = bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= by;
        let path = folder.file("model.kniff");
        std::fs::write(&path, bytes).unwrap();
        prop_assert!(ModelFile::<f32>::load(&path).is_err());
    }

    #[test]
    fn a_cut_is_always_seen(at: prop::sample::Index) {
        let folder = Folder::new("files-cut");
        let bytes = bytes();
        let path = folder.file("model.kniff");
        std::fs::write(&path, &bytes[..at.index(bytes.len())]).unwrap();
        prop_assert!(ModelFile::<f32>::load(&path).is_err());
    }

    /// With a checksum that is right: what is inside must still be read with care.
    #[test]
    fn forged_content_is_read_or_refused(at: prop::sample::Index, with in prop::collection::vec(any::<u8>(), 1..9)) {
        let folder = Folder::new("files-forged");
        let mut payload = bytes().split_off(HEADER);
        let at = at.index(payload.len());
        let end = (at + with.len()).min(payload.len());
        payload[at..end].copy_from_slice(&with[..end - at]);
        let path = folder.file("model.kniff");
        std::fs::write(&path, framed(&payload)).unwrap();
        if let Ok(file) = ModelFile::<f32>::load(&path) {
            let _ = file.load_into(&mut network(1));
        }
    }
}
