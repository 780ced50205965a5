//! Looks for files that break a reader: `fuzz [--reader NAME] [--seconds N] [--seed N] [FILE ...]`.
#![forbid(unsafe_code)]

use clap::Parser;
use kniff_tests::fuzz::{Child, Hunt, Outcome, READERS, Reader, reader};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Changes whole files and reads them, in a process of its own with limited memory and time.
#[derive(Parser)]
struct Arguments {
    /// Only this reader.
    #[arg(long, value_parser = known)]
    reader: Option<&'static Reader>,
    /// How long each reader is tried.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// What the changes are drawn from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where files that break something are put.
    #[arg(long, default_value = "out/fuzz")]
    findings: PathBuf,
    /// Names the readers, and reads nothing.
    #[arg(long)]
    list: bool,
    /// Reads these files once, with the reader that is named, and says what it makes of them.
    #[arg(requires = "reader")]
    files: Vec<PathBuf>,
    #[arg(long, hide = true, value_parser = known)]
    child: Option<&'static Reader>,
    #[arg(long, hide = true, default_value_t = 0)]
    milliseconds: u64,
    #[arg(long, hide = true, default_value = "slot")]
    slot: PathBuf,
}

fn known(name: &str) -> Result<&'static Reader, String> {
    let names: Vec<&str> = READERS.iter().map(|reader| reader.name).collect();
    reader(name).ok_or_else(|| format!("the readers are {}", names.join(", ")))
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.child {
        Some(reader) => {
            let time = Duration::from_millis(arguments.milliseconds);
            let Arguments { seed, slot, findings, .. } = arguments;
            Child { reader, seed, time, slot, findings }.run().map(|()| true)
        }
        None => hunt(&arguments),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("fuzz: {error}");
            ExitCode::from(2)
        }
    }
}

/// Tries every reader that is asked for; true if nothing was found.
fn hunt(arguments: &Arguments) -> std::io::Result<bool> {
    let mut clean = true;
    for reader in READERS.iter().filter(|reader| arguments.reader.is_none_or(|only| only.name == reader.name)) {
        if arguments.list {
            println!(
                "{:<12} {} seeds, {} kept files",
                reader.name,
                (reader.seeds)().len(),
                reader.start().len() - (reader.seeds)().len()
            );
            continue;
        }
        for file in &arguments.files {
            let outcome = Outcome::of(reader, &std::fs::read(file)?);
            println!("{}: {outcome:?}", file.display());
            clean &= !matches!(outcome, Outcome::Panicked(_));
        }
        if !arguments.files.is_empty() {
            continue;
        }
        let report = Hunt {
            reader,
            seed: arguments.seed,
            time: Duration::from_secs(arguments.seconds),
            patience: Duration::from_secs(20),
            findings: arguments.findings.clone(),
        };
        let report = report.run()?;
        println!("{report}");
        clean &= report.findings.is_empty();
    }
    Ok(clean)
}
