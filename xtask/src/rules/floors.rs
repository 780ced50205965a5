//! A crate imports only from floors below its own; siblings on one floor never meet.

use crate::manifest::Manifest;
use crate::rule::{Place, Rule};
use crate::tree::Tree;

/// The rule.
pub(super) const RULE: Rule =
    Rule { name: "floors", sentence: "a crate imports only from floors below its own, in its tests too", check };

/// The floors, lowest first, with the packages that live on them.
const FLOORS: &[&[&str]] = &[
    &["kniff-derive"],
    &["kniff-tensor"],
    &["kniff-autograd"],
    &["kniff-init", "kniff-nn", "kniff-optim", "kniff-data"],
    &["kniff-trainer", "kniff-formats"],
    &["kniff"],
];

/// Packages that stand outside the house and may look into every room.
const OUTSIDE: &[&str] = &["kniff-tests", "kniff-golden", "kniff-benches", "kniff-fuzz", "xtask"];

/// Siblings that meet all the same: who, whom, and why.
const EXCEPTIONS: &[(&str, &str, &str)] =
    &[("kniff-nn", "kniff-init", "a layer's constructor takes the initialiser that its weights start from")];

/// Packages that see less than their floor would let them: who, what alone, and why.
const BLINKERS: &[(&str, &[&str], &str)] = &[
    ("kniff-derive", &[], "it writes text and runs in the compiler"),
    ("kniff-tensor", &[], "numbers stand on nothing"),
    ("kniff-data", &["kniff-tensor"], "examples are numbers, and need no derivatives"),
];

fn check(tree: &Tree) -> Vec<Place> {
    let mut places = Vec::new();
    for file in tree.manifests() {
        let Some(manifest) = Manifest::read(file) else {
            continue;
        };
        let Some(package) = manifest.package() else {
            continue;
        };
        if OUTSIDE.contains(&package) {
            continue;
        }
        if floor(package).is_none() {
            let advice = format!("`{package}` has no floor: give it one in xtask/src/rules/floors.rs");
            places.push(Place::new(&file.path, 1, advice));
            continue;
        }
        // A crate whose tests ask for its own features names itself, and that is no arrow.
        for dependency in manifest.dependencies().iter().filter(|dependency| dependency.name != package) {
            if let Some(fault) = fault(package, &dependency.name) {
                let advice = format!("{fault}: drop `{}` from [{}]", dependency.name, dependency.section);
                places.push(Place::new(&file.path, dependency.line, advice));
            }
        }
    }
    places
}

/// What is wrong with an arrow between two packages of the workspace, if anything is.
fn fault(from: &str, to: &str) -> Option<String> {
    if OUTSIDE.contains(&to) {
        return Some(format!("`{to}` stands outside the house, and nothing in the house leans on it"));
    }
    let (own, other) = (floor(from)?, floor(to)?);
    if let Some((_, _, why)) = BLINKERS.iter().find(|(who, seen, _)| *who == from && !seen.contains(&to)) {
        return Some(format!("`{from}` does not see `{to}`, because {why}"));
    }
    if EXCEPTIONS.iter().any(|(who, whom, _)| (*who, *whom) == (from, to)) {
        return None;
    }
    match other.cmp(&own) {
        std::cmp::Ordering::Less => None,
        std::cmp::Ordering::Equal => Some(format!("`{to}` lives on `{from}`'s own floor, and siblings never meet")),
        std::cmp::Ordering::Greater => Some(format!("`{to}` lives above `{from}`, and no arrow runs upward")),
    }
}

fn floor(package: &str) -> Option<usize> {
    FLOORS.iter().position(|packages| packages.contains(&package))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advice(package: &str, dependencies: &str) -> Vec<String> {
        let text = format!("[package]\nname = \"{package}\"\n{dependencies}");
        check(&Tree::of([("crates/x/Cargo.toml", text)])).into_iter().map(|place| place.advice).collect()
    }

    #[test]
    fn downward_is_allowed_and_others_crates_are_no_ones_business() {
        assert!(advice("kniff-optim", "[dependencies]\nkniff-autograd.workspace = true\nserde = \"1\"").is_empty());
        assert!(advice("kniff", "[dependencies]\nkniff-trainer.workspace = true").is_empty());
        assert!(advice("kniff-tests", "[dependencies]\nkniff.workspace = true").is_empty());
        assert!(advice("kniff-data", "[dev-dependencies]\nkniff-data = { path = \".\" }").is_empty());
    }

    #[test]
    fn an_arrow_upward_is_caught() {
        let found = advice("kniff-tensor", "[dependencies]\nkniff-nn.workspace = true");
        assert_eq!(found.len(), 1);
        let found = advice("kniff-autograd", "[dependencies]\nkniff-nn.workspace = true");
        assert!(found[0].contains("no arrow runs upward"), "{found:?}");
    }

    #[test]
    fn an_arrow_sideways_is_caught() {
        let found = advice("kniff-optim", "[dependencies]\nkniff-nn.workspace = true");
        assert!(found[0].contains("siblings never meet"), "{found:?}");
        let found = advice("kniff-init", "[dependencies]\nkniff-nn.workspace = true");
        assert!(found[0].contains("siblings never meet"), "the exception runs one way: {found:?}");
    }

    #[test]
    fn an_arrow_of_tests_or_of_one_target_is_an_arrow() {
        assert_eq!(advice("kniff-nn", "[dev-dependencies]\nkniff-trainer.workspace = true").len(), 1);
        assert_eq!(advice("kniff-nn", "[build-dependencies]\nkniff.workspace = true").len(), 1);
        assert_eq!(advice("kniff-nn", "[target.'cfg(unix)'.dependencies]\nkniff.workspace = true").len(), 1);
    }

    #[test]
    fn the_exceptions_hold() {
        assert!(advice("kniff-nn", "[dependencies]\nkniff-init.workspace = true").is_empty());
        let found = advice("kniff-data", "[dependencies]\nkniff-autograd.workspace = true");
        assert!(found[0].contains("does not see"), "{found:?}");
    }

    #[test]
    fn a_crate_without_a_floor_and_a_lean_on_the_outside_are_caught() {
        assert!(advice("kniff-attic", "")[0].contains("no floor"));
        assert!(advice("kniff-nn", "[dev-dependencies]\nkniff-tests.workspace = true")[0].contains("outside"));
    }
}
