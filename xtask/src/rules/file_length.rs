//! A file is short enough to be read in one go.

use crate::rule::{Place, Rule};
use crate::tree::Tree;

/// The rule.
pub(super) const RULE: Rule =
    Rule { name: "file-length", sentence: "a source file has at most 600 lines, its tests included", check };

const LIMIT: usize = 600;

fn check(tree: &Tree) -> Vec<Place> {
    let mut places = Vec::new();
    for file in tree.sources() {
        let length = file.lines().count();
        if length > LIMIT {
            let advice = format!("{length} lines, {LIMIT} at most: it holds more than one thing, so split it by thing");
            places.push(Place::new(&file.path, LIMIT + 1, advice));
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_itself_is_allowed() {
        assert!(check(&Tree::of([("a.rs", "\n".repeat(LIMIT))])).is_empty());
        assert_eq!(check(&Tree::of([("a.rs", "\n".repeat(LIMIT + 1))])).len(), 1);
    }

    #[test]
    fn the_sentence_tells_the_limit() {
        assert!(RULE.sentence.contains(&LIMIT.to_string()));
    }
}
