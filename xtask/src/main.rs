//! `cargo xtask`: the workspace's own commands, one file each.
#![forbid(unsafe_code)]

mod bench;
mod check;
mod golden;
mod gradcheck;
mod manifest;
mod new;
mod process;
mod rule;
mod rules;
mod source;
mod tidy;
mod tree;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// The workspace's own commands.
#[derive(Parser)]
#[command(bin_name = "cargo xtask", max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Everything that must hold before a change is accepted, cheapest first
    Check(check::Check),
    /// The rules of the house that the compiler does not know
    Tidy(tidy::Tidy),
    /// Compare every op's derivatives with central differences
    Gradcheck(gradcheck::Gradcheck),
    /// Hold kniff against values that other systems computed
    Golden(golden::Golden),
    /// Run the benches, and keep or compare a baseline
    Bench(bench::Bench),
    /// Create the one file of a new op, layer, rule, ... and declare it
    New(new::New),
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Check(command) => command.run(),
        Command::Tidy(command) => command.run(),
        Command::Gradcheck(command) => command.run(),
        Command::Golden(command) => command.run(),
        Command::Bench(command) => command.run(),
        Command::New(command) => command.run(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
