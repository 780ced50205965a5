//! MNIST by a network of dense layers: `cargo run --release --example mnist -- DIR`.

mod terminal;

use clap::Parser;
use kniff::data::MnistReader;
use kniff::prelude::*;
use kniff::tensor::parallel::with_threads;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use terminal::{end, say};

/// Trains on the IDX files of MNIST (plain or gzip) and tests once, at the end, on its test part.
#[derive(Clone, Parser)]
struct Options {
    /// The folder with the four files.
    dir: PathBuf,
    /// Print one line of JSON as the last line, and nothing else on stdout.
    #[arg(long)]
    json: bool,
    /// What the weights, the order and the dropout are drawn from.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How often all training examples are seen.
    #[arg(long, default_value_t = 12)]
    epochs: usize,
    /// Threads; as many as there are cores unless given.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// How many classes there are.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..))]
    classes: u16,
    /// Make products in bfloat16, where the processor has AMX.
    #[arg(long)]
    bf16: bool,
    /// Where the model and the history go.
    #[arg(long, default_value = "out/mnist")]
    out: PathBuf,
    /// Where a checkpoint of everything is written after every epoch, and on Ctrl-C.
    #[arg(long, value_name = "DIR")]
    checkpoint: Option<PathBuf>,
    /// Go on from the newest checkpoint in that folder.
    #[arg(long, requires = "checkpoint")]
    resume: bool,
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
    let classes = usize::from(options.classes);
    let data = MnistReader::new().classes(classes).read(&options.dir)?;
    let (train, test) = (data.train.flattened(), data.test.flattened());
    let inputs = train.input_shape().numel();

    // Grey levels to mean 0 and variance 1 over all pixels together: each pixel by itself would blow up the rim, where a
    // few examples have a dot.
    let (mean, std) = moments(train.inputs());
    // Rounding may leave equal numbers a deviation, of which nothing can be learned either.
    let (darkest, lightest) = (train.inputs().min_all().item(), train.inputs().max_all().item());
    if darkest == lightest {
        let expected = "expected training images of more than one grey level";
        return Err(format!("{}: {expected}, found {darkest} in every pixel", options.dir.display()).into());
    }
    let scale = |x: &Tensor| Ok(x.affine(1.0 / std, -mean / std));
    let train = Loader::new(train.map_inputs(scale)?).batch_size(128).shuffle(&rng).drop_last(true).prefetch(1, 4);
    let test = Loader::new(test.map_inputs(scale)?).batch_size(1000);

    let init = &mut rng.stream("init");
    let network: Sequential = Sequential::new()
        .with(Linear::without_bias(inputs, 512, HeNormal, init))
        .with(BatchNorm1d::new(512))
        .with(Relu)
        .with(Dropout::new(0.3))
        .with(Linear::without_bias(512, 256, HeNormal, init))
        .with(BatchNorm1d::new(256))
        .with(Relu)
        .with(Dropout::new(0.3))
        .with(Linear::new(256, classes, GlorotNormal, init));
    eprintln!("{}", summary(&network, [inputs])?);

    let steps = (options.epochs * train.len()) as u64;
    let precision = if options.bf16 { Precision::Bf16 } else { Precision::Full };
    let mut trainer =
        Trainer::new(Model::classifier(network)?, CrossEntropy::new(), Optimizer::new(Adam::default(), 2e-3))
            .epochs(options.epochs)
            .schedule(Every::Step, Cosine::new(steps))
            .metric(Accuracy::new())
            .precision(precision)
            .seed(options.seed);
    if let Some(folder) = &options.checkpoint {
        trainer = trainer.checkpoints(Checkpoints::in_folder(folder).on_interrupt());
        if options.resume {
            trainer.resume(folder)?;
        }
    }
    let report = trainer.fit(&train, None)?;
    if let Stopped::Interrupted { .. } = report.stopped {
        eprintln!("the same command with --resume goes on");
        return Ok(());
    }

    // The test part is looked at once: nothing was chosen by it.
    let mut confusion = ConfusionMatrix::new(classes);
    let tested = trainer.evaluate_with(&test, &mut [&mut confusion])?;
    let accuracy = confusion.accuracy();

    let model = options.out.join("model.kniff");
    ModelFile::of(trainer.model()).with("mean", &mean)?.with("std", &std)?.save(&model)?;
    for (name, text) in [("history.csv", report.history.to_csv()), ("history.json", report.history.to_json())] {
        let path = options.out.join(name);
        std::fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))?;
    }

    if options.json {
        eprintln!("{confusion}");
        let line = serde_json::json!({ "test_accuracy": accuracy, "epochs": report.epochs, "seconds": report.seconds });
        say!("{line}")?;
    } else {
        say!("{confusion}")?;
        say!("test accuracy {:.2} % on {} digits, loss {:.4}", 100.0 * accuracy, tested.examples, tested.loss)?;
        say!(
            "{} epochs in {:.2} s; model and history are in {}",
            report.epochs,
            report.seconds,
            options.out.display()
        )?;
    }
    Ok(())
}

/// Mean and standard deviation of all numbers.
fn moments(x: &Tensor) -> (f32, f32) {
    let all: Vec<usize> = (0..x.rank()).collect();
    (x.mean_all().item(), x.var(&all, 0, false).item().sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the example says of a folder of 2 x 2 images whose grey levels come from `grey`, with labels 0 to 3.
    fn said(name: &str, classes: &str, grey: fn(usize) -> u8) -> String {
        let dir = std::env::temp_dir().join(format!("kniff-mnist-example-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        for part in ["train", "t10k"] {
            let images = [0, 0, 8, 3, 0, 0, 0, 4, 0, 0, 0, 2, 0, 0, 0, 2].into_iter().chain((0..16).map(grey));
            std::fs::write(dir.join(format!("{part}-images-idx3-ubyte")), images.collect::<Vec<u8>>()).unwrap();
            let labels = [0, 0, 8, 1, 0, 0, 0, 4, 0, 1, 2, 3];
            std::fs::write(dir.join(format!("{part}-labels-idx1-ubyte")), labels).unwrap();
        }
        let (from, out) = (dir.display().to_string(), dir.join("out").display().to_string());
        let options = Options::parse_from(["mnist", &from, "--out", &out, "--classes", classes, "--epochs", "1"]);
        let error = run(&options).unwrap_err().to_string();
        std::fs::remove_dir_all(&dir).unwrap();
        error
    }

    #[test]
    fn a_label_beyond_the_classes_is_told_with_its_file() {
        let error = said("label", "3", |i| i as u8);
        assert!(error.contains("train-labels-idx1-ubyte") && error.contains("label 3 of example 3"), "{error}");
    }

    #[test]
    fn images_that_show_nothing_are_refused_before_the_training() {
        let error = said("grey", "4", |_| 7);
        assert!(error.contains("found 7 in every pixel"), "{error}");
    }
}
