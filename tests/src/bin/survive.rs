//! Kills a training at random moments and compares: `survive [--kills N] [--seed S]`.
#![forbid(unsafe_code)]

use clap::{Parser, Subcommand};
use kniff::tensor::parallel::with_threads;
use kniff_tests::survive::{kill_and_compare, train};
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Kills a training at random moments, half of them while a checkpoint is written, resumes it each time and compares the end.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// How often.
    #[arg(long, default_value_t = 200)]
    kills: usize,
    /// What the moments are drawn from.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

#[derive(Subcommand)]
enum Command {
    /// The training that is killed.
    #[command(hide = true)]
    Train {
        /// How many threads.
        #[arg(long)]
        threads: usize,
        /// Where the checkpoints are.
        #[arg(long)]
        folder: Option<PathBuf>,
        /// How many milliseconds each batch sleeps.
        #[arg(long, default_value_t = 0)]
        slow: u64,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("survive: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    if let Some(Command::Train { threads, folder, slow }) = &arguments.command {
        let training = || train(folder.as_deref(), Duration::from_millis(*slow)).map_err(|e| e.to_string());
        with_threads(*threads, training)?;
        return Ok(ExitCode::SUCCESS);
    }
    let started = Instant::now();
    let program = std::env::current_exe()?;
    let outcome = kill_and_compare(&program, arguments.kills, arguments.seed, &mut |line| println!("{line}"))?;
    println!(
        "{} kills ({} while a checkpoint was written), {} lost, {} different; {} trainings in {:.1} s",
        outcome.kills,
        outcome.writing,
        outcome.lost,
        outcome.different,
        outcome.trainings,
        started.elapsed().as_secs_f64()
    );
    Ok(if outcome.lost + outcome.different == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
