//! What came of a run, family by family, and in one last line.

use super::case::{GoldenCase, Level};
use super::run::Outcome;
use std::collections::BTreeMap;
use std::fmt;

/// Counts, failures, and everything that was not run, by name.
#[derive(Clone, Debug, Default)]
pub struct Report {
    families: BTreeMap<String, Family>,
    failures: Vec<String>,
    /// Advisory and optional cases that came out otherwise.
    stands: Vec<String>,
    /// By operation: how many cases no family knows.
    unknown: BTreeMap<String, usize>,
    /// By operation and tensor: how many cases expect what has no counterpart.
    left_out: BTreeMap<String, usize>,
    required: Counts,
    advisory: Counts,
    optional: Counts,
}

/// How many cases passed, failed, and were not run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Agreed.
    pub passed: usize,
    /// Did not.
    pub failed: usize,
    /// Have an operation that no family knows.
    pub skipped: usize,
}

#[derive(Clone, Debug, Default)]
struct Family {
    counts: Counts,
    /// The worst error of the required cases that passed, as a share of its tolerance, and whose it is.
    worst: f64,
    of: String,
}

impl Report {
    /// Adds what came of a case.
    pub fn add(&mut self, case: &GoldenCase, outcome: Outcome) {
        let faults = outcome.faults();
        let family = self.families.entry(case.family.clone()).or_default();
        let counts = match case.level {
            Level::Required => &mut self.required,
            Level::Advisory => &mut self.advisory,
            Level::Optional => &mut self.optional,
        };
        let slot: fn(&mut Counts) -> &mut usize = match (&outcome, faults.is_empty()) {
            (Outcome::Unknown, _) => |c| &mut c.skipped,
            (_, true) => |c| &mut c.passed,
            (_, false) => |c| &mut c.failed,
        };
        *slot(counts) += 1;
        if case.is_required() {
            *slot(&mut family.counts) += 1;
        }
        let list = if case.is_required() { &mut self.failures } else { &mut self.stands };
        list.extend(faults.iter().map(|fault| format!("{}/{}: {fault}", case.family, case.name)));
        match outcome {
            Outcome::Unknown => *self.unknown.entry(format!("{} {}", case.family, case.op)).or_default() += 1,
            Outcome::Broke(_) => {}
            Outcome::Ran { comparisons, left_out } => {
                for name in left_out {
                    *self.left_out.entry(format!("{name} of {} {}", case.family, case.op)).or_default() += 1;
                }
                for c in comparisons {
                    if case.is_required() && faults.is_empty() && c.worst > family.worst {
                        (family.worst, family.of) = (c.worst, format!("{} {}", case.name, c.tensor));
                    }
                }
            }
        }
    }

    /// The counts of the required cases.
    pub fn required(&self) -> Counts {
        self.required
    }

    /// Each required tensor that disagreed, with its case's name.
    pub fn failures(&self) -> &[String] {
        &self.failures
    }

    /// Whether every required case was run and agreed.
    pub fn is_good(&self) -> bool {
        self.required.failed == 0 && self.required.skipped == 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<14} {:>6} {:>6} {:>7}  worst error, as a share of its tolerance",
            "family", "passed", "failed", "skipped"
        )?;
        for (name, family) in &self.families {
            let Counts { passed, failed, skipped } = family.counts;
            writeln!(f, "{name:<14} {passed:>6} {failed:>6} {skipped:>7}  {:.3} {}", family.worst, family.of)?;
        }
        for failure in &self.failures {
            writeln!(f, "FAILED {failure}")?;
        }
        for (op, n) in &self.unknown {
            writeln!(f, "unknown operation: {op} ({n} cases)")?;
        }
        for (tensor, n) in &self.left_out {
            writeln!(f, "left out: {tensor} ({n} cases)")?;
        }
        for stands in &self.stands {
            writeln!(f, "differs, not required: {stands}")?;
        }
        let part = |c: Counts| format!("{} passed, {} differ, {} not run", c.passed, c.failed, c.skipped);
        writeln!(f, "advisory: {}; optional: {}", part(self.advisory), part(self.optional))?;
        let Counts { passed, failed, skipped } = self.required;
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}
