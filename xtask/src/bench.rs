//! `cargo xtask bench`: the criterion benches, with baselines to compare against.

use crate::process::Cargo;
use clap::Args;
use std::process::ExitCode;

/// The command's arguments.
#[derive(Args)]
pub(crate) struct Bench {
    /// Only benches whose name contains this
    filter: Option<String>,
    /// Keep the measurements as the baseline NAME
    #[arg(long, value_name = "NAME", conflicts_with = "against")]
    save: Option<String>,
    /// Compare with the baseline NAME, which stays as it is
    #[arg(long, value_name = "NAME")]
    against: Option<String>,
}

impl Bench {
    /// Runs the benches in the bench profile.
    pub(crate) fn run(&self) -> ExitCode {
        self.call().exit_code()
    }

    fn call(&self) -> Cargo {
        // The pattern leaves out the library and the binaries, whose harness does not know criterion's arguments.
        let mut call = Cargo::new(["bench", "--package", "kniff-benches", "--bench", "*", "--"]);
        if let Some(filter) = &self.filter {
            call = call.args([filter]);
        }
        if let Some(name) = &self.save {
            call = call.args(["--save-baseline", name]);
        }
        if let Some(name) = &self.against {
            call = call.args(["--baseline", name]);
        }
        call
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn baselines_take_criterions_names() {
        let saving = Bench { filter: Some("gemm".into()), save: Some("before".into()), against: None };
        assert!(saving.call().line().ends_with("-- gemm --save-baseline before"));
        let comparing = Bench { filter: None, save: None, against: Some("before".into()) };
        assert!(comparing.call().line().ends_with("-- --baseline before"));
    }
}
