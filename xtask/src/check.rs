//! `cargo xtask check`: everything that must hold before a change is accepted, cheapest first.

use crate::process::Cargo;
use crate::{process, rules, tidy, tree::Tree};
use clap::Args;
use clap::builder::PossibleValuesParser;
use std::process::ExitCode;
use std::time::Instant;

/// The command's arguments.
#[derive(Args)]
pub(crate) struct Check {
    /// Start at this step
    #[arg(long, value_name = "STEP", value_parser = step_names())]
    from: Option<String>,
    /// Run this step alone
    #[arg(long, value_name = "STEP", value_parser = step_names(), conflicts_with = "from")]
    only: Option<String>,
    /// Print the steps and their commands, and run nothing
    #[arg(long)]
    list: bool,
    /// Run the later steps even if one fails
    #[arg(long)]
    keep_going: bool,
}

impl Check {
    /// Runs the steps that the arguments select; the exit code is 1 if one fails.
    pub(crate) fn run(&self) -> ExitCode {
        let steps = self.selected();
        if self.list {
            for step in &steps {
                println!("{:<10} {}", step.name, step.line());
            }
            return ExitCode::SUCCESS;
        }
        let start = Instant::now();
        let mut failed = Vec::new();
        for step in &steps {
            if !step.run() {
                failed.push(step.name);
                if !self.keep_going {
                    break;
                }
            }
        }
        let seconds = start.elapsed().as_secs_f64();
        if failed.is_empty() {
            let count = steps.len();
            println!("== check: {count} step{} passed in {seconds:.1} s", if count == 1 { "" } else { "s" });
            ExitCode::SUCCESS
        } else {
            println!("== check: FAILED after {seconds:.1} s: {}", failed.join(", "));
            ExitCode::FAILURE
        }
    }

    fn selected(&self) -> Vec<Step> {
        let steps = steps();
        match (&self.only, &self.from) {
            (Some(only), _) => steps.into_iter().filter(|step| step.name == only).collect(),
            (None, Some(from)) => steps.into_iter().skip_while(|step| step.name != from).collect(),
            (None, None) => steps,
        }
    }
}

/// One thing that must hold.
struct Step {
    name: &'static str,
    /// What has failed, as the beginning of a sentence.
    failure: &'static str,
    action: Action,
}

enum Action {
    Cargo(Cargo),
    Tidy,
    /// A subcommand of cargo that not every machine has: left out, with a line that says so, where it is missing.
    IfThere(Cargo, &'static str),
}

impl Step {
    /// Says what it does, does it, and says how it went and how to do it again; true if all is well.
    fn run(&self) -> bool {
        println!("== {}: {}", self.name, self.line());
        let start = Instant::now();
        let passed = match &self.action {
            Action::Cargo(call) => call.succeeds(),
            Action::IfThere(call, subcommand) => {
                if !Cargo::new([*subcommand, "--version"]).is_there() {
                    println!("== {}: LEFT OUT: there is no `cargo {subcommand}` on this machine", self.name);
                    return true;
                }
                call.succeeds()
            }
            Action::Tidy => match Tree::read(&process::root()) {
                Ok(tree) => tidy::report(&rules::findings(&tree)),
                Err(error) => {
                    println!("cannot read the workspace: {error}");
                    false
                }
            },
        };
        let seconds = start.elapsed().as_secs_f64();
        if passed {
            println!("== {}: ok in {seconds:.1} s", self.name);
        } else {
            println!("== {}: FAILED in {seconds:.1} s: {}; again alone: {}", self.name, self.failure, self.line());
        }
        passed
    }

    fn line(&self) -> String {
        match &self.action {
            Action::Cargo(call) | Action::IfThere(call, _) => call.line(),
            Action::Tidy => "cargo xtask tidy".to_string(),
        }
    }
}

/// The steps, cheapest first. Those that build share one profile and the whole workspace's features, so that the
/// dependencies are compiled once.
fn steps() -> Vec<Step> {
    let cargo = |name, failure, call| Step { name, failure, action: Action::Cargo(call) };
    vec![
        cargo(
            "fmt",
            "the code is not formatted as rustfmt would, which `cargo fmt --all` mends",
            Cargo::new(["fmt", "--all", "--check"]),
        ),
        Step { name: "tidy", failure: "a rule of the house is broken at the places above", action: Action::Tidy },
        Step {
            name: "deny",
            failure: "a dependency's licence, source or version is one that deny.toml refuses",
            // What is known of weaknesses needs the network: `cargo deny check advisories`, by hand.
            action: Action::IfThere(Cargo::new(["deny", "check", "bans", "licenses", "sources"]), "deny"),
        },
        cargo(
            "clippy",
            "the compiler or clippy has a warning, and warnings are not left standing",
            Cargo::new(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
        ),
        cargo(
            "docs",
            "rustdoc has a warning, mostly a link to nowhere or a public item without a sentence",
            Cargo::new(["doc", "--workspace", "--no-deps"]).with("RUSTDOCFLAGS", "-D warnings"),
        ),
        cargo(
            "tests",
            "a test fails or does not compile",
            // `--tests` has libraries and programs too, but for those that say `test = false`; `--lib` and `--bins` build these as well.
            Cargo::new(["test", "--workspace", "--tests", "--examples"]),
        ),
        cargo(
            "doctests",
            "an example in the documentation fails or does not compile",
            Cargo::new(["test", "--workspace", "--doc"]),
        ),
        cargo(
            "gradcheck",
            "an op's derivative disagrees with central differences; `cargo xtask gradcheck` shows each",
            // What the command checks, as a test: the command alone would resolve other features, and compile faer again.
            Cargo::new(["test", "--workspace", "--test", "claims", "--", "gradients::"]),
        ),
        cargo(
            "benches",
            "a bench does not run through once",
            // In the test profile, where criterion runs each bench once: a bench build would compile every
            // dependency a second time, only to time nothing.
            Cargo::new(["test", "--workspace", "--bench", "*"]),
        ),
    ]
}

fn step_names() -> PossibleValuesParser {
    PossibleValuesParser::new(steps().into_iter().map(|step| step.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(from: Option<&str>, only: Option<&str>) -> Vec<&'static str> {
        let check = Check { from: from.map(Into::into), only: only.map(Into::into), list: false, keep_going: false };
        check.selected().into_iter().map(|step| step.name).collect()
    }

    #[test]
    fn from_drops_the_steps_before_and_only_all_others() {
        assert_eq!(names(None, None).len(), steps().len());
        assert_eq!(names(Some("gradcheck"), None), ["gradcheck", "benches"]);
        assert_eq!(names(None, Some("docs")), ["docs"]);
    }

    #[test]
    fn every_step_has_its_own_name_and_a_command_to_repeat_it() {
        let mut names = names(None, None);
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), steps().len());
        assert!(steps().iter().all(|step| step.line().contains("cargo ")));
    }
}
