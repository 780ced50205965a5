//! Measures one workload and prints one line of JSON: `entrant WORKLOAD THREADS`.
#![forbid(unsafe_code)]

use kniff_benches::measure::{Request, measure, pin, unsupported};
use kniff_benches::workloads;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [workload, threads] = arguments.as_slice() else {
        eprintln!("usage: entrant WORKLOAD THREADS; workloads: {}", workloads::NAMES.join(", "));
        return ExitCode::from(2);
    };
    let Some(threads) = threads.parse().ok().filter(|&n: &usize| n > 0) else {
        eprintln!("entrant: THREADS is `{threads}`, not a number above 0");
        return ExitCode::from(2);
    };
    let request = Request { workload: workload.clone(), threads };
    pin(threads);
    match workloads::step(workload) {
        Some((samples, mut step)) => println!("{}", measure(&request, samples, &mut step)),
        None => println!("{}", unsupported(&request, "no such workload here yet")),
    }
    ExitCode::SUCCESS
}
