//! A small residual network on a folder of pictures: `cargo run --release --features full --example cifar -- DIR`.

mod terminal;

use clap::Parser;
use kniff::optim::Nesterov;
use kniff::prelude::*;
use kniff::tensor::parallel::with_threads;
use kniff::trainer::{Average, ClosingPolicy, Predictor, compare_plans};
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use terminal::{end, say};

/// Trains on `DIR/train/CLASS/*.jpg` (or png, bmp) and tests on `DIR/test`, with augmentation, the closing policy and a test-time plan.
#[derive(Clone, Parser)]
struct Options {
    /// The folder with `train` and `test`, each with a folder for every class.
    dir: PathBuf,
    /// Print one line of JSON as the last line, and nothing else on stdout.
    #[arg(long)]
    json: bool,
    /// What the weights, the order, the augmentation and the held-out part are drawn from.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How often all training examples are seen at most.
    #[arg(long, default_value_t = 30)]
    epochs: usize,
    /// How many epochs each cut rate has.
    #[arg(long, default_value_t = 3)]
    epochs_each: usize,
    /// Epochs at least before the first cut.
    #[arg(long, default_value_t = 6)]
    min_epochs: usize,
    /// Channels of the first stage; the second has twice, the third four times as many.
    #[arg(long, default_value_t = 16)]
    width: usize,
    /// Residual blocks in a stage.
    #[arg(long, default_value_t = 1)]
    blocks: usize,
    /// Train on so many pictures only, the same share of every class.
    #[arg(long)]
    limit: Option<usize>,
    /// Threads; as many as there are cores unless given.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Make products in bfloat16, where the processor has AMX.
    #[arg(long)]
    bf16: bool,
    /// Where the model and the history go.
    #[arg(long, default_value = "out/cifar")]
    out: PathBuf,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let done = match options.threads {
        Some(threads) => with_threads(threads.into(), || run(&options).map_err(|e| e.to_string())),
        None => run(&options).map_err(|e| e.to_string()),
    };
    end(done)
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    // What cannot be written is known before the training.
    std::fs::create_dir_all(&options.out).map_err(|e| format!("{}: {e}", options.out.display()))?;
    let rng = Rng::new(options.seed);
    let mut all = ImageFolder::new().read(options.dir.join("train"))?;
    let test = ImageFolder::new().read(options.dir.join("test"))?;
    if all.classes() != test.classes() {
        return Err(format!("train has the classes {:?}, test has {:?}", all.classes(), test.classes()).into());
    }
    let classes = all.classes().len();
    if let Some(limit) = options.limit.filter(|&limit| limit < all.targets().len()) {
        let share = limit as f64 / all.targets().len() as f64;
        let (_, some) = stratified_split(all.targets(), share, &mut rng.stream("limit"))?;
        all = all.select(&some)?;
    }

    // A tenth of every class decides when the rate is cut and which views are worth their time; the test part decides nothing.
    let (train, valid) = stratified_split(all.targets(), 0.1, &mut rng.stream("split"))?;
    let names: Vec<String> = all.classes().to_vec();
    let split = Split::given::<f32>(all.select(&train)?, all.select(&valid)?, test)?;
    let shape: Vec<usize> = Dataset::<f32>::input_shape(&split.train).to_vec();
    let &[channels, height, width] = &shape[..] else {
        return Err(format!("pictures of shape {shape:?} are not [channels, height, width]").into());
    };

    // Everything that is fitted is fitted on the training part.
    let normalizer = Fitted::<f32>::fit(&split.train, &[Fit::PerChannel])?.names(&["red", "green", "blue"])?;
    let augment = Augment::<f32>::new()
        .then(PadCrop::new(4)?)
        .then(HorizontalFlip::new(0.5)?)
        .then(ColorPca::fit_dataset::<f32, _>(&split.train)?);
    let plans = TestTimePlan::growing(&augment, [channels, height, width], 2, &rng)?;
    // Augmented first, then normalised: the colours of the steps are those of the pictures.
    let (train, valid, test) =
        (normalizer.apply(split.train)?, normalizer.apply(split.valid)?, normalizer.apply(split.test)?);

    let network = network(channels, classes, options, &mut rng.stream("init"));
    eprintln!("{}", summary(&network, [channels, height, width])?);

    let train = Loader::new(train).batch_size(128).shuffle(&rng).drop_last(true).prefetch(1, 4);
    let train = train.augment_images(augment);
    let valid_loader = Loader::new(valid.clone()).batch_size(250);
    let optimizer = Optimizer::new(Nesterov::default(), 0.1).weight_decay(5e-4);
    let precision = if options.bf16 { Precision::Bf16 } else { Precision::Full };
    let mut trainer = Trainer::new(Model::classifier(network)?, CrossEntropy::new(), optimizer)
        .epochs(options.epochs)
        .metric(Accuracy::new())
        .closing(ClosingPolicy::new().cuts(2).epochs_each(options.epochs_each).min_epochs(options.min_epochs))
        .precision(precision)
        .seed(options.seed);
    let report = trainer.fit(&train, Some(&valid_loader))?;

    // The plan is chosen on the validation part, by what it gains for its time.
    let chosen = compare_plans(trainer.model(), &valid, &plans, 250, Average::Probabilities)?;
    let pick = chosen.pick(0.5).map(|row| row.plan.clone()).unwrap_or_default();
    let taken: Vec<_> = plans.iter().filter(|plan| plan.len() == 1 || plan.name() == pick).cloned().collect();
    let tested = compare_plans(trainer.model(), &test, &taken, 250, Average::Probabilities)?;
    let single = tested.rows[0].accuracy;
    let accuracy = tested.rows.iter().find(|row| row.plan == pick).map_or(single, |row| row.accuracy);

    let model = options.out.join("model.kniff");
    Predictor::of(trainer, normalizer)?.to_file()?.with("classes", &names)?.save(&model)?;
    for (name, text) in [("history.csv", report.history.to_csv()), ("history.json", report.history.to_json())] {
        let path = options.out.join(name);
        std::fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))?;
    }

    let tell = |text: &str| match options.json {
        true => {
            eprintln!("{text}");
            Ok(())
        }
        false => say!("{text}"),
    };
    tell(&format!("views at test time, on the validation part (the plan taken: {pick}):\n{chosen}"))?;
    tell(&format!("the same on the test part:\n{tested}"))?;
    if options.json {
        let line = serde_json::json!({
            "test_accuracy": accuracy, "single_view": single, "plan": pick,
            "epochs": report.epochs, "seconds": report.seconds
        });
        say!("{line}")?;
    } else {
        say!("test accuracy {:.2} % with the plan `{pick}`, {:.2} % from one view", 100.0 * accuracy, 100.0 * single)?;
        say!(
            "{} epochs in {:.1} s; model and history are in {}",
            report.epochs,
            report.seconds,
            options.out.display()
        )?;
    }
    Ok(())
}

/// Convolution, three stages of residual blocks of which the later ones halve the size, average, classes.
fn network(channels: usize, classes: usize, options: &Options, init: &mut Rng) -> Sequential {
    let mut network = Sequential::new()
        .with(Conv2d::without_bias(channels, options.width, 3, HeNormal, init).with_padding(1))
        .with(BatchNorm2d::new(options.width))
        .with(Relu);
    let mut inputs = options.width;
    for stage in 0..3 {
        let outputs = options.width << stage;
        for block in 0..options.blocks {
            let stride = if stage > 0 && block == 0 { 2 } else { 1 };
            network = network.with(residual(inputs, outputs, stride, init)).with(Relu);
            inputs = outputs;
        }
    }
    network.with(AdaptiveAvgPool2d::new(1)).with(Flatten).with(Linear::new(inputs, classes, GlorotNormal, init))
}

fn residual(inputs: usize, outputs: usize, stride: usize, init: &mut Rng) -> Residual {
    let body = Sequential::new()
        .with(Conv2d::without_bias(inputs, outputs, 3, HeNormal, init).with_stride(stride).with_padding(1))
        .with(BatchNorm2d::new(outputs))
        .with(Relu)
        .with(Conv2d::without_bias(outputs, outputs, 3, HeNormal, init).with_padding(1))
        .with(BatchNorm2d::new(outputs));
    if stride == 1 && inputs == outputs {
        return Residual::new(body);
    }
    let shortcut = Sequential::new()
        .with(Conv2d::without_bias(inputs, outputs, 1, HeNormal, init).with_stride(stride))
        .with(BatchNorm2d::new(outputs));
    Residual::new(body).with_shortcut(shortcut)
}
