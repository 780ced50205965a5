//! Programs that measure one workload: how kniff's is built, and the line of JSON that each prints.

use crate::process::Cargo;
use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;

/// What one run of a workload gave.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Figures {
    pub(super) workload: String,
    pub(super) peer: String,
    pub(super) threads: u64,
    /// The median of a step in milliseconds; none where the program does not have the workload, or failed.
    pub(super) median_ms: Option<f64>,
    pub(super) peak_rss_mb: Option<f64>,
}

impl Figures {
    /// Reads a line; none if it is no JSON with the fields that every line has.
    pub(super) fn read(line: &str) -> Option<Self> {
        let line: Value = serde_json::from_str(line).ok()?;
        let text = |key: &str| line.get(key)?.as_str().map(str::to_owned);
        let number = |key: &str| line.get(key)?.as_f64();
        Some(Self {
            workload: text("workload")?,
            peer: text("peer")?,
            threads: line.get("threads")?.as_u64()?,
            median_ms: number("median_ms"),
            peak_rss_mb: number("peak_rss_mb"),
        })
    }
}

/// Builds a program of the benches in the release profile and gives its path.
pub(super) fn built(program: &str) -> Result<PathBuf, String> {
    let call = Cargo::new(["build", "--release", "--package", "kniff-benches", "--bin", program]);
    let call = call.args(["--message-format", "json-render-diagnostics"]);
    let output = call.output().ok_or_else(|| format!("`{}` failed", call.line()))?;
    let mut made = output.lines().filter_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        let ours = message.get("target")?.get("name")?.as_str()? == program;
        ours.then(|| message.get("executable")?.as_str().map(PathBuf::from))?
    });
    made.next_back().ok_or_else(|| format!("cargo names no program after `{}`", call.line()))
}

/// Runs a command with the workload and the number of threads and reads the last line of JSON that it prints.
pub(super) fn measured(command: &[String], workload: &str, threads: usize, seconds: f64) -> Result<Figures, String> {
    let (program, arguments) = command.split_first().ok_or("an empty command")?;
    let mut call = Command::new(program);
    call.args(arguments).args([workload, &threads.to_string()]).env("PEERS_SECONDS", seconds.to_string());
    let line = format!("{} {workload} {threads}", command.join(" "));
    let output = call.output().map_err(|error| format!("cannot start `{line}`: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().rev().find_map(Figures::read).ok_or_else(|| {
        let errors = String::from_utf8_lossy(&output.stderr);
        let last = errors.lines().last().unwrap_or("and it says nothing");
        format!("`{line}` prints no line of JSON: {last}")
    })
}

/// The middle value, of an even number the mean of both.
pub(super) fn median(values: &[f64]) -> Option<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let n = values.len();
    match n {
        0 => None,
        _ if n % 2 == 1 => Some(values[n / 2]),
        _ => Some((values[n / 2 - 1] + values[n / 2]) / 2.0),
    }
}

/// Milliseconds with three significant digits or so.
pub(super) fn shown(ms: f64) -> String {
    let digits = [0.1, 1.0, 10.0, 100.0].iter().filter(|&&limit| ms < limit).count();
    format!("{ms:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_and_others_left_alone() {
        let line = r#"{"workload": "tanh", "peer": "jax", "threads": 2, "median_ms": 1.5, "peak_rss_mb": 120.0}"#;
        let read = Figures::read(line).unwrap();
        assert_eq!((read.median_ms, read.peak_rss_mb, read.threads), (Some(1.5), Some(120.0), 2));
        let without = Figures::read(r#"{"workload": "tanh", "peer": "jax", "threads": 2, "unsupported": "no"}"#);
        assert_eq!(without.unwrap().median_ms, None);
        assert_eq!(Figures::read("warming up"), None);
    }

    #[test]
    fn medians_and_digits() {
        assert_eq!((median(&[3.0, 1.0, 2.0]), median(&[4.0, 1.0]), median(&[])), (Some(2.0), Some(2.5), None));
        assert_eq!([0.0213, 0.412, 1.83, 31.6, 162.4].map(shown), ["0.0213", "0.412", "1.83", "31.6", "162"]);
    }

    #[test]
    fn a_command_that_does_not_measure_is_an_error_that_names_it() {
        let error = measured(&["cargo".into(), "--version".into()], "tanh", 2, 1.0).unwrap_err();
        assert!(error.contains("`cargo --version tanh 2`"), "{error}");
        assert!(measured(&["no-such-program".into()], "tanh", 1, 1.0).unwrap_err().contains("cannot start"));
    }
}
