//! High-error examples more often, and wrong labels found: `cargo run --release --example surprise -- --seeds 12`.
//!
//! On the embedded digits, with 10 % of the training labels flipped and without, the same network is trained on shuffled
//! examples and on those that the surprise sampler chooses.

mod terminal;

use clap::Parser;
use kniff::data::samplers::{Shuffled, Surprise};
use kniff::data::{Sampler, Suspect, suspects_csv};
use kniff::prelude::*;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use terminal::{end, say};

/// Compares shuffling with the surprise sampler over several seeds.
#[derive(Parser)]
struct Options {
    /// How many seeds.
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// The first of them. The settings were chosen on seeds 1000 to 1011.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// How often as many examples are seen as there are.
    #[arg(long, default_value_t = 40)]
    epochs: usize,
    /// Which part of the labels is flipped.
    #[arg(long, default_value_t = 0.1)]
    flips: f64,
    /// The accuracy, in percent, that the epochs are counted to on clean labels.
    #[arg(long, default_value_t = 98.0)]
    goal: f64,
    /// Where the list of likely mislabels of the first seed goes.
    #[arg(long, default_value = "out/surprise")]
    out: PathBuf,
}

/// What a training ended with.
struct Run {
    /// On the held-out fifth, whose labels are clean; after every epoch.
    accuracy: Vec<f64>,
    suspects: Vec<Suspect>,
}

fn main() -> ExitCode {
    end(run(&Options::parse()))
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    // Always the same fifth of every digit is held out.
    let data = digits();
    let (train, test) = stratified_split(data.targets(), 0.2, &mut Rng::new(2026).stream("split"))?;
    let (train, test) = (data.select(&train)?, data.select(&test)?);
    let standardizer = Standardizer::fit(train.inputs())?;
    let train = train.map_inputs(|x| standardizer.transform(x))?;
    let test = test.map_inputs(|x| standardizer.transform(x))?;

    let mut final_accuracy = [Vec::new(), Vec::new()];
    let (mut precision, mut recall, mut right) = (Vec::new(), Vec::new(), Vec::new());
    let mut epochs_to_goal = [Vec::new(), Vec::new()];
    let mut clean_accuracy = [Vec::new(), Vec::new()];
    let mut wrongly_suspected = Vec::new();
    for seed in options.first..options.first + options.seeds {
        let rng = Rng::new(seed);
        let (noisy, flipped) = flip(&train, options.flips, &mut rng.stream("flips"))?;
        for (which, choose) in [false, true].into_iter().enumerate() {
            let run = fit(&noisy, &test, choose, seed, options.epochs)?;
            final_accuracy[which].push(last(&run));
            if choose {
                let hits = run.suspects.iter().filter(|s| flipped[s.index]).count() as f64;
                let all = flipped.iter().filter(|f| **f).count() as f64;
                precision.push(100.0 * hits / (run.suspects.len() as f64).max(1.0));
                recall.push(100.0 * hits / all.max(1.0));
                let named = |s: &&Suspect| flipped[s.index] && s.suggested == Some(train.targets().as_slice()[s.index]);
                right.push(100.0 * run.suspects.iter().filter(named).count() as f64 / hits.max(1.0));
                if seed == options.first {
                    std::fs::create_dir_all(&options.out)?;
                    std::fs::write(options.out.join("suspects.csv"), suspects_csv(&run.suspects))?;
                }
            }
            let run = fit(&train, &test, choose, seed, options.epochs)?;
            clean_accuracy[which].push(last(&run));
            let reached = run.accuracy.iter().position(|a| *a >= options.goal);
            epochs_to_goal[which].push(reached.map_or(options.epochs, |at| at + 1) as f64);
            if choose {
                wrongly_suspected.push(run.suspects.len() as f64);
            }
        }
    }
    say!("{} seeds from {}; mean and 95 % interval of the mean", options.seeds, options.first)?;
    say!("                                           shuffled           surprise         difference")?;
    say!("with {:.0} % of the labels flipped", 100.0 * options.flips)?;
    row("  final accuracy, clean test digits, %", &final_accuracy)?;
    say!("  likely mislabels: precision, %                       {}", interval(&precision))?;
    say!("  likely mislabels: recall, %                          {}", interval(&recall))?;
    say!("  right class suggested, % of the hits                 {}", interval(&right))?;
    say!("with clean labels")?;
    row("  final accuracy, %", &clean_accuracy)?;
    row(&format!("  epochs to {} % accuracy", options.goal), &epochs_to_goal)?;
    say!("  examples suspected of {:4}                           {}", train.len(), interval(&wrongly_suspected))?;
    say!("the list of seed {} is in {}", options.first, options.out.join("suspects.csv").display())?;
    Ok(())
}

/// A training as both sides have it but for the order.
fn fit(
    train: &TensorDataset,
    test: &TensorDataset,
    choose: bool,
    seed: u64,
    epochs: usize,
) -> Result<Run, Box<dyn Error>> {
    let rng = Rng::new(seed);
    let sampler: Box<dyn Sampler> = if choose { Box::new(Surprise::new(train.targets())) } else { Box::new(Shuffled) };
    let mut loader = Loader::new(train.clone()).batch_size(32).sampler(sampler, &rng);
    let test = Loader::new(test.clone()).batch_size(512);
    let init = &mut rng.stream("init");
    let network: Sequential = Sequential::new().with(Linear::new(64, 64, HeNormal, init)).with(Relu).with(Linear::new(
        64,
        10,
        GlorotNormal,
        init,
    ));
    let optimizer = Optimizer::new(Momentum::default(), 0.02);
    let mut trainer = Trainer::new(Model::classifier(network)?, CrossEntropy::new(), optimizer)
        .epochs(epochs)
        .metric(Accuracy::new())
        .seed(seed)
        .progress(Progress::Silent);
    let report = trainer.fit_observing(&mut loader, Some(&test))?;
    let accuracy = |e: &kniff::trainer::EpochRecord| e.get(&Monitor::valid("accuracy")).map_or(0.0, |a| 100.0 * a);
    Ok(Run { accuracy: report.history.epochs.iter().map(accuracy).collect(), suspects: loader.suspects() })
}

/// The data set with a part of the labels changed to another class, and which ones.
fn flip(data: &TensorDataset, part: f64, rng: &mut Rng) -> Result<(TensorDataset, Vec<bool>), Box<dyn Error>> {
    let mut labels = data.targets().as_slice().to_vec();
    let mut flipped = vec![false; labels.len()];
    let count = (part * labels.len() as f64).round() as usize;
    for &i in &rng.permutation(labels.len())[..count] {
        labels[i] = (labels[i] + 1 + rng.below(9)) % 10;
        flipped[i] = true;
    }
    Ok((TensorDataset::new(data.inputs().clone(), labels.into())?, flipped))
}

fn last(run: &Run) -> f64 {
    run.accuracy.last().copied().unwrap_or(0.0)
}

fn row(name: &str, values: &[Vec<f64>; 2]) -> Result<(), String> {
    let difference: Vec<f64> = values[1].iter().zip(&values[0]).map(|(a, b)| a - b).collect();
    say!("{name:38} {} {} {}", interval(&values[0]), interval(&values[1]), interval(&difference))
}

/// Mean and 95 % interval by the normal approximation.
fn interval(values: &[f64]) -> String {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    format!("{mean:8.2} +- {:5.2}", 1.96 * (variance / n).sqrt())
}
