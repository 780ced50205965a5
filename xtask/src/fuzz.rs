//! `cargo xtask fuzz`: looks for files that make a reader panic, hang or take too much memory.

use crate::process::Cargo;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// The command's arguments.
#[derive(Args)]
pub(crate) struct Fuzz {
    /// Only this reader; `--list` names them
    #[arg(long, value_name = "NAME")]
    reader: Option<String>,
    /// How long each reader is tried
    #[arg(long, value_name = "N", default_value_t = 60)]
    seconds: u64,
    /// What the changes are drawn from; the same seed makes the same files
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Name the readers, and read nothing
    #[arg(long)]
    list: bool,
    /// Read these files once, with the reader that is named, and say what it makes of them
    #[arg(requires = "reader")]
    files: Vec<PathBuf>,
}

impl Fuzz {
    /// Runs the fuzzer, which lives with the tests because it sees every reader.
    pub(crate) fn run(&self) -> ExitCode {
        self.call().exit_code()
    }

    fn call(&self) -> Cargo {
        let mut call = Cargo::new(["run", "--quiet", "--package", "kniff-tests", "--bin", "fuzz", "--"]);
        if let Some(reader) = &self.reader {
            call = call.args(["--reader", reader]);
        }
        call = call.args(["--seconds", &self.seconds.to_string(), "--seed", &self.seed.to_string()]);
        if self.list {
            call = call.args(["--list"]);
        }
        // The fuzzer is started in the workspace's root, wherever this was called.
        let absolute =
            |file: &PathBuf| std::path::absolute(file).unwrap_or_else(|_| file.clone()).display().to_string();
        call.args(self.files.iter().map(absolute))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_given_is_passed_on() {
        let fuzz = Fuzz { reader: Some("npz".into()), seconds: 5, seed: 7, list: false, files: vec!["/a/b".into()] };
        let line = fuzz.call().line();
        assert!(line.ends_with("--bin fuzz -- --reader npz --seconds 5 --seed 7 /a/b"), "{line}");
    }
}
