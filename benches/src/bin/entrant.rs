//! Measures one workload and prints one line of JSON: `entrant [--bf16] WORKLOAD THREADS`.
#![forbid(unsafe_code)]

use kniff_benches::measure::{Request, measure, pin, unsupported};
use kniff_benches::workloads;
use kniff_tensor::{Precision, with_precision};
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let bf16 = arguments.first().is_some_and(|first| first == "--bf16");
    if bf16 {
        arguments.remove(0);
    }
    let precision = if bf16 { Precision::Bf16 } else { Precision::Full };
    let [workload, threads] = arguments.as_slice() else {
        eprintln!("usage: entrant [--bf16] WORKLOAD THREADS; workloads: {}", workloads::NAMES.join(", "));
        return ExitCode::from(2);
    };
    let Some(threads) = threads.parse().ok().filter(|&n: &usize| n > 0) else {
        eprintln!("entrant: THREADS is `{threads}`, not a number above 0");
        return ExitCode::from(2);
    };
    let request = Request { workload: workload.clone(), threads };
    pin(threads);
    match workloads::step(workload) {
        Some(_) if bf16 && !kniff_tensor::bf16_is_there() => {
            println!("{}", unsupported(&request, "this processor has no products in bfloat16"));
        }
        Some((samples, mut step)) => {
            println!("{}", measure(&request, samples, || with_precision(precision, &mut step)));
        }
        None => println!("{}", unsupported(&request, "no such workload here yet")),
    }
    ExitCode::SUCCESS
}
