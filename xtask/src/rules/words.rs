//! Words that stand for unfinished work, or for results that differ from run to run.

use crate::rule::{Place, Rule};
use crate::source::has_word;
use crate::tree::{File, Tree};

/// The rule.
pub(super) const RULE: Rule =
    Rule { name: "words", sentence: "no unfinished work, no ambient randomness, no clock, no unordered walk", check };

/// Where a word is looked for.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    Code,
    Comments,
}

/// The word, where it is looked for, and what to do instead.
const FORBIDDEN: &[(&str, Part, &str)] = &[
    ("todo!", Part::Code, "finish it, or leave it out"),
    ("unimplemented!", Part::Code, "finish it, or leave it out"),
    ("dbg!", Part::Code, "drop it"),
    ("FIXME", Part::Comments, "mend it, or say plainly what the limit is"),
    ("thread_rng", Part::Code, "take a `&mut Rng` as an argument: randomness is never ambient"),
    ("rand::rng(", Part::Code, "take a `&mut Rng` as an argument: randomness is never ambient"),
    ("SystemTime::now", Part::Code, "no result may depend on the clock; `Instant` measures how long something took"),
];

/// Collections without an order, which differs from run to run.
const UNORDERED: &[&str] = &["HashMap", "HashSet"];

/// What a line says that only looks things up.
const LOOKUPS: &str = "// lookups only";

fn check(tree: &Tree) -> Vec<Place> {
    let mut places = Vec::new();
    for file in tree.sources() {
        places.extend(forbidden(file));
        if file.path.starts_with("crates/") && file.path.contains("/src/") {
            places.extend(unordered(file));
        }
    }
    places
}

fn forbidden(file: &File) -> Vec<Place> {
    let mut places = Vec::new();
    for (word, part, advice) in FORBIDDEN {
        let found = |(number, line): (usize, &str)| has_word(line, word).then_some(number);
        let numbers: Vec<usize> = match part {
            Part::Code => file.code().filter_map(found).collect(),
            Part::Comments => file.comments().filter_map(found).collect(),
        };
        places.extend(numbers.into_iter().map(|number| Place::new(&file.path, number, format!("`{word}`: {advice}"))));
    }
    places
}

fn unordered(file: &File) -> Vec<Place> {
    let mut places = Vec::new();
    for ((number, code), (_, comment)) in file.code().zip(file.comments()) {
        let import = code.trim_start().starts_with("use ");
        if import || comment.contains(LOOKUPS) {
            continue;
        }
        for word in UNORDERED.iter().filter(|word| has_word(code, word)) {
            let ordered = word.replace("Hash", "BTree");
            let advice =
                format!("use a `{ordered}` or a `Vec`, or end the line with `{LOOKUPS}` if nothing walks over it");
            places.push(Place::new(&file.path, number, advice));
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        check(&Tree::of([(path, text)])).into_iter().map(|place| place.line).collect()
    }

    #[test]
    fn words_in_code_are_caught_and_words_in_text_are_not() {
        assert_eq!(lines("tests/src/a.rs", "fn f() { todo!() }\nlet r = rand::rng();\n"), [1, 2]);
        assert!(lines("tests/src/a.rs", "//! `todo!` is refused.\nconst A: &str = \"thread_rng\";\n").is_empty());
    }

    #[test]
    fn a_note_to_mend_is_caught_where_notes_stand() {
        assert_eq!(lines("xtask/src/a.rs", "let a = 1; // FIXME: two\n"), [1]);
        assert!(lines("xtask/src/a.rs", "let a = \"FIXME\";\n").is_empty());
    }

    #[test]
    fn a_hash_map_must_say_that_nothing_walks_over_it() {
        let text = "use std::collections::HashMap;\nlet a: HashMap<u8, u8>;\nlet b: HashMap<u8, u8>; // lookups only\n";
        assert_eq!(lines("crates/nn/src/a.rs", text), [2]);
        assert!(lines("xtask/src/a.rs", text).is_empty());
    }
}
