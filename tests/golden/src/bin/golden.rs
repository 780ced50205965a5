//! Holds kniff against reference values: `golden [DIR] [--family NAME] [--case TEXT]`.
#![forbid(unsafe_code)]

use clap::Parser;
use kniff_golden::{Set, run};
use std::path::PathBuf;
use std::process::ExitCode;

/// Runs every case of a folder whose operation is known, and compares values and gradients.
#[derive(Parser)]
struct Arguments {
    /// The folder with `manifest.json` and the safetensors files; the project's own copy unless given.
    folder: Option<PathBuf>,
    /// Only this family.
    #[arg(long)]
    family: Option<String>,
    /// Only cases with this text in their name.
    #[arg(long)]
    case: Option<String>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let own = || PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let set = match Set::read(&arguments.folder.unwrap_or_else(own)) {
        Ok(set) => set,
        Err(e) => {
            eprintln!("golden: {e}");
            return ExitCode::from(2);
        }
    };
    // The report gives a case's panic as its failure; the default hook would print it a second time.
    std::panic::set_hook(Box::new(|_| {}));
    let report = run(&set, |case| {
        arguments.family.as_ref().is_none_or(|family| case.family == *family)
            && arguments.case.as_ref().is_none_or(|text| case.name.contains(text))
    });
    println!("{report}");
    if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
