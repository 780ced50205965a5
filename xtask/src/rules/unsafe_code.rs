//! Unsafe code lives in one place, and each piece says why it is sound.

use crate::rule::{Place, Rule};
use crate::source::word_at;
use crate::tree::{File, Tree};

/// The rule.
pub(super) const RULE: Rule =
    Rule { name: "unsafe-code", sentence: "unsafe stands under crates/tensor/src only, each with its reason", check };

/// Folders and files that may hold unsafe code.
const HOMES: &[&str] = &["crates/tensor/src/"];

/// What every other crate's `lib.rs` carries.
const FORBID: &str = "#![forbid(unsafe_code)]";

/// How many lines above its code a reason may stand, beside directly above it.
const REACH: usize = 3;

fn check(tree: &Tree) -> Vec<Place> {
    let mut places = Vec::new();
    for file in tree.sources() {
        let home = HOMES.iter().any(|home| file.path.starts_with(home));
        let library = file.path.starts_with("crates/") && file.path.ends_with("/src/lib.rs");
        if library && !home && !file.code().any(|(_, line)| line.trim() == FORBID) {
            places.push(Place::new(&file.path, 1, format!("write `{FORBID}` below the documentation")));
        }
        for (number, line) in file.code() {
            let Some(at) = word_at(line, "unsafe") else {
                continue;
            };
            if !home {
                let advice = "find a safe way, or put the kernel into crates/tensor behind a safe function";
                places.push(Place::new(&file.path, number, advice));
            } else if !is_type(&line[at..]) && !has_reason(file, number) {
                let advice =
                    "say above why this is sound: `// SAFETY: ...`, or `# Safety` in a function's documentation";
                places.push(Place::new(&file.path, number, advice));
            }
        }
    }
    places
}

/// A type such as `unsafe fn(usize)` promises nothing.
fn is_type(code: &str) -> bool {
    code.strip_prefix("unsafe").is_some_and(|rest| rest.trim_start().starts_with("fn("))
}

/// The reason that stands near the line, or in the block of comments and attributes directly above it.
fn reason(file: &File, number: usize) -> Option<String> {
    let comments: Vec<&str> = file.comments().map(|(_, line)| line.trim()).collect();
    let code: Vec<&str> = file.code().map(|(_, line)| line.trim()).collect();
    let says = |index: &usize| comments[*index].contains("SAFETY:") || comments[*index].contains("# Safety");
    let own = number - 1;
    let attached = |index: &usize| {
        let comment = code[*index].is_empty() && !comments[*index].is_empty();
        comment || code[*index].starts_with("#[")
    };
    let near = (own.saturating_sub(REACH)..=own).rev().find(says);
    let at = near.or_else(|| (0..own).rev().take_while(attached).find(says))?;
    // From the word on, to the end of the block of comments.
    let first = comments[at].split_once("SAFETY:").or_else(|| comments[at].split_once("# Safety"));
    let rest = (at + 1..own).take_while(|&index| code[index].is_empty() && !comments[index].is_empty());
    let rest = rest.map(|index| comments[index].trim_start_matches(['/', '!', ' ']));
    let words: Vec<&str> =
        first.map(|(_, text)| text.trim()).into_iter().chain(rest).filter(|text| !text.is_empty()).collect();
    Some(words.join(" "))
}

fn has_reason(file: &File, number: usize) -> bool {
    reason(file, number).is_some()
}

/// A piece of unsafe code.
pub(crate) struct Piece {
    /// The file.
    pub(crate) path: String,
    /// The line, counted from 1.
    pub(crate) line: usize,
    /// What stands there.
    pub(crate) code: String,
    /// Why it is sound, if that is said.
    pub(crate) reason: Option<String>,
}

/// Every piece of unsafe code, by file and line.
pub(crate) fn unsafe_pieces(tree: &Tree) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for file in tree.sources() {
        for (line, code) in file.code() {
            if word_at(code, "unsafe").is_none_or(|at| is_type(&code[at..])) {
                continue;
            }
            pieces.push(Piece {
                path: file.path.clone(),
                line,
                code: code.trim().to_owned(),
                reason: reason(file, line),
            });
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        check(&Tree::of([(path, text)])).into_iter().map(|place| place.line).collect()
    }

    #[test]
    fn outside_its_home_it_is_caught() {
        assert_eq!(lines("crates/nn/src/a.rs", "//! A.\nfn f() { unsafe { g() } }\n"), [2]);
        assert_eq!(lines("benches/src/a.rs", "// SAFETY: none\nunsafe impl Sync for A {}\n"), [2]);
    }

    #[test]
    fn words_in_text_and_attributes_are_not_code() {
        let text = "//! unsafe\n#![forbid(unsafe_code)]\nconst A: &str = \"unsafe\";\n";
        assert!(lines("crates/nn/src/lib.rs", text).is_empty());
    }

    #[test]
    fn at_home_it_needs_a_reason_nearby() {
        let path = "crates/tensor/src/a.rs";
        assert!(lines(path, "// SAFETY: in bounds\nunsafe { f() }\n").is_empty());
        assert!(lines(path, "// SAFETY: in bounds\nlet a =\n    1 +\n    unsafe { f() };\n").is_empty());
        assert_eq!(lines(path, "fn f() {}\nunsafe { f() }\n"), [2]);
        assert_eq!(lines(path, "// SAFETY: in bounds\nf();\nf();\nf();\nunsafe { f() }\n"), [5]);
    }

    #[test]
    fn a_long_reason_directly_above_counts() {
        let path = "crates/tensor/src/a.rs";
        let text =
            "/// Reads.\n///\n/// # Safety\n/// One.\n/// Two.\n/// Three.\n/// Four.\n#[inline]\nunsafe fn f() {}\n";
        assert!(lines(path, text).is_empty());
        assert!(lines(path, "type F = unsafe fn(usize);\n").is_empty());
    }

    #[test]
    fn pieces_are_listed_with_their_reasons() {
        let text = "//! A.\n/// F.\n///\n/// # Safety\n/// One\n/// two.\nunsafe fn f() {}\n// SAFETY: in bounds,\n// always\nunsafe { f() }\n";
        let pieces = unsafe_pieces(&Tree::of([("crates/tensor/src/a.rs", text)]));
        let said: Vec<_> = pieces.iter().map(|p| (p.line, p.code.as_str(), p.reason.as_deref())).collect();
        let expected = [(7, "unsafe fn f() {}", Some("One two.")), (10, "unsafe { f() }", Some("in bounds, always"))];
        assert_eq!(said, expected);
        let bare = unsafe_pieces(&Tree::of([("crates/tensor/src/a.rs", "//! A.\nunsafe { f() }\n")]));
        assert_eq!(bare[0].reason, None);
    }

    #[test]
    fn every_library_but_tensor_forbids_it() {
        assert_eq!(lines("crates/derive/src/lib.rs", "//! A.\n"), [1]);
        assert!(lines("crates/tensor/src/lib.rs", "//! A.\n").is_empty());
    }
}
