//! `cargo xtask gradcheck`: every op's derivatives against central differences, in f64.

use crate::process::Cargo;
use clap::Args;
use std::process::ExitCode;

/// The command's arguments.
#[derive(Args)]
pub(crate) struct Gradcheck {
    /// Only the op of this name
    #[arg(long, value_name = "NAME")]
    op: Option<String>,
    /// Random inputs per op
    #[arg(long, value_name = "N")]
    cases: Option<u32>,
    /// The seed that the inputs are drawn from
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
}

impl Gradcheck {
    /// Runs the checker, which lives with the tests because it sees every crate.
    pub(crate) fn run(&self) -> ExitCode {
        self.call().exit_code()
    }

    fn call(&self) -> Cargo {
        let mut call = checker();
        if let Some(op) = &self.op {
            call = call.args(["--op", op]);
        }
        if let Some(cases) = self.cases {
            call = call.args(["--cases".to_string(), cases.to_string()]);
        }
        if let Some(seed) = self.seed {
            call = call.args(["--seed".to_string(), seed.to_string()]);
        }
        call
    }
}

/// The call of the checker, to which its own arguments can be added.
pub(crate) fn checker() -> Cargo {
    Cargo::new(["run", "--quiet", "--package", "kniff-tests", "--bin", "gradcheck", "--"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_given_is_passed_on() {
        let nothing = Gradcheck { op: None, cases: None, seed: None };
        assert_eq!(nothing.call(), checker());
        let all = Gradcheck { op: Some("tanh".into()), cases: Some(7), seed: Some(3) };
        assert!(all.call().line().ends_with("-- --op tanh --cases 7 --seed 3"), "{}", all.call().line());
    }
}
