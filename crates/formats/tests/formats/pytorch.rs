//! Every layer with weights, loaded from a state dict that PyTorch saved, gives what PyTorch gives.

use crate::files::{Net, fixture};
use kniff_autograd::Var;
use kniff_formats::{Weights, npz, safetensors};
use kniff_init::{GlorotUniform, HeNormal, Normal};
use kniff_nn::layers::{
    BatchNorm1d, BatchNorm2d, Conv1d, Conv2d, ConvTranspose1d, ConvTranspose2d, Embedding, GroupNorm, Gru,
    InstanceNorm2d, LayerNorm, Linear, Lstm, Prelu, Recurrence, Recurrent, RecurrentOptions, RmsNorm, Rnn,
};
use kniff_nn::{Layer, ModuleExt};
use kniff_tensor::{Element, Rng, Tensor};

/// The largest difference from PyTorch's float64 result, divided by the largest element.
fn difference<E: Element>(name: &str, layer: &impl Layer<E>) -> f64 {
    let examples: Weights<f64> = safetensors::read(fixture("examples.safetensors")).unwrap();
    let x = examples.get(&format!("{name}.x")).unwrap().cast::<E>();
    let expected = examples.get(&format!("{name}.y")).unwrap();
    let y = layer.forward(&Var::constant(x)).value().cast::<f64>();
    assert_eq!(y.shape(), expected.shape(), "{name}");
    let largest = expected.to_vec().iter().fold(0.0_f64, |m, x| m.max(x.abs()));
    y.to_vec().iter().zip(expected.to_vec()).fold(0.0, |m: f64, (y, e)| m.max((y - e).abs())) / largest
}

/// Loads the file named like the case into both precisions, compares, and saves it again for the same numbers.
fn agrees(name: &str, single: impl Layer<f32>, double: impl Layer<f64>) {
    let path = fixture(&format!("{name}.safetensors"));
    let (mut single, mut double) = (single, double);
    safetensors::load_into(&mut single, &path).unwrap();
    safetensors::load_into(&mut double, &path).unwrap();
    let (single_off, double_off) = (difference(name, &single), difference(name, &double));
    assert!(double_off < 1e-13, "{name}: {double_off:e} in f64");
    assert!(single_off < 1e-6, "{name}: {single_off:e} in f32");
    // What PyTorch wrote, byte for byte: same order, types, shapes, offsets and header.
    let bytes = safetensors::encode(name, &Weights::of(&single)).unwrap();
    assert!(bytes == std::fs::read(&path).unwrap(), "{name}: another file than PyTorch's");
}

macro_rules! layers {
    ($($name:ident: $make:expr;)*) => {$(
        #[test]
        fn $name() {
            fn make<E: Element>(rng: &mut Rng) -> impl Layer<E> {
                let make: fn(&mut Rng) -> _ = $make;
                make(rng)
            }
            agrees(stringify!($name), make::<f32>(&mut Rng::new(1)), make::<f64>(&mut Rng::new(2)));
        }
    )*};
}

layers! {
    linear: |rng| Linear::<E>::new(3, 4, HeNormal, rng);
    linear_without_bias: |rng| Linear::<E>::without_bias(3, 4, HeNormal, rng);
    conv1d: |rng| Conv1d::<E>::new(2, 4, 3, HeNormal, rng).with_stride(2).with_padding(1);
    conv2d: |rng| Conv2d::<E>::new(2, 3, [3, 2], HeNormal, rng).with_padding(1);
    conv2d_grouped: |rng| Conv2d::<E>::grouped(4, 6, 3, 2, HeNormal, rng).with_padding(1);
    conv2d_depthwise: |rng| Conv2d::<E>::grouped(3, 6, 3, 3, HeNormal, rng).into_without_bias();
    conv_transpose1d: |rng| ConvTranspose1d::<E>::new(2, 3, 3, HeNormal, rng).with_stride(2);
    conv_transpose2d_grouped: |rng| ConvTranspose2d::<E>::grouped(4, 6, [3, 2], 2, HeNormal, rng)
        .with_stride(2).with_padding(1).with_output_padding(1);
    batch_norm1d: |_| BatchNorm1d::<E>::new(3);
    batch_norm2d: |_| BatchNorm2d::<E>::new(3);
    layer_norm: |_| LayerNorm::<E>::new([2, 3]);
    group_norm: |_| GroupNorm::<E>::new(2, 4);
    instance_norm2d: |_| InstanceNorm2d::<E>::with_affine(3);
    rms_norm: |_| RmsNorm::<E>::new(4);
    embedding: |rng| Embedding::<E>::new(5, 3, Normal::centered(1.0), rng);
    prelu: |_| Prelu::<E>::new(3);
    rnn: |rng| Rnn::<E>::new(2, 3, GlorotUniform, GlorotUniform, rng);
    rnn_relu: |rng| recurrent::<kniff_nn::layers::RnnStep, E>(3, RecurrentOptions { bias: false, ..one() }, rng).with_relu();
    gru: |rng| Gru::<E>::new(2, 3, GlorotUniform, GlorotUniform, rng);
    gru_bidirectional: |rng| recurrent::<kniff_nn::layers::GruStep, E>(2, two_by_two(), rng);
    lstm: |rng| Lstm::<E>::new(2, 3, GlorotUniform, GlorotUniform, rng);
    lstm_bidirectional: |rng| recurrent::<kniff_nn::layers::LstmStep, E>(2, two_by_two(), rng);
}

fn one() -> RecurrentOptions {
    RecurrentOptions::default()
}

fn two_by_two() -> RecurrentOptions {
    RecurrentOptions { layers: 2, bidirectional: true, ..one() }
}

fn recurrent<R: Recurrence, E: Element>(hidden: usize, options: RecurrentOptions, rng: &mut Rng) -> Recurrent<R, E> {
    Recurrent::with_options(2, hidden, options, GlorotUniform, GlorotUniform, rng)
}

#[test]
fn a_network_of_named_parts() {
    agrees("net", Net::<f32>::new(1), Net::<f64>::new(2));
    let counted = safetensors::read::<f32>(fixture("net.safetensors")).unwrap();
    assert_eq!(counted.get("features.1.num_batches_tracked").unwrap().item(), 3.0);
}

#[test]
fn a_wrapped_network_needs_its_prefix_stripped() {
    let wrapped = safetensors::read(fixture("net_wrapped.safetensors")).unwrap();
    let mut net = Net::<f64>::new(3);
    let said = wrapped.load_into(&mut net).unwrap_err().to_string();
    assert!(said.contains("missing: features.0.weight") && said.contains("module.fc.bias, module.fc.weight"), "{said}");
    assert_eq!(net.state(), Net::<f64>::new(3).state());
    wrapped.strip_prefix("module.").unwrap().load_into(&mut net).unwrap();
    assert!(difference("net", &net) < 1e-13);
}

#[test]
fn half_precision_is_widened_and_double_is_rounded() {
    for name in ["net_f16", "net_bf16", "net_f64"] {
        let path = fixture(&format!("{name}.safetensors"));
        let (mut single, mut double) = (Net::<f32>::new(1), Net::<f64>::new(1));
        safetensors::load_into(&mut single, &path).unwrap();
        safetensors::load_into(&mut double, &path).unwrap();
        assert!(difference(name, &double) < 1e-13, "{name}: {}", difference(name, &double));
        assert!(difference(name, &single) < 1e-6, "{name}: {}", difference(name, &single));
    }
    // Half precision is really what was read.
    let mut half = Net::<f64>::new(1);
    safetensors::load_into(&mut half, fixture("net_bf16.safetensors")).unwrap();
    assert!(difference("net", &half) > 1e-4);
}

#[test]
fn numpys_archives() {
    for name in ["net.npz", "net_compressed.npz"] {
        let mut net = Net::<f64>::new(1);
        npz::load_into(&mut net, fixture(name)).unwrap();
        assert!(difference("net", &net) < 1e-13, "{name}");
        let whole = safetensors::read::<f64>(fixture("net.safetensors")).unwrap();
        for (name, x) in npz::read::<f64>(fixture(name)).unwrap().tensors() {
            assert_eq!(Some(x), whole.get(name), "{name}");
        }
    }
    // Column-major, big-endian, and statistics in half precision.
    let mut net = Net::<f64>::new(1);
    npz::load_into(&mut net, fixture("net_orders.npz")).unwrap();
    let off = difference("net", &net);
    assert!(off > 1e-6 && off < 1e-2, "{off:e}");
    let exact = safetensors::read::<f64>(fixture("net.safetensors")).unwrap();
    assert_eq!(npz::read::<f64>(fixture("net_orders.npz")).unwrap().get("fc.weight"), exact.get("fc.weight"));
    assert_eq!(npz::read::<f64>(fixture("net_orders.npz")).unwrap().get("fc.bias"), exact.get("fc.bias"));
}

#[test]
fn a_tensor_that_is_not_read_is_named() {
    let said = safetensors::read::<f32>(fixture("complex.safetensors")).unwrap_err().to_string();
    assert!(said.contains("complex.safetensors: tensor \"w\" holds C64"), "{said}");
    let said = safetensors::read::<f32>(fixture("too_large.safetensors")).unwrap_err().to_string();
    assert!(said.contains("tensor \"w\" holds 1e300 at 1, which f32 cannot hold; read it as f64"), "{said}");
    let whole = safetensors::read::<f64>(fixture("too_large.safetensors")).unwrap();
    assert_eq!(whole.get("w").unwrap(), &Tensor::from_slice(&[1.0, 1e300], [2]));
}
