//! Starts cargo in the workspace's root, with its output passed straight through.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

/// The workspace's root folder.
pub(crate) fn root() -> PathBuf {
    // Asked at run time first: with a shared target folder, the compiled-in answer may be another checkout's.
    let own = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| OsString::from(env!("CARGO_MANIFEST_DIR")));
    let mut root = PathBuf::from(own);
    root.pop();
    root
}

/// A call of cargo, still to be run.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Cargo {
    variables: Vec<(&'static str, &'static str)>,
    arguments: Vec<String>,
}

impl Cargo {
    /// Cargo with these arguments.
    pub(crate) fn new<S: Into<String>>(arguments: impl IntoIterator<Item = S>) -> Self {
        Self { variables: Vec::new(), arguments: arguments.into_iter().map(Into::into).collect() }
    }

    /// The same call with an environment variable set.
    pub(crate) fn with(mut self, variable: &'static str, value: &'static str) -> Self {
        self.variables.push((variable, value));
        self
    }

    /// The same call with more arguments.
    pub(crate) fn args<S: Into<String>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// The line that does the same in a shell.
    pub(crate) fn line(&self) -> String {
        let variables = self.variables.iter().map(|(name, value)| format!("{name}={}", quoted(value)));
        let arguments = self.arguments.iter().map(|argument| quoted(argument));
        variables.chain(["cargo".to_string()]).chain(arguments).collect::<Vec<_>>().join(" ")
    }

    /// Runs to the end; true if it succeeded.
    pub(crate) fn succeeds(&self) -> bool {
        match self.command().status() {
            Ok(status) => status.success(),
            Err(error) => {
                println!("cannot start `{}`: {error}", self.line());
                false
            }
        }
    }

    /// Runs quietly; true if it succeeded.
    pub(crate) fn is_there(&self) -> bool {
        self.command().output().is_ok_and(|output| output.status.success())
    }

    /// Runs to the end with errors passed through; what it printed, if it succeeded.
    pub(crate) fn output(&self) -> Option<String> {
        let output = self.command().stderr(Stdio::inherit()).output();
        match output {
            Ok(output) => output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned()),
            Err(error) => {
                println!("cannot start `{}`: {error}", self.line());
                None
            }
        }
    }

    fn command(&self) -> Command {
        let program = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
        let mut command = Command::new(program);
        command.args(&self.arguments).envs(self.variables.iter().copied()).current_dir(root());
        command
    }

    /// Runs to the end and turns the outcome into this program's exit code.
    pub(crate) fn exit_code(&self) -> ExitCode {
        if self.succeeds() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_string()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_can_be_pasted_into_a_shell() {
        let call = Cargo::new(["bench", "--bench", "*"]).with("RUSTDOCFLAGS", "-D warnings").args(["it's"]);
        assert_eq!(call.line(), r"RUSTDOCFLAGS='-D warnings' cargo bench --bench '*' 'it'\''s'");
    }

    #[test]
    fn the_root_holds_the_workspace_manifest() {
        let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
        assert!(manifest.contains("[workspace]"));
    }
}
