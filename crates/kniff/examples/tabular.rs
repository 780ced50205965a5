//! Raw, standardised and PCA-whitened inputs side by side: `cargo run --release --features full --example tabular`.
//!
//! On the embedded breast cancer and wine tables, the same network is trained on the same examples three times; what differs is
//! what its inputs went through.

mod terminal;

use clap::Parser;
use kniff::data::{PcaOptions, Subset, Tabular, breast_cancer, wine};
use kniff::prelude::*;
use std::error::Error;
use std::process::ExitCode;
use terminal::{end, say};

/// Compares the normalisations over several seeds: epochs to a given training loss, and held-out accuracy.
#[derive(Parser)]
struct Options {
    /// How many seeds: each has its own split, weights and order.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// How many epochs at most.
    #[arg(long, default_value_t = 100)]
    epochs: usize,
    /// The training loss that the epochs are counted to.
    #[arg(long, default_value_t = 0.1)]
    loss: f64,
    /// The learning rates; each normalisation is shown with the one that is best for it.
    #[arg(long, value_delimiter = ',', default_values_t = [1e-5, 1e-4, 1e-3, 1e-2, 1e-1])]
    rates: Vec<f64>,
}

/// What a training came to.
struct Run {
    epochs: f64,
    reached: bool,
    accuracy: f64,
}

fn main() -> ExitCode {
    end(run(&Options::parse()))
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    for (name, table) in [("breast cancer", breast_cancer()), ("wine", wine())] {
        say!("{name}: {} examples, {} features, {} seeds", table.data.len(), table.features.len(), options.seeds)?;
        say!("  inputs         best rate  epochs to loss {}  reached  held-out accuracy, %", options.loss)?;
        let whitened = Fit::Pca(PcaOptions { eps: 1e-2, ..PcaOptions::default() });
        let sides: [(&str, &[Fit]); 3] =
            [("raw", &[]), ("standardised", &[Fit::Standard]), ("PCA-whitened", &[Fit::Standard, whitened])];
        for (side, steps) in sides {
            let mut best: Option<(f64, f64, Vec<Run>)> = None;
            for &rate in &options.rates {
                let runs: Vec<Run> =
                    (0..options.seeds).map(|seed| fit(&table, steps, rate, seed, options)).collect::<Result<_, _>>()?;
                let mean = runs.iter().map(|r| r.epochs).sum::<f64>() / runs.len() as f64;
                // Where no rate reaches the loss, the accuracy decides.
                let accuracy = runs.iter().map(|r| r.accuracy).sum::<f64>() / runs.len() as f64;
                let score = mean - 1e-3 * accuracy;
                if best.as_ref().is_none_or(|(least, ..)| score < *least) {
                    best = Some((score, rate, runs));
                }
            }
            let Some((_, rate, runs)) = best else { return Err("no rates".into()) };
            let epochs = interval(runs.iter().map(|r| r.epochs));
            let reached = runs.iter().filter(|r| r.reached).count();
            let accuracy = interval(runs.iter().map(|r| r.accuracy));
            say!("  {side:13}  {rate:9.0e}  {epochs:>18}  {reached:3} of {:2}  {accuracy}", runs.len())?;
        }
    }
    say!("mean and 95 % interval of the mean; a loss that is not reached counts as {} epochs", options.epochs)?;
    Ok(())
}

fn fit(table: &Tabular, steps: &[Fit], rate: f64, seed: u64, options: &Options) -> Result<Run, Box<dyn Error>> {
    let rng = Rng::new(seed);
    let Split { train, test, .. }: Split<Subset<TensorDataset>> =
        Split::stratified(table.data.clone(), 0.0, 0.2, &mut rng.stream("split"))?;
    if steps.is_empty() {
        return fit_on(train.in_memory()?, test.in_memory()?, table, rate, seed, options);
    }
    // Fitted on the training part, as the type of the argument asks.
    let fitted = Fitted::fit(&train, steps)?;
    fit_on(fitted.apply(train)?.in_memory()?, fitted.apply(test)?.in_memory()?, table, rate, seed, options)
}

fn fit_on(
    train: impl Dataset<Target = Indices> + 'static,
    test: impl Dataset<Target = Indices> + 'static,
    table: &Tabular,
    rate: f64,
    seed: u64,
    options: &Options,
) -> Result<Run, Box<dyn Error>> {
    let rng = Rng::new(seed);
    let init = &mut rng.stream("init");
    let inputs = train.input_shape()[0];
    let network: Sequential = Sequential::new()
        .with(Linear::new(inputs, 16, LecunNormal, init))
        .with(Tanh)
        .with(Linear::new(16, table.classes.len(), GlorotNormal, init));
    let (train, test) = (Loader::new(train).batch_size(16).shuffle(&rng), Loader::new(test).batch_size(256));
    let goal = options.loss;
    let mut trainer =
        Trainer::new(Model::classifier(network)?, CrossEntropy::new(), Optimizer::new(Momentum::default(), rate))
            .epochs(options.epochs)
            .metric(Accuracy::new())
            .seed(seed)
            .progress(Progress::Silent)
            .on_epoch_end(move |view| match view.history.last() {
                Some(epoch) if epoch.train_loss <= goal => Control::stop("the loss is small enough"),
                _ => Control::Continue,
            });
    let report = match trainer.fit(&train, None) {
        Ok(report) => report,
        // A rate too large for these inputs; so the loss is not reached.
        Err(error) if error.is_non_finite() => {
            return Ok(Run { epochs: options.epochs as f64, reached: false, accuracy: 0.0 });
        }
        Err(error) => return Err(error.into()),
    };
    let reached = report.history.last().is_some_and(|epoch| epoch.train_loss <= goal);
    let accuracy = 100.0 * trainer.evaluate(&test)?.metric("accuracy").unwrap_or(0.0);
    Ok(Run { epochs: report.epochs as f64, reached, accuracy })
}

/// Mean and 95 % interval by the normal approximation.
fn interval(values: impl Iterator<Item = f64>) -> String {
    let values: Vec<f64> = values.collect();
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    format!("{mean:6.1} +- {:4.1}", 1.96 * (variance / n).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_seeds_are_refused_because_their_mean_is_no_number() {
        let parse = |seeds: &str| Options::try_parse_from(["tabular", "--seeds", seeds]).map(|o| o.seeds);
        let refused = parse("0").unwrap_err().to_string();
        assert!(refused.contains("0 is not in 1.."), "{refused}");
        assert_eq!(parse("1").unwrap(), 1);
    }
}
