//! `cargo xtask tidy`: the rules of the house that the compiler does not know.

use crate::rule::Finding;
use crate::tree::Tree;
use crate::{process, rules};
use clap::Args;
use std::process::ExitCode;

/// The command's arguments.
#[derive(Args)]
pub(crate) struct Tidy {
    /// Print the rules, and check nothing
    #[arg(long)]
    list: bool,
}

impl Tidy {
    /// Checks every rule; the exit code is 1 if one is broken.
    pub(crate) fn run(&self) -> ExitCode {
        if self.list {
            for rule in rules::RULES {
                println!("{:<14} {}", rule.name, rule.sentence);
            }
            return ExitCode::SUCCESS;
        }
        match Tree::read(&process::root()) {
            Ok(tree) if report(&rules::findings(&tree)) => ExitCode::SUCCESS,
            Ok(_) => ExitCode::FAILURE,
            Err(error) => {
                println!("cannot read the workspace: {error}");
                ExitCode::FAILURE
            }
        }
    }
}

/// Prints the findings, one a line; true if there are none.
pub(crate) fn report(findings: &[Finding]) -> bool {
    for finding in findings {
        println!("{finding}");
    }
    findings.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_is_tidy() {
        let tree = Tree::read(&process::root()).unwrap();
        let findings = rules::findings(&tree);
        let lines: Vec<String> = findings.iter().map(Finding::to_string).collect();
        assert!(findings.is_empty(), "\n{}", lines.join("\n"));
    }
}
