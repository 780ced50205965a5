//! `cargo xtask`: the workspace's own commands, one file each.
#![forbid(unsafe_code)]

mod bench;
mod check;
mod fuzz;
mod golden;
mod gradcheck;
mod manifest;
mod new;
mod process;
mod rule;
mod rules;
mod sanitize;
mod source;
mod survive;
mod tidy;
mod tree;
mod unsafe_list;

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
    /// Look for files that make a reader panic, hang or take too much memory
    Fuzz(fuzz::Fuzz),
    /// Every piece of unsafe code, with the reason why it is sound
    Unsafe(unsafe_list::Unsafe),
    /// Run the tests of the unsafe code under whatever watches memory on this machine
    Sanitize(sanitize::Sanitize),
    /// Run the benches, and keep or compare a baseline
    Bench(bench::Bench),
    /// Kill a training again and again, resume it, and compare what it ends with
    Survive(survive::Survive),
    /// Create the one file of a new op, layer, rule, ... and declare it
    New(new::New),
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Check(command) => command.run(),
        Command::Tidy(command) => command.run(),
        Command::Gradcheck(command) => command.run(),
        Command::Golden(command) => command.run(),
        Command::Fuzz(command) => command.run(),
        Command::Unsafe(command) => command.run(),
        Command::Sanitize(command) => command.run(),
        Command::Bench(command) => command.run(),
        Command::Survive(command) => command.run(),
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
