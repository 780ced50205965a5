//! A file begins with the sentence that says what it is for.

use crate::rule::{Place, Rule};
use crate::tree::Tree;

/// The rule.
pub(super) const RULE: Rule = Rule {
    name: "first-line",
    sentence: "a source file begins with `//!` and the sentence that says what it is for",
    check,
};

fn check(tree: &Tree) -> Vec<Place> {
    let begins = |text: &str| {
        text.strip_prefix("//!").is_some_and(|rest| rest.lines().next().is_some_and(|l| !l.trim().is_empty()))
    };
    let advice = "begin the file with `//! ` and one sentence that says what it is for";
    tree.sources().filter(|file| !begins(&file.text)).map(|file| Place::new(&file.path, 1, advice)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_its_sentence_is_caught() {
        let tree = Tree::of([("a.rs", "//! A.\n"), ("b.rs", "use a;\n"), ("c.rs", "//!\n//! C.\n"), ("d.rs", "")]);
        let paths: Vec<String> = check(&tree).into_iter().map(|place| place.path).collect();
        assert_eq!(paths, ["b.rs", "c.rs", "d.rs"]);
    }
}
