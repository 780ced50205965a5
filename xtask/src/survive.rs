//! `cargo xtask survive`: kills a training again and again, resumes it, and compares what it ends with.

use crate::process::Cargo;
use clap::Args;
use std::process::ExitCode;

/// The command's arguments.
#[derive(Args)]
pub(crate) struct Survive {
    /// How often the training is killed
    #[arg(long, value_name = "N")]
    kills: Option<usize>,
    /// The seed that the moments are drawn from
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
}

impl Survive {
    /// Runs the one who kills, which lives with the tests.
    pub(crate) fn run(&self) -> ExitCode {
        self.call().exit_code()
    }

    fn call(&self) -> Cargo {
        let mut call =
            Cargo::new(["run", "--quiet", "--release", "--package", "kniff-tests", "--bin", "survive", "--"]);
        if let Some(kills) = self.kills {
            call = call.args(["--kills".to_string(), kills.to_string()]);
        }
        if let Some(seed) = self.seed {
            call = call.args(["--seed".to_string(), seed.to_string()]);
        }
        call
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_given_is_passed_on() {
        assert!(Survive { kills: None, seed: None }.call().line().ends_with("--bin survive --"));
        let all = Survive { kills: Some(7), seed: Some(3) };
        assert!(all.call().line().ends_with("-- --kills 7 --seed 3"), "{}", all.call().line());
    }
}
