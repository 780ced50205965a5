//! A dependency that may have to go one day is named in one file only.

use crate::rule::{Place, Rule};
use crate::source::has_word;
use crate::tree::Tree;

/// The rule.
pub(super) const RULE: Rule =
    Rule { name: "one-home", sentence: "a dependency that may have to go is named in one file only", check };

/// The crate's name in source.
const KEPT_APART: &[&str] = &["bincode"];

fn check(tree: &Tree) -> Vec<Place> {
    let mut places = Vec::new();
    for name in KEPT_APART {
        let mut homes = tree.sources().filter_map(|file| {
            let (line, _) = file.code().find(|(_, line)| has_word(line, name))?;
            Some((&file.path, line))
        });
        let Some((home, _)) = homes.next() else {
            continue;
        };
        for (path, line) in homes {
            places.push(Place::new(path, line, format!("`{name}` is at home in {home}: call that instead")));
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_file_is_caught() {
        let user = "//! A.\nuse bincode::encode;\n";
        let one = [("crates/trainer/src/a.rs", user), ("crates/trainer/src/c.rs", "// bincode is in a\n")];
        assert!(check(&Tree::of(one)).is_empty());
        let two = [("crates/trainer/src/a.rs", user), ("crates/trainer/src/b.rs", user)];
        let places = check(&Tree::of(two));
        assert_eq!((places.len(), places[0].path.as_str(), places[0].line), (1, "crates/trainer/src/b.rs", 2));
    }
}
