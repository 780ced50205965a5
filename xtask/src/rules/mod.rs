//! The rules of the house, one file each.

mod dependencies;
mod file_length;
mod file_names;
mod first_line;
mod floors;
mod inhabitants;
mod one_home;
mod readme;
mod unsafe_code;
mod words;

pub(crate) use unsafe_code::{Piece, unsafe_pieces};

use crate::rule::{Finding, Rule};
use crate::tree::Tree;

/// Every rule.
pub(crate) const RULES: &[Rule] = &[
    floors::RULE,
    dependencies::RULE,
    unsafe_code::RULE,
    words::RULE,
    one_home::RULE,
    inhabitants::RULE,
    file_names::RULE,
    first_line::RULE,
    file_length::RULE,
    readme::RULE,
];

/// What breaks a rule, in the order of the rules.
pub(crate) fn findings(tree: &Tree) -> Vec<Finding> {
    RULES
        .iter()
        .flat_map(|rule| (rule.check)(tree).into_iter().map(|place| Finding { rule: rule.name, place }))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_its_own_name_and_a_sentence() {
        let mut names: Vec<_> = RULES.iter().map(|rule| rule.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), RULES.len());
        assert!(RULES.iter().all(|rule| !rule.sentence.is_empty()));
    }

    #[test]
    fn an_empty_workspace_breaks_no_rule() {
        assert!(findings(&Tree::of::<&str, &str>([])).is_empty());
    }
}
