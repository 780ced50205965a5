//! Files written here, read here, damaged and replaced.

use kniff_autograd::Var;
use kniff_formats::{FormatError, Weights, npz, safetensors};
use kniff_init::HeNormal;
use kniff_nn::layers::{BatchNorm2d, Conv2d, Flatten, Linear, MaxPool2d, Relu, Sequential};
use kniff_nn::{Layer, Module, ModuleExt, ShapeError};
use kniff_tensor::{Element, Rng, Shape, Tensor};
use std::path::PathBuf;

/// The network of `make.py`, its parts named alike.
#[derive(Module)]
pub(crate) struct Net<E: Element> {
    features: Sequential<E>,
    fc: Linear<E>,
}

impl<E: Element> Net<E> {
    pub(crate) fn new(seed: u64) -> Self {
        let rng = &mut Rng::new(seed);
        let features = Sequential::new()
            .with(Conv2d::without_bias(1, 4, 3, HeNormal, rng).with_padding(1))
            .with(BatchNorm2d::new(4))
            .with(Relu)
            .with(MaxPool2d::new(2));
        Self { features, fc: Linear::new(16, 3, HeNormal, rng) }
    }
}

impl<E: Element> Layer<E> for Net<E> {
    fn forward(&self, x: &Var<E>) -> Var<E> {
        self.fc.forward(&Flatten.forward(&self.features.forward(x)))
    }

    fn output_shape(&self, _: &[usize]) -> Result<Shape, ShapeError> {
        Ok(Shape::from([3]))
    }
}

pub(crate) fn fixture(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures")).join(name)
}

/// A folder of a test's own, gone at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("kniff-formats-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn both_formats_bring_back_every_bit_and_write_the_same_bytes_again() {
    let folder = Folder::new("back");
    let special = Tensor::from_slice(&[f64::NAN, f64::INFINITY, -0.0, 5e-324, f64::MAX], [5]);
    let weights = Weights::new([
        ("b".to_owned(), Tensor::<f64>::randn([2, 3], &mut Rng::new(1)).t()),
        ("a.ü".to_owned(), special),
        ("empty".to_owned(), Tensor::zeros([0, 4])),
        ("scalar".to_owned(), Tensor::scalar(2.5)),
    ])
    .unwrap();
    let bits = |w: &Weights<f64>| {
        let mut all: Vec<_> =
            w.tensors().iter().map(|(name, x)| (name.clone(), x.shape().to_vec(), x.to_vec())).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all.into_iter()
            .map(|(name, shape, x)| (name, shape, x.into_iter().map(f64::to_bits).collect::<Vec<_>>()))
            .collect::<Vec<_>>()
    };
    let (one, two) = (folder.0.join("w.safetensors"), folder.0.join("w.npz"));
    safetensors::write(&one, &weights).unwrap();
    npz::write(&two, &weights).unwrap();
    assert_eq!(bits(&safetensors::read(&one).unwrap()), bits(&weights));
    assert_eq!(bits(&npz::read(&two).unwrap()), bits(&weights));
    let before = (std::fs::read(&one).unwrap(), std::fs::read(&two).unwrap());
    safetensors::write(&one, &weights).unwrap();
    npz::write(&two, &weights).unwrap();
    assert!(before == (std::fs::read(&one).unwrap(), std::fs::read(&two).unwrap()));
    // Nothing but the two is left in the folder.
    assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 2);
}

#[test]
fn a_model_goes_out_and_comes_back() {
    let folder = Folder::new("model");
    let mut net = Net::<f32>::new(5);
    net.forward(&Var::constant(Tensor::randn([2, 1, 4, 4], &mut Rng::new(1))));
    net.features.forward_train(&Var::constant(Tensor::randn([2, 1, 4, 4], &mut Rng::new(1))), &mut Rng::new(2));
    for (path, of_npz) in [(folder.0.join("m.safetensors"), false), (folder.0.join("m.npz"), true)] {
        let mut other = Net::<f32>::new(6);
        if of_npz {
            npz::save(&net, &path).unwrap();
            npz::load_into(&mut other, &path).unwrap();
        } else {
            safetensors::save(&net, &path).unwrap();
            safetensors::load_into(&mut other, &path).unwrap();
        }
        assert_eq!(other.state(), net.state());
    }
    let error = safetensors::load_into(&mut net, folder.0.join("none.safetensors")).unwrap_err();
    assert!(matches!(&error, FormatError::Io { file, .. } if file.ends_with("none.safetensors")), "{error}");
    assert!(safetensors::save(&net, folder.0.join("no/such.safetensors")).unwrap_err().to_string().contains("such"));
}

#[test]
fn what_does_not_fit_a_model_is_named_all_at_once_and_nothing_is_changed() {
    let mut tensors = safetensors::read::<f32>(fixture("net.safetensors")).unwrap().tensors().to_vec();
    for (name, tensor) in &mut tensors {
        match name.as_str() {
            "fc.bias" => *name = "fc.offset".into(),
            "fc.weight" => *tensor = Tensor::zeros([7]),
            _ => {}
        }
    }
    let bytes = safetensors::encode("x", &Weights::new(tensors).unwrap()).unwrap();
    let mut net = Net::<f32>::new(5);
    let before = net.state();
    let error =
        safetensors::parse::<f32>("x.safetensors", &bytes).unwrap().load_into(&mut net).unwrap_err().to_string();
    for part in ["x.safetensors", "fc.bias", "fc.offset", "fc.weight", "[7]"] {
        assert!(error.contains(part), "{part}: {error}");
    }
    assert_eq!(net.state(), before);
}

#[test]
fn damage_is_named_with_its_file() {
    let whole = std::fs::read(fixture("net.safetensors")).unwrap();
    let says = |bytes: &[u8], words: &str| {
        let said = safetensors::parse::<f32>("f.safetensors", bytes).unwrap_err().to_string();
        assert!(said.starts_with("f.safetensors: expected ") && said.contains(words), "{said}");
    };
    says(b"", "header too small");
    says(&whole[..whole.len() - 1], "not fully covered");
    says(&[&whole[..], &[0]].concat(), "not fully covered");
    says(&[255; 40], "header");
    let header = |text: &str| [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat();
    says(&header("{"), "JSON");
    // Sizes whose product only an axis of 0 hides, and too many axes.
    let huge = r#"{"w":{"dtype":"F32","shape":[0,9223372036854775807],"data_offsets":[0,0]}}"#;
    says(&header(huge), "\"w\" of shape [0, 9223372036854775807]");
    let deep = r#"{"w":{"dtype":"F32","shape":[0,1,1,1,1,1,1,1,1,1,1],"data_offsets":[0,0]}}"#;
    says(&header(deep), "at most 8 axes");
    let lie = r#"{"w":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4000000000000]}}"#;
    says(&header(lie), "not fully covered");
}
