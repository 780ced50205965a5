//! `cargo xtask sanitize`: the tests of the crate with unsafe code, under whatever watches memory on this machine.

use crate::process;
use clap::{Args, ValueEnum};
use std::process::{Command, ExitCode};

/// The command's arguments.
#[derive(Args)]
pub(crate) struct Sanitize {
    /// Only this tool, in place of all that are here
    #[arg(long, value_enum)]
    tool: Option<Tool>,
    /// Only tests with this text in their name
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
}

/// What watches memory.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum Tool {
    /// AddressSanitizer of the nightly compiler: addresses, also in vector code
    Address,
    /// ThreadSanitizer of the nightly compiler, with its standard library built anew: races
    Thread,
    /// Valgrind: addresses and what was never written, in the code that is shipped
    Valgrind,
    /// Miri of the nightly compiler: undefined behaviour of the language, in tests that it can run
    Miri,
}

/// The crate with unsafe code.
const PACKAGE: &str = "kniff-tensor";

impl Sanitize {
    /// Runs every tool that is here; the exit code is 1 if one finds something, or none is here.
    pub(crate) fn run(&self) -> ExitCode {
        let (mut ran, mut failed) = (Vec::new(), Vec::new());
        for tool in [Tool::Address, Tool::Valgrind, Tool::Miri, Tool::Thread] {
            if self.tool.is_some_and(|only| only != tool) {
                continue;
            }
            if let Some(missing) = tool.missing() {
                println!("== sanitize: {tool:?} is left out: {missing}");
                continue;
            }
            let call = tool.call(self.filter.as_deref());
            println!("== sanitize: {tool:?}: {}", call.line());
            ran.push(tool);
            if !call.succeeds() {
                failed.push(tool);
            }
        }
        println!("== sanitize: ran {ran:?}, failed {failed:?}");
        if ran.is_empty() {
            println!("== sanitize: NOTHING was checked: install valgrind, or a nightly toolchain");
        }
        if failed.is_empty() && !ran.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

impl Tool {
    /// What is missing for it, if anything is.
    fn missing(self) -> Option<&'static str> {
        let here = |program: &str, arguments: &[&str]| {
            Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
        };
        let nightly = here("rustup", &["run", "nightly", "cargo", "--version"]);
        match self {
            Tool::Valgrind => (!here("valgrind", &["--version"])).then_some("valgrind is not installed"),
            Tool::Address | Tool::Miri | Tool::Thread if !nightly => Some("there is no nightly toolchain"),
            Tool::Address => None,
            Tool::Miri => (!here("rustup", &["run", "nightly", "cargo", "miri", "--version"]))
                .then_some("`rustup component add miri rust-src --toolchain nightly` was not run"),
            Tool::Thread => {
                (!has_sources()).then_some("`rustup component add rust-src --toolchain nightly` was not run")
            }
        }
    }

    /// The program, its arguments and its environment.
    fn call(self, filter: Option<&str>) -> Call {
        let target = host();
        let test = ["test", "--package", PACKAGE, "--lib"].map(str::to_owned);
        let nightly = ["run", "nightly", "cargo"].map(str::to_owned).to_vec();
        let (program, mut arguments, variable) = match self {
            Tool::Address => ("rustup", [nightly, test.to_vec()].concat(), ("RUSTFLAGS", "-Zsanitizer=address")),
            Tool::Thread => ("rustup", [nightly, test.to_vec()].concat(), ("RUSTFLAGS", "-Zsanitizer=thread")),
            Tool::Miri => (
                "rustup",
                [nightly, vec!["miri".into()], test.to_vec()].concat(),
                ("MIRIFLAGS", "-Zmiri-disable-isolation"),
            ),
            Tool::Valgrind => ("cargo", test.to_vec(), ("CARGO_TARGET_RUNNER", "")),
        };
        let mut variables = vec![(variable.0.to_owned(), variable.1.to_owned())];
        if self == Tool::Valgrind {
            let name = format!("CARGO_TARGET_{}_RUNNER", target.to_uppercase().replace(['-', '.'], "_"));
            variables = vec![(name, "valgrind --quiet --error-exitcode=1 --fair-sched=yes".into())];
        }
        if self == Tool::Thread {
            arguments.push("-Zbuild-std".into());
        }
        if matches!(self, Tool::Address | Tool::Thread) {
            arguments.extend(["--target".into(), target]);
        }
        // A folder of its own: other flags would build everything else anew.
        let folder = process::root().join("target/sanitize").display().to_string();
        arguments.extend(["--target-dir".into(), folder]);
        // Miri knows no threads that never end, no files and few vector instructions: the buffers are what it is asked for.
        if let Some(text) = filter.or((self == Tool::Miri).then_some("buffer::")) {
            arguments.extend(["--".into(), text.into()]);
        }
        Call { program, arguments, variables }
    }
}

/// A program still to be run.
struct Call {
    program: &'static str,
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
}

impl Call {
    fn line(&self) -> String {
        let variables = self.variables.iter().map(|(name, value)| format!("{name}='{value}' ")).collect::<String>();
        format!("{variables}{} {}", self.program, self.arguments.join(" "))
    }

    fn succeeds(&self) -> bool {
        let mut command = Command::new(self.program);
        command.args(&self.arguments).envs(self.variables.iter().cloned()).current_dir(process::root());
        // Cargo's own of this run would lead back to this toolchain.
        command.env_remove("CARGO").env_remove("RUSTUP_TOOLCHAIN").env_remove("CARGO_TARGET_DIR");
        match command.status() {
            Ok(status) => status.success(),
            Err(error) => {
                println!("cannot start `{}`: {error}", self.line());
                false
            }
        }
    }
}

/// Whether the nightly compiler's standard library can be built.
fn has_sources() -> bool {
    let root = Command::new("rustup").args(["run", "nightly", "rustc", "--print", "sysroot"]).output();
    let root = root.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    root.is_ok_and(|root| std::path::Path::new(&root).join("lib/rustlib/src/rust/library/Cargo.lock").is_file())
}

/// This machine's target.
fn host() -> String {
    let said =
        Command::new("rustc").arg("-vV").output().map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let said = said.unwrap_or_default();
    said.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or("x86_64-unknown-linux-gnu").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tool_has_a_line_that_can_be_pasted() {
        let line = Tool::Address.call(None).line();
        let begins =
            "RUSTFLAGS='-Zsanitizer=address' rustup run nightly cargo test --package kniff-tensor --lib --target ";
        assert!(line.starts_with(begins), "{line}");
        let line = Tool::Valgrind.call(Some("crew")).line();
        assert!(
            line.contains("_RUNNER='valgrind ") && line.contains(" cargo test ") && line.ends_with(" -- crew"),
            "{line}"
        );
        assert!(Tool::Miri.call(None).line().contains("cargo miri test"));
    }
}
