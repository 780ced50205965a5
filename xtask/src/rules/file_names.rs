//! A file is called what it holds.

use crate::rule::{Place, Rule};
use crate::tree::Tree;

/// The rule.
pub(super) const RULE: Rule =
    Rule { name: "file-names", sentence: "a file or folder is called what it holds, not where things were put", check };

/// Names that any content would fit.
const DRAWERS: &[&str] = &["base", "utils", "util", "common", "misc", "helpers", "types"];

fn check(tree: &Tree) -> Vec<Place> {
    let mut places = Vec::new();
    for file in tree.sources() {
        let drawer = |part: &&str| DRAWERS.contains(part);
        if let Some(name) = file.path.trim_end_matches(".rs").split('/').find(drawer) {
            let advice = format!("`{name}` says nothing: call it what it holds, or put each part where it is used");
            places.push(Place::new(&file.path, 1, advice));
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawers_are_caught_as_files_and_as_folders() {
        let count = |path: &str| check(&Tree::of([(path, "")])).len();
        assert_eq!(count("crates/nn/src/utils.rs"), 1);
        assert_eq!(count("crates/nn/src/layers/common/mod.rs"), 1);
        assert_eq!(count("crates/nn/src/layers/basement.rs"), 0);
    }
}
