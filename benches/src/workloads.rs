//! One step of each workload of the side-by-side comparison.

use crate::networks;
use kniff_autograd::ops::ChannelMoments;
use kniff_autograd::{Gradients, Parameter, Var};
use kniff_data::{Augment, ColorPca, HorizontalFlip, ImageDataset, Loader, PadCrop, PcaOptions, PcaWhitening};
use kniff_nn::layers::{MaxPool2d, Sequential};
use kniff_nn::losses::CrossEntropy;
use kniff_nn::{ClassHead, Compiled, Layer, Loss, Model, ModuleExt};
use kniff_optim::{Adam, Momentum, Nesterov, Optimizer, Rule};
use kniff_tensor::{ConvOptions, Indices, Rng, Tensor};

/// The workloads there are.
pub const NAMES: [&str; 28] = [
    "mlp_small",
    "mlp_bn",
    "residual_small",
    "infer_mlp_small_b1",
    "infer_residual_small_b1",
    "infer_mlp_bn_b1",
    "infer_mlp_bn_b256",
    "softmax_ce",
    "tanh",
    "adam10m",
    "matmul_mlp",
    "matmul_1024",
    "pca_whiten",
    "augment",
    "lenet",
    "vgg_bn",
    "vgg_bn_loader",
    "resnet20",
    "infer_vgg_bn_b1",
    "infer_vgg_bn_b256",
    "batchnorm2d",
    "maxpool2",
    "conv3_fwd",
    "conv3_fb",
    "conv64_fwd",
    "conv64_fb",
    "conv256_fwd",
    "conv256_fb",
];

/// Images of one channel as rows.
const DIGIT: [usize; 1] = [784];
/// Colour images.
const PICTURE: [usize; 3] = [3, 32, 32];

/// Small colour images.
const THUMBNAIL: [usize; 3] = [3, 16, 16];

/// How many distinct batches are cycled through.
const BATCHES: usize = 16;

/// A step that gives the loss where there is one.
pub type Step = Box<dyn FnMut() -> Option<f64>>;

/// The samples of one step of a workload, and the step.
pub fn step(workload: &str) -> Option<(f64, Step)> {
    let mut rng = Rng::new(0);
    let found: (f64, Step) = match workload {
        "mlp_small" => (
            32.0,
            train(networks::mlp_small(&mut rng), &DIGIT, 32, Momentum { momentum: 0.9, ..Momentum::default() }, 0.01),
        ),
        "mlp_bn" => (128.0, train(networks::mlp_bn(&mut rng), &DIGIT, 128, Adam::default(), 1e-3)),
        "infer_mlp_bn_b1" => (1.0, infer(networks::mlp_bn(&mut rng), &DIGIT, 1)),
        "infer_mlp_bn_b256" => (256.0, infer(networks::mlp_bn(&mut rng), &DIGIT, 256)),
        "residual_small" => {
            (16.0, train(networks::residual_small(&mut rng), &THUMBNAIL, 16, Nesterov { momentum: 0.9 }, 0.01))
        }
        "infer_mlp_small_b1" => (1.0, infer(networks::mlp_small(&mut rng), &DIGIT, 1)),
        "infer_residual_small_b1" => (1.0, infer(networks::residual_small(&mut rng), &THUMBNAIL, 1)),
        "softmax_ce" => (4096.0, softmax_ce(&mut rng)),
        "tanh" => (4_194_304.0, tanh(&mut rng)),
        "adam10m" => (1e7, adam(&mut rng)),
        "matmul_mlp" => (128.0, matmul(128, 784, 512, &mut rng)),
        "matmul_1024" => (1024.0, matmul(1024, 1024, 1024, &mut rng)),
        "pca_whiten" => (50_000.0, pca_whiten(&mut rng)),
        "lenet" => (64.0, train(networks::lenet(&mut rng), &[1, 28, 28], 64, Adam::default(), 1e-3)),
        "vgg_bn" => (64.0, train(networks::vgg_bn(&mut rng), &PICTURE, 64, Nesterov { momentum: 0.9 }, 0.01)),
        "vgg_bn_loader" => (64.0, train_from_loader(networks::vgg_bn(&mut rng), Nesterov { momentum: 0.9 }, 0.01)),
        "resnet20" => {
            let rule = Momentum { momentum: 0.9, ..Momentum::default() };
            (128.0, train(networks::resnet20(&mut rng), &PICTURE, 128, rule, 0.1))
        }
        "infer_vgg_bn_b1" => (1.0, infer(networks::vgg_bn(&mut rng), &PICTURE, 1)),
        "infer_vgg_bn_b256" => (256.0, infer(networks::vgg_bn(&mut rng), &PICTURE, 256)),
        "batchnorm2d" => (64.0, batch_norm(&mut rng)),
        "maxpool2" => (64.0, max_pool(&mut rng)),
        "conv3_fwd" => (64.0, conv([3, 64, 32], false, &mut rng)),
        "conv3_fb" => (64.0, conv([3, 64, 32], true, &mut rng)),
        "conv64_fwd" => (64.0, conv([64, 64, 32], false, &mut rng)),
        "conv64_fb" => (64.0, conv([64, 64, 32], true, &mut rng)),
        "conv256_fwd" => (64.0, conv([256, 256, 8], false, &mut rng)),
        "conv256_fb" => (64.0, conv([256, 256, 8], true, &mut rng)),
        "augment" => (50_000.0, augment(&mut rng)),
        _ => return None,
    };
    Some(found)
}

fn labels(n: usize, classes: usize, rng: &mut Rng) -> Indices {
    Indices::from_vec((0..n).map(|_| rng.below(classes)).collect())
}

/// One training step: forward, loss read as a number, backward, update.
///
/// # Panics
/// Unless the network ends in ten logits.
pub fn train<R: Rule>(network: Sequential, input: &[usize], batch: usize, rule: R, learning_rate: f64) -> Step {
    let mut rng = Rng::new(1);
    let batches: Vec<(Var, Indices)> = (0..BATCHES)
        .map(|_| (Var::constant(Tensor::randn([&[batch], input].concat(), &mut rng)), labels(batch, 10, &mut rng)))
        .collect();
    let mut update = updates(network, rule, learning_rate, rng);
    let mut at = 0;
    Box::new(move || {
        let (x, y) = &batches[at % BATCHES];
        at += 1;
        Some(update(x, y))
    })
}

/// What trains a network on one batch after the other and gives their losses.
fn updates<R: Rule>(
    network: Sequential,
    rule: R,
    learning_rate: f64,
    mut rng: Rng,
) -> impl FnMut(&Var, &Indices) -> f64 {
    let mut model: Model<Sequential, ClassHead> = Model::new(network).expect("the network ends in logits");
    let mut optimizer = Optimizer::new(rule, learning_rate);
    let loss = CrossEntropy::new();
    move |x, y| {
        let output = model.forward_train(x, &mut rng);
        let loss = loss.loss(&output, y).expect("labels below 10");
        drop(output);
        let value = loss.item();
        let gradients = loss.backward();
        optimizer.step(model.parameters_mut(), &gradients).expect("valid settings");
        f64::from(value)
    }
}

/// A training step on batches of 64 that a loader makes ahead from 10,000 images of bytes: padded by 4 and cropped, flipped.
fn train_from_loader<R: Rule>(network: Sequential, rule: R, learning_rate: f64) -> Step {
    const IMAGES: usize = 10_000;
    let mut rng = Rng::new(1);
    let mut bytes = vec![0; IMAGES * PICTURE.iter().product::<usize>()];
    rng.fill_random_bytes(&mut bytes);
    let data = ImageDataset::new(bytes, PICTURE, labels(IMAGES, 10, &mut rng)).expect("whole images");
    let augment =
        Augment::new().then(PadCrop::new(4).expect("a padding")).then(HorizontalFlip::new(0.5).expect("a probability"));
    let loader: Loader<_> =
        Loader::new(data).batch_size(64).drop_last(true).shuffle(&rng).prefetch(1, 4).augment_images(augment);
    let mut update = updates(network, rule, learning_rate, rng);
    let mut batches = (0..).flat_map(move |epoch| loader.epoch(epoch));
    Box::new(move || {
        let batch = batches.next()?.expect("batches of whole images");
        Some(update(&Var::constant(batch.inputs), &batch.targets))
    })
}

fn infer(network: Sequential, input: &[usize], batch: usize) -> Step {
    let x = Tensor::randn([&[batch], input].concat(), &mut Rng::new(1));
    // A process measures one workload: the network lives as long as it does.
    let network: &'static Sequential = Box::leak(Box::new(network));
    let compiled = Compiled::of(network);
    Box::new(move || {
        std::hint::black_box(compiled.forward(&x));
        None
    })
}

fn softmax_ce(rng: &mut Rng) -> Step {
    let x = Var::tracked(Tensor::randn([4096, 1000], rng));
    let y = labels(4096, 1000, rng);
    let loss = CrossEntropy::new();
    Box::new(move || {
        let output = <ClassHead as kniff_nn::Head<f32>>::wrap(x.clone());
        let loss = loss.loss(&output, &y).expect("labels below 1000");
        std::hint::black_box(loss.backward());
        None
    })
}

/// Windows of 3x3 with a frame of one zero, on 64 images.
fn conv([inputs, outputs, side]: [usize; 3], backward: bool, rng: &mut Rng) -> Step {
    let x = Tensor::randn([64, inputs, side, side], rng);
    let w = Tensor::randn([outputs, inputs, 3, 3], rng);
    let options = ConvOptions { padding: [(1, 1); 2], ..ConvOptions::default() };
    if !backward {
        return Box::new(move || {
            std::hint::black_box(x.conv2d(&w, None, &options));
            None
        });
    }
    let dy = Var::constant(Tensor::randn([64, outputs, side, side], rng));
    let at = vec![Var::constant(x), Var::constant(w)];
    Box::new(move || {
        let (y, pull_back) = kniff_autograd::vjp(|at: &Vec<Var>| at[0].conv(&at[1], None, &options), &at);
        std::hint::black_box((y, pull_back(&dy)));
        None
    })
}

/// Training mode: output, the three gradients, and the running statistics.
fn batch_norm(rng: &mut Rng) -> Step {
    let x = Tensor::randn([64, 64, 32, 32], rng);
    let (gamma, beta) = (Tensor::ones([64]), Tensor::zeros([64]));
    let at: Vec<Var> = [x, gamma, beta].map(Var::constant).into();
    let dy = Var::constant(Tensor::randn([64, 64, 32, 32], rng));
    let mut running = [Tensor::<f32>::zeros([64]), Tensor::ones([64])];
    Box::new(move || {
        let moments = ChannelMoments::of(at[0].value());
        for (running, new) in running.iter_mut().zip([&moments.mean, &moments.variance]) {
            *running = running.mul_scalar(0.9).add(&new.mul_scalar(0.1));
        }
        let norm = |at: &Vec<Var>| at[0].batch_norm(&moments, Some((&at[1], &at[2])), 1e-5);
        let (y, pull_back) = kniff_autograd::vjp(norm, &at);
        std::hint::black_box((y, pull_back(&dy)));
        None
    })
}

fn max_pool(rng: &mut Rng) -> Step {
    let layer = MaxPool2d::new(2);
    let x = Var::constant(Tensor::randn([64, 64, 32, 32], rng));
    let dy = Var::constant(Tensor::randn([64, 64, 16, 16], rng));
    Box::new(move || {
        let (y, pull_back) = kniff_autograd::vjp(|x: &Var| layer.forward(x), &x);
        std::hint::black_box((y, pull_back(&dy)));
        None
    })
}

fn tanh(rng: &mut Rng) -> Step {
    let (x, dy) = (Var::constant(Tensor::randn([4_194_304], rng)), Var::constant(Tensor::randn([4_194_304], rng)));
    Box::new(move || {
        let (y, pull_back) = kniff_autograd::vjp(|x: &Var| x.tanh(), &x);
        std::hint::black_box((y, pull_back(&dy)));
        None
    })
}

fn adam(rng: &mut Rng) -> Step {
    let mut parameter: Parameter = Parameter::new(Tensor::randn([10_000_000], rng));
    let mut gradients = Gradients::default();
    gradients.set(&parameter, Tensor::randn([10_000_000], rng));
    let mut optimizer = Optimizer::new(Adam::default(), 1e-3);
    Box::new(move || {
        optimizer.step([("p", &mut parameter)], &gradients).expect("valid settings");
        None
    })
}

fn matmul(m: usize, k: usize, n: usize, rng: &mut Rng) -> Step {
    let (a, b): (Tensor, Tensor) = (Tensor::randn([m, k], rng), Tensor::randn([k, n], rng));
    Box::new(move || {
        std::hint::black_box(a.matmul(&b));
        None
    })
}

fn pca_whiten(rng: &mut Rng) -> Step {
    let mix: Tensor = Tensor::randn([768, 768], rng).mul_scalar(1.0 / 28.0);
    let x: Tensor = Tensor::randn([50_000, 768], rng).matmul(&mix);
    Box::new(move || {
        std::hint::black_box(PcaWhitening::fit_with(&x, &PcaOptions::default()).expect("finite data"));
        None
    })
}

/// 50,000 images of 3 x 32 x 32 bytes to f32 in batches of 128: pad by 4 and crop, flip, scale to 0..1, colour PCA.
fn augment(rng: &mut Rng) -> Step {
    const IMAGE: usize = 3 * 32 * 32;
    let mut bytes = vec![0; 50_000 * IMAGE];
    rng.fill_random_bytes(&mut bytes);
    let part: Tensor =
        Augment::new().apply_bytes(&bytes[..5_000 * IMAGE], [5_000, 3, 32, 32], rng, 0).expect("whole images");
    let augment: Augment = Augment::new()
        .then(PadCrop::new(4).expect("a padding"))
        .then(HorizontalFlip::new(0.5).expect("a probability"))
        .then(ColorPca::fit(&part).expect("colours that vary"));
    let (root, mut epoch) = (rng.stream("augment"), 0);
    Box::new(move || {
        let draws = root.keyed(epoch);
        epoch += 1;
        for (i, batch) in bytes.chunks(128 * IMAGE).enumerate() {
            let shape = [batch.len() / IMAGE, 3, 32, 32];
            std::hint::black_box(augment.apply_bytes(batch, shape, &draws, i * 128).expect("whole images"));
        }
        None
    })
}
