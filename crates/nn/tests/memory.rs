//! What backward keeps: foretold, measured, and what is really freed.

use kniff_autograd::Var;
use kniff_init::HeNormal;
use kniff_nn::layers::{
    AdaptiveAvgPool2d, AvgPool2d, BatchNorm1d, BatchNorm2d, Conv2d, ConvTranspose2d, Dropout, Dropout2d, Elu, Flatten,
    Gelu, GroupNorm, HardTanh, LeakyRelu, Linear, MaxPool2d, Maxout, Prelu, Relu, Residual, ScaledTanh, Selu,
    Sequential, Sigmoid, Silu, Softplus, Tanh,
};
use kniff_nn::losses::CrossEntropy;
use kniff_nn::{ClassHead, Head, Layer, Loss, ModuleExt, measure_memory, memory_plan, memory_plan_with_loss};
use kniff_tensor::{Element, Indices, Rng, Tensor};

fn linear(inputs: usize, outputs: usize) -> Linear {
    Linear::new(inputs, outputs, HeNormal, &mut Rng::new(1))
}

fn cross_entropy<E: Element>(z: &Var<E>) -> Var<E> {
    let labels = Indices::from_vec((0..z.shape()[0]).map(|i| i % z.shape()[1]).collect());
    CrossEntropy::new().loss(&ClassHead::wrap(z.clone()), &labels).unwrap()
}

/// Bytes kept by `12 -> 20 -> activation -> 7` beyond what the same network without the activation keeps, for 50 examples.
fn added_by(activation: impl Layer + 'static) -> usize {
    let bytes = |net: Sequential| memory_plan(&mut { net }, [12], 50).unwrap().bytes();
    let with = bytes(Sequential::new().with(linear(12, 20)).with(activation).with(linear(20, 7)));
    with - bytes(Sequential::new().with(linear(12, 20)).with(linear(20, 7)))
}

#[test]
fn relu_adds_nothing_and_the_others_what_their_derivative_needs() {
    let one = 50 * 20 * 4;
    // From the output, which the next layer keeps as its input.
    assert_eq!(added_by(Relu), 0);
    assert_eq!(added_by(Tanh), 0);
    assert_eq!(added_by(Sigmoid), 0);
    // From the input, which nobody else keeps.
    for added in [added_by(Elu::default()), added_by(Gelu), added_by(Silu), added_by(Selu)] {
        assert_eq!(added, one);
    }
    // A bit for each number.
    assert_eq!(added_by(Dropout::new(0.5)), 50 * 20 / 8);
    // Mean and variance of each feature, and the input.
    assert_eq!(added_by(BatchNorm1d::new(20)), one + 2 * 20 * 4);
}

#[test]
fn what_is_foretold_is_what_is_measured_for_every_layer() {
    let layers: Vec<Box<dyn Fn() -> Box<dyn Layer>>> = vec![
        Box::new(|| Box::new(Relu)),
        Box::new(|| Box::new(Tanh)),
        Box::new(|| Box::new(Sigmoid)),
        Box::new(|| Box::new(ScaledTanh)),
        Box::new(|| Box::new(HardTanh)),
        Box::new(|| Box::new(Elu::default())),
        Box::new(|| Box::new(Selu)),
        Box::new(|| Box::new(Gelu)),
        Box::new(|| Box::new(Silu)),
        Box::new(|| Box::new(Softplus)),
        Box::new(|| Box::new(LeakyRelu::default())),
        Box::new(|| Box::new(Prelu::new(20))),
        Box::new(|| Box::new(Maxout::new(4))),
        Box::new(|| Box::new(BatchNorm1d::new(20))),
        Box::new(|| Box::new(Dropout::new(0.3))),
    ];
    for make in layers {
        let layer = make();
        let (name, outputs) = (layer.name(), layer.output_shape(&[20]).unwrap()[0]);
        let inner = Sequential::new().with(layer).named("out", linear(outputs, 7));
        let mut net: Sequential = Sequential::new().with(linear(12, 20)).named("inner", inner);
        for batch in [2, 5, 8, 13, 64] {
            let plan = memory_plan_with_loss(&mut net, [12], batch, cross_entropy).unwrap();
            let x = Tensor::randn([batch, 12], &mut Rng::new(3));
            let measured = measure_memory(&mut net, &x, &mut Rng::new(4), cross_entropy);
            assert_eq!(plan, measured, "{name}, batch {batch}");
            assert!(plan.rows.iter().any(|row| row.path == "inner.out" && row.layer == "Linear"));
        }
    }
}

fn conv(inputs: usize, outputs: usize) -> Conv2d {
    Conv2d::new(inputs, outputs, 3, HeNormal, &mut Rng::new(2)).with_padding(1)
}

/// Pictures of 3 x 12 x 12 -> 8 channels -> `inner` -> 8 channels -> average -> 5 classes.
fn picture_net(inner: impl Layer + 'static) -> Sequential {
    Sequential::new()
        .with(conv(3, 8))
        .named("inner", inner)
        .with(conv(8, 8))
        .with(AdaptiveAvgPool2d::new(1))
        .with(Flatten)
        .with(linear(8, 5))
}

#[test]
fn what_is_foretold_is_what_is_measured_for_layers_on_pictures() {
    let block = || Sequential::new().with(conv(8, 8)).with(BatchNorm2d::new(8)).with(Relu).with(conv(8, 8));
    let nets = [
        picture_net(Relu),
        picture_net(BatchNorm2d::new(8)),
        picture_net(GroupNorm::new(2, 8)),
        picture_net(MaxPool2d::new(2)),
        picture_net(AvgPool2d::new(3)),
        picture_net(Dropout2d::new(0.3)),
        picture_net(ConvTranspose2d::new(8, 8, 2, HeNormal, &mut Rng::new(5)).with_stride(2)),
        picture_net(Residual::new(block())),
        picture_net(Residual::new(block()).with_shortcut(Sequential::new().with(conv(8, 8)).with(Elu::default()))),
    ];
    for (inner, mut net) in nets.into_iter().enumerate() {
        for batch in [2, 5, 16] {
            let plan = memory_plan_with_loss(&mut net, [3, 12, 12], batch, cross_entropy).unwrap();
            let x = Tensor::randn([batch, 3, 12, 12], &mut Rng::new(3));
            assert_eq!(
                plan,
                measure_memory(&mut net, &x, &mut Rng::new(4), cross_entropy),
                "network {inner}, batch {batch}"
            );
        }
    }
}

#[test]
fn a_residual_block_is_counted_layer_by_layer_and_adds_nothing_by_itself() {
    let body = Sequential::new().with(conv(8, 8)).with(Relu).with(conv(8, 8)).with(Relu);
    let mut net = picture_net(Residual::new(body));
    let layers = memory_plan(&mut net, [3, 12, 12], 10).unwrap().layers();
    let of = |path: &str| layers.iter().filter(|l| l.0 == path).map(|l| l.2).sum::<usize>();
    let map = 10 * 8 * 12 * 12 * 4;
    // A convolution keeps its input: the second one what the ReLU before it gives, which keeps nothing more. The last
    // ReLU's output is kept by no layer, only by itself: a sum needs none of its terms.
    assert_eq!((of("inner.body.0"), of("inner.body.1"), of("inner.body.2"), of("inner.body.3")), (map, 0, map, map));
    assert_eq!(of("inner"), 0);
    assert_eq!(of("2"), map);
}

#[test]
fn a_plan_leaves_the_running_statistics_alone_and_names_what_does_not_fit() {
    let mut net: Sequential = Sequential::new().with(linear(3, 4)).with(BatchNorm1d::new(4));
    let state = |net: &Sequential| net.state().into_iter().map(|(n, t)| (n, t.to_vec())).collect::<Vec<_>>();
    let before = state(&net);
    let plan = memory_plan(&mut net, [3], 1000).unwrap();
    assert_eq!(state(&net), before);
    assert!(plan.to_string().contains("batch of 1000"), "{plan}");
    assert!(memory_plan(&mut net, [5], 10).unwrap_err().to_string().contains("Linear at `0`"));
}
