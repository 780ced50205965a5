//! `cargo xtask golden`: kniff against values that other systems computed.

use crate::process::Cargo;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// The command's arguments.
#[derive(Args)]
pub(crate) struct Golden {
    /// The folder with `manifest.json` and its safetensors files; the project's own copy unless given
    folder: Option<PathBuf>,
    /// Only this family
    #[arg(long, value_name = "NAME")]
    family: Option<String>,
    /// Only cases with this text in their name
    #[arg(long, value_name = "TEXT")]
    case: Option<String>,
}

impl Golden {
    /// Runs the runner, which lives with the tests because it sees every crate.
    pub(crate) fn run(&self) -> ExitCode {
        self.call().exit_code()
    }

    fn call(&self) -> Cargo {
        let mut call = runner();
        if let Some(folder) = &self.folder {
            // The runner is started in the workspace's root, wherever this was called.
            let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.clone());
            call = call.args([folder.display().to_string()]);
        }
        if let Some(family) = &self.family {
            call = call.args(["--family", family]);
        }
        if let Some(case) = &self.case {
            call = call.args(["--case", case]);
        }
        call
    }
}

/// The call of the runner, to which its own arguments can be added.
fn runner() -> Cargo {
    Cargo::new(["run", "--quiet", "--package", "kniff-golden", "--bin", "golden", "--"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_made_absolute_and_only_what_was_given_is_passed_on() {
        assert_eq!(Golden { folder: None, family: None, case: None }.call(), runner());
        let all = Golden { folder: Some("/x/y".into()), family: Some("conv".into()), case: Some("ties".into()) };
        assert!(all.call().line().ends_with("-- /x/y --family conv --case ties"), "{}", all.call().line());
        let relative = Golden { folder: Some("set".into()), family: None, case: None };
        let line = relative.call().line();
        assert!(line.ends_with("/set") && !line.ends_with(" set"), "{line}");
    }
}
