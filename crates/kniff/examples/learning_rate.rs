//! The learning rate measured three ways, on digits: `cargo run --release --features full --example learning_rate`.

mod terminal;

use clap::Parser;
use kniff::nn::ValueHead;
use kniff::prelude::*;
use std::error::Error;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use terminal::{end, say};

/// Measures the curvature at the start, tries rates out, and watches the curvature of a training with a fixed rate.
#[derive(Parser)]
struct Options {
    /// Where the pictures and tables go.
    #[arg(long, default_value = "out/learning_rate")]
    out: PathBuf,
    /// How many steps of gradient descent.
    #[arg(long, default_value_t = 2000)]
    steps: usize,
    /// The rate, as a part of the bound 2 / lambda at the start.
    #[arg(long, default_value_t = 1.2)]
    part: f64,
    /// What the weights start from.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

type Regressor = Model<Sequential, ValueHead>;

fn main() -> ExitCode {
    end(run(&Options::parse()))
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    std::fs::create_dir_all(&options.out).map_err(|e| format!("{}: {e}", options.out.display()))?;

    // All of the data in every step, so that the bound is that of the lecture and not blurred by the batches.
    let some = digits().select(&(0..300).collect::<Vec<_>>())?;
    let inputs = Standardizer::fit(some.inputs())?.transform(some.inputs())?;
    let targets: Tensor = Tensor::one_hot(some.targets(), 10);
    let data = Loader::new(TensorDataset::new(inputs.clone(), targets.clone())?).batch_size(300);
    let build = || -> Result<Regressor, Box<dyn Error>> {
        let mut rng = Rng::new(options.seed);
        let network = Sequential::new()
            .with(Linear::new(64, 40, LecunNormal, &mut rng))
            .with(Tanh)
            .with(Linear::new(40, 40, LecunNormal, &mut rng))
            .with(Tanh)
            .with(Linear::new(40, 10, LecunNormal, &mut rng));
        Ok(Model::regressor(network)?)
    };

    let mut model = build()?;
    let loss = MeanSquaredError::new();
    let surface = Surface::on_batch(&mut model, &loss, inputs.clone(), targets.clone());
    let start = surface.report(&Lanczos::default(), None, &mut Rng::new(1))?;
    say!("at the start: {start}")?;

    let tried = RangeTest::new(1e-3, 1e2, 120).run(&mut model, &loss, &Optimizer::new(Sgd, 1.0), &data)?;
    if let (Some(steepest), Some(tenth)) = (tried.steepest(), tried.tenth_of_minimum()) {
        say!(
            "range test: the loss falls fastest at {steepest:.2e}; a tenth of the rate of its minimum is {tenth:.2e}"
        )?;
    }

    let bound = start.bound().ok_or("the loss curves upwards in no direction")?;
    let rate = options.part * bound;
    let watch = CurvatureWatch::new(build()?, MeanSquaredError::new(), inputs, targets).every(5);
    let log = watch.log();
    let mut trainer = Trainer::new(model, loss, Optimizer::new(Sgd, rate))
        .epochs(options.steps)
        .callback(watch)
        .progress(Progress::Silent);
    let history = trainer.fit(&data, None)?.history;
    let records = log.records();
    if let Some((epoch, last)) = records.last() {
        say!("after {epoch} steps: {last}")?;
    }

    let sharpness: Vec<[f64; 2]> = records.iter().map(|(epoch, r)| [*epoch as f64, r.largest]).collect();
    let losses: Vec<[f64; 2]> = history.epochs.iter().map(|e| [e.epoch as f64, e.train_loss]).collect();
    let edge = 2.0 / rate;
    let line = vec![[0.0, edge], [options.steps as f64, edge]];
    let watched = picture(
        "Gradient descent at a fixed rate: the largest curvature rises to 2 / rate and stays there; training goes on",
        &[("largest curvature", "#d62728", sharpness), ("2 / rate", "#000000", line), ("loss", "#1f77b4", losses)],
        false,
    );
    let points = |f: fn(&kniff::trainer::RangePoint) -> f64| -> Vec<[f64; 2]> {
        tried.points.iter().map(|p| [p.learning_rate, f(p)]).filter(|p| p[1].is_finite()).collect()
    };
    let line = vec![[bound, 1e-2], [bound, 1e2]];
    let range = picture(
        "Range test: loss against the rate of the step; the line is 2 / lambda at the start",
        &[
            ("loss", "#bbbbbb", points(|p| p.loss)),
            ("smoothed", "#1f77b4", points(|p| p.smoothed)),
            ("2 / lambda", "#000000", line),
        ],
        true,
    );
    for (name, text) in [
        ("edge_of_stability.svg", watched),
        ("edge_of_stability.csv", log.to_csv()),
        ("range_test.svg", range),
        ("range_test.csv", tried.to_csv()),
    ] {
        let path = options.out.join(name);
        std::fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))?;
    }
    say!("pictures and tables are in {}", options.out.display())?;
    Ok(())
}

/// Lines over a logarithmic vertical axis, with a line for each power of ten; the horizontal axis is logarithmic if so wished.
fn picture(title: &str, lines: &[(&str, &str, Vec<[f64; 2]>)], log_x: bool) -> String {
    const WIDTH: f64 = 640.0;
    const HEIGHT: f64 = 360.0;
    const LEFT: f64 = 50.0;
    let across = |x: f64| if log_x { x.log10() } else { x };
    let all = || lines.iter().flat_map(|(_, _, points)| points);
    let range = |f: &dyn Fn(&[f64; 2]) -> f64| {
        all().map(f).fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)))
    };
    let ((left, right), (low, high)) = (range(&|p| across(p[0])), range(&|p| p[1].log10()));
    let (bottom, top) = (low.floor(), high.ceil());
    let place = |[x, y]: [f64; 2]| {
        let (x, y) = ((across(x) - left) / (right - left), (top - y.log10()) / (top - bottom));
        (LEFT + x * WIDTH, 10.0 + y * HEIGHT)
    };
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n<text x=\"{LEFT}\" y=\"{}\">{title}</text>\n",
        LEFT + WIDTH + 130.0,
        HEIGHT + 50.0,
        HEIGHT + 44.0
    );
    for power in bottom as i32..=top as i32 {
        let y = place([1.0, 10.0_f64.powi(power)]).1;
        let _ = writeln!(
            svg,
            "<path d=\"M{LEFT} {y:.1}h{WIDTH}\" stroke=\"#ddd\"/><text x=\"4\" y=\"{:.1}\">1e{power}</text>",
            y + 4.0
        );
    }
    for (x, anchor) in [(left, "start"), (right, "end")] {
        let text = if log_x { format!("1e{x:.0}") } else { format!("{x:.0}") };
        let at = LEFT + (x - left) / (right - left) * WIDTH;
        let _ = writeln!(svg, "<text x=\"{at:.1}\" y=\"{}\" text-anchor=\"{anchor}\">{text}</text>", HEIGHT + 26.0);
    }
    for (i, (name, colour, points)) in lines.iter().enumerate() {
        let mut text = String::new();
        for point in points {
            let (x, y) = place(*point);
            let _ = write!(text, "{x:.1},{y:.1} ");
        }
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>",
            text.trim_end()
        );
        let (x, y) = (LEFT + WIDTH + 8.0, 24.0 + 18.0 * i as f64);
        let _ = writeln!(
            svg,
            "<path d=\"M{x} {y}h14\" stroke=\"{colour}\" stroke-width=\"3\"/><text x=\"{}\" y=\"{}\">{name}</text>",
            x + 18.0,
            y + 4.0
        );
    }
    svg + "</svg>\n"
}
