//! Handwritten digits, from the embedded data to a tested network: `cargo run --release --example digits`.

mod terminal;

use clap::Parser;
use kniff::prelude::*;
use kniff::tensor::parallel::with_threads;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use terminal::{end, say};

/// Trains on the embedded digits and tests on a fifth that is held out; writes the model and the history.
#[derive(Clone, Parser)]
struct Options {
    /// Print one line of JSON as the last line, and nothing else on stdout.
    #[arg(long)]
    json: bool,
    /// What the weights, the order and the dropout are drawn from. The held-out fifth does not depend on it.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How often all training examples are seen.
    #[arg(long, default_value_t = 40)]
    epochs: usize,
    /// Threads; as many as there are cores unless given.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Where the model and the history go.
    #[arg(long, default_value = "out/digits")]
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

    // Always the same fifth of every digit, so that all seeds are tested on the same examples.
    let data = digits();
    let (train, test) = stratified_split(data.targets(), 0.2, &mut Rng::new(2026).stream("split"))?;
    let (train, test) = (data.select(&train)?, data.select(&test)?);

    // Fitted on the training part alone: the test part must not leak into the training.
    let standardizer = Standardizer::fit(train.inputs())?;
    let train =
        Loader::new(train.map_inputs(|x| standardizer.transform(x))?).batch_size(64).shuffle(&rng).drop_last(true);
    let test = Loader::new(test.map_inputs(|x| standardizer.transform(x))?).batch_size(512);

    let init = &mut rng.stream("init");
    let network: Sequential = Sequential::new()
        .with(Linear::without_bias(64, 128, HeNormal, init))
        .with(BatchNorm1d::new(128))
        .with(Relu)
        .with(Dropout::new(0.2))
        .with(Linear::without_bias(128, 64, HeNormal, init))
        .with(BatchNorm1d::new(64))
        .with(Relu)
        .with(Dropout::new(0.2))
        .with(Linear::new(64, 10, GlorotNormal, init));
    eprintln!("{}", summary(&network, [64])?);

    let steps = (options.epochs * train.len()) as u64;
    let mut trainer =
        Trainer::new(Model::classifier(network)?, CrossEntropy::new(), Optimizer::new(Adam::default(), 5e-3))
            .epochs(options.epochs)
            .schedule(Every::Step, Cosine::new(steps))
            .metric(Accuracy::new())
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

    let mut confusion = ConfusionMatrix::new(10);
    let tested = trainer.evaluate_with(&test, &mut [&mut confusion])?;
    let accuracy = confusion.accuracy();

    let model = options.out.join("model.kniff");
    ModelFile::of(trainer.model()).with("standardizer", &standardizer)?.save(&model)?;
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
        say!("held-out accuracy {:.2} % on {} digits, loss {:.4}", 100.0 * accuracy, tested.examples, tested.loss)?;
        say!(
            "{} epochs in {:.2} s; model and history are in {}",
            report.epochs,
            report.seconds,
            options.out.display()
        )?;
    }
    Ok(())
}
