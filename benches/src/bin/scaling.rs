//! Measures how a training step's cost grows with batch, width and depth, and prints a line of JSON for each size:
//! `scaling THREADS`.
#![forbid(unsafe_code)]

use kniff_benches::measure::{pin, step_ms};
use kniff_benches::{networks, workloads};
use kniff_optim::Momentum;
use kniff_tensor::Rng;
use std::process::ExitCode;

/// Of the axes that are not varied: examples, units of a hidden layer, hidden layers.
const BATCH: usize = 64;
const WIDTH: usize = 256;
const DEPTH: usize = 3;
/// Where depth is varied, so that the deepest network stays small.
const NARROW: usize = 64;
/// Classes.
const OUTPUTS: usize = 10;

fn main() -> ExitCode {
    let Some(threads) = std::env::args().nth(1).and_then(|n| n.parse().ok()).filter(|&n: &usize| n > 0) else {
        eprintln!("usage: scaling THREADS");
        return ExitCode::from(2);
    };
    pin(threads);
    let doubling = |from: usize, to: usize| (0..).map(move |i| from << i).take_while(move |&n| n <= to);
    for batch in doubling(1, 1024) {
        let ms = measured(batch, WIDTH, DEPTH);
        print("batch", batch, ms, ms * 1e3 / batch as f64);
    }
    for width in doubling(64, 4096) {
        let ms = measured(BATCH, width, DEPTH);
        // Forward, and backward to the weights; to the inputs, in all layers but the first.
        let square = (width * width * (3 * DEPTH - 1) + 3 * width * OUTPUTS) * BATCH;
        print("width", width, ms, ms * 1e9 / square as f64);
    }
    for depth in doubling(2, 128) {
        let ms = measured(BATCH, NARROW, depth);
        print("depth", depth, ms, ms * 1e3 / depth as f64);
    }
    ExitCode::SUCCESS
}

fn measured(batch: usize, width: usize, depth: usize) -> f64 {
    let network = networks::mlp(width, depth, OUTPUTS, &mut Rng::new(0));
    let rule = Momentum { momentum: 0.9, ..Momentum::default() };
    step_ms(&mut workloads::train(network, &[width], batch, rule, 1e-4))
}

fn print(axis: &str, size: usize, ms: f64, cost: f64) {
    println!("{{\"axis\": \"{axis}\", \"size\": {size}, \"step_ms\": {ms:.5}, \"cost\": {cost:.5}}}");
}
