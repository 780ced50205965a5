//! Checks the derivatives of every operation: `gradcheck [--op NAME] [--cases N] [--seed S]`.
#![forbid(unsafe_code)]

use clap::Parser;
use kniff_tests::gradients::{check, select};
use std::process::ExitCode;

/// Reverse mode against differences, forward mode against reverse mode, second derivatives both ways.
#[derive(Parser)]
struct Arguments {
    /// Only this operation.
    #[arg(long)]
    op: Option<String>,
    /// Draws per operation.
    #[arg(long, default_value_t = 10)]
    cases: u64,
    /// What the draws depend on.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let cases = match select(arguments.op.as_deref()) {
        Ok(cases) => cases,
        Err(e) => {
            eprintln!("gradcheck: {e}");
            return ExitCode::from(2);
        }
    };
    println!(
        "{:<22} {:>9} {:>10} {:>10} {:>10} {:>10}",
        "operation", "compared", "reverse", "adjoint", "second", "twice"
    );
    let mut failed = 0;
    for case in &cases {
        match check(case, arguments.cases, arguments.seed) {
            Ok(r) => println!(
                "{:<22} {:>9} {:>10.1e} {:>10.1e} {:>10.1e} {:>10.1e}",
                case.name, r.compared, r.reverse, r.adjoint, r.second, r.reverse_over_reverse
            ),
            Err(e) => {
                failed += 1;
                println!("{:<22} FAILED: {e}", case.name);
            }
        }
    }
    println!("{} passed, {failed} failed", cases.len() - failed);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
