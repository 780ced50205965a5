//! A rule of the house: a name, a sentence, and a function from the workspace's text to the places that break it.

use crate::tree::Tree;
use std::fmt;

/// A rule of the house.
pub(crate) struct Rule {
    /// The name that a finding carries.
    pub(crate) name: &'static str,
    /// What the rule asks.
    pub(crate) sentence: &'static str,
    /// The places that break it.
    pub(crate) check: fn(&Tree) -> Vec<Place>,
}

/// A place that breaks a rule, and what to do about it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Place {
    /// The file, from the workspace's root, with forward slashes.
    pub(crate) path: String,
    /// The line, counted from 1.
    pub(crate) line: usize,
    /// What to do.
    pub(crate) advice: String,
}

impl Place {
    /// A place by its file, line and advice.
    pub(crate) fn new(path: impl Into<String>, line: usize, advice: impl Into<String>) -> Self {
        Self { path: path.into(), line, advice: advice.into() }
    }
}

/// A place together with the rule that it breaks.
pub(crate) struct Finding {
    /// The rule's name.
    pub(crate) rule: &'static str,
    /// Where, and what to do.
    pub(crate) place: Place,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { path, line, advice } = &self.place;
        write!(f, "{path}:{line}: {}: {advice}", self.rule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_reads_as_an_editor_expects() {
        let finding = Finding { rule: "words", place: Place::new("crates/nn/src/lib.rs", 3, "drop it") };
        assert_eq!(finding.to_string(), "crates/nn/src/lib.rs:3: words: drop it");
    }
}
