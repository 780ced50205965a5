//! A dependency is pinned once, in the root manifest, and its reason stands in the documentation.

use crate::manifest::{Dependency, Manifest};
use crate::rule::{Place, Rule};
use crate::tree::{File, Tree};

/// The rule.
pub(super) const RULE: Rule =
    Rule { name: "dependencies", sentence: "a dependency is pinned once and has a reason on record", check };

/// Where the reasons stand: a table whose rows begin with the name in backticks.
const REASONS: &str = "docs/dependencies.md";

/// The manifest of a workspace of its own.
const APART: &str = "fuzz/Cargo.toml";

fn check(tree: &Tree) -> Vec<Place> {
    let mut places = Vec::new();
    // What libFuzzer runs is a workspace of its own, which cannot see the list.
    for file in tree.manifests().filter(|file| file.path != APART) {
        let Some(manifest) = Manifest::read(file) else {
            continue;
        };
        // A crate whose tests ask for its own features names itself, which has no version to pin.
        let itself = |name: &str| manifest.package() == Some(name);
        let apart = |dependency: &&Dependency| !dependency.from_workspace && !itself(&dependency.name);
        for dependency in manifest.dependencies().iter().filter(apart) {
            let name = &dependency.name;
            let advice = format!("pin `{name}` in the root Cargo.toml and write `{name}.workspace = true` here");
            places.push(Place::new(&file.path, dependency.line, advice));
        }
    }
    if let Some(root) = tree.get("Cargo.toml").and_then(Manifest::read) {
        places.extend(reasons(&root, tree.get(REASONS)));
    }
    places
}

fn reasons(root: &Manifest<'_>, page: Option<&File>) -> Vec<Place> {
    let mut places = Vec::new();
    let rows: Vec<(usize, &str)> = page.into_iter().flat_map(File::lines).filter_map(row).collect();
    let pinned = root.pinned();
    for (name, ours, line) in &pinned {
        if !ours && !rows.iter().any(|(_, row)| row == name) {
            places.push(Place::new("Cargo.toml", *line, format!("give the reason for `{name}` in {REASONS}")));
        }
    }
    for (line, row) in rows {
        if !pinned.iter().any(|(name, ours, _)| name == row && !ours) {
            let advice = format!("`{row}` is not in the root Cargo.toml's list: drop the row");
            places.push(Place::new(REASONS, line, advice));
        }
    }
    places
}

/// The dependency that a table's row is about.
fn row((number, line): (usize, &str)) -> Option<(usize, &str)> {
    let (name, _) = line.strip_prefix("| `")?.split_once('`')?;
    Some((number, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str =
        "[workspace.dependencies]\nkniff = { path = \"crates/kniff\" }\nserde = \"1\"\nrand = \"0.10\"\n";

    fn advice(files: &[(&str, &str)]) -> Vec<String> {
        check(&Tree::of(files.iter().copied()))
            .into_iter()
            .map(|place| format!("{}: {}", place.path, place.advice))
            .collect()
    }

    #[test]
    fn a_reason_for_each_and_no_more_is_tidy() {
        let page = "# Why\n\n| crate | why |\n|---|---|\n| `rand` | a |\n| `serde` | b |\n";
        assert!(advice(&[("Cargo.toml", ROOT), (REASONS, page)]).is_empty());
    }

    #[test]
    fn a_missing_and_a_forgotten_reason_are_caught() {
        let page = "| `serde` | b |\n| `nalgebra` | c |\n| `kniff` | ours |\n";
        let found = advice(&[("Cargo.toml", ROOT), (REASONS, page)]);
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].starts_with("Cargo.toml: give the reason for `rand`"), "{found:?}");
        assert!(found[1].contains("`nalgebra`") && found[2].contains("`kniff`"), "{found:?}");
    }

    #[test]
    fn a_crate_may_name_itself() {
        let itself =
            "[package]\nname = \"kniff-nn\"\n[dev-dependencies]\nkniff-nn = { path = \".\", features = [\"x\"] }\n";
        assert!(advice(&[("crates/nn/Cargo.toml", itself)]).is_empty());
    }

    #[test]
    fn a_version_in_a_member_is_caught() {
        let found =
            advice(&[("crates/nn/Cargo.toml", "[dev-dependencies]\nproptest = \"1\"\nserde.workspace = true\n")]);
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("`proptest.workspace = true`"), "{found:?}");
    }
}
