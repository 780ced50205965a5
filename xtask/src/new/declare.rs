//! Adds a new inhabitant to its folder's `mod.rs` by doing for it what is done for its alphabetical neighbour.

use super::camel_case;
use crate::source::{self, has_word, word_at};

/// The `mod.rs` with the new inhabitant in it.
#[derive(Debug, PartialEq)]
pub(super) struct Declared {
    /// The text.
    pub(super) text: String,
    /// Lines of the old text that name several inhabitants at once, and were left alone.
    pub(super) by_hand: Vec<usize>,
}

/// Adds `name`, whose public type is `camel` if it has one, to the text of a `mod.rs`.
///
/// Every line that names the neighbour is repeated for the newcomer, before or after it as the alphabet wants: so a
/// list that the folder keeps (of gradient cases, say) gets its line too, without being known here.
pub(super) fn declare(text: &str, name: &str, camel: Option<&str>) -> Declared {
    let code = source::split(text).code;
    let siblings: Vec<&str> = code.lines().filter_map(declared).collect();
    let Some(neighbour) = neighbour(&siblings, name) else {
        let export = camel.map(|camel| format!("\npub use {name}::{camel};\n")).unwrap_or_default();
        return Declared { text: format!("{}\n\nmod {name};\n{export}", text.trim_end()), by_hand: Vec::new() };
    };
    let others: Vec<&str> = siblings.iter().copied().filter(|sibling| *sibling != neighbour).collect();
    let (old_camel, before) = (camel_case(neighbour), name < neighbour);

    let mut lines = Vec::new();
    let mut by_hand = Vec::new();
    let (mut exported, mut listed) = (false, false);
    for (index, (line, code)) in text.lines().zip(code.lines()).enumerate() {
        let named = has_word(code, neighbour) || has_word(code, &old_camel);
        let shared = others.iter().any(|other| has_word(code, other) || has_word(code, &camel_case(other)));
        let newcomer = match (named, shared) {
            // A neighbour may export several types, or list several cases; the newcomer has one.
            (true, false) if is_export(code) => {
                let first = !std::mem::replace(&mut exported, true);
                let path = &code[..export_path(code)];
                camel.filter(|_| first && path.trim() == "pub use").map(|camel| format!("{path}{name}::{camel};"))
            }
            (true, false) if is_case(code, neighbour) => {
                let indent = &line[..line.len() - line.trim_start().len()];
                (!std::mem::replace(&mut listed, true)).then(|| format!("{indent}{name}::CASE,"))
            }
            (true, false) => Some(match camel {
                Some(camel) => replaced(&replaced(line, neighbour, name), &old_camel, camel),
                None => replaced(line, neighbour, name),
            }),
            (true, true) => {
                by_hand.push(index + 1);
                None
            }
            _ => None,
        };
        match newcomer {
            Some(newcomer) if before => lines.extend([newcomer, line.to_string()]),
            Some(newcomer) => lines.extend([line.to_string(), newcomer]),
            None => lines.push(line.to_string()),
        }
    }
    Declared { text: lines.join("\n") + "\n", by_hand }
}

/// The module that a line declares.
fn declared(code: &str) -> Option<&str> {
    let at = word_at(code, "mod")?;
    code[at + "mod".len()..].trim().strip_suffix(';')
}

/// The last sibling before the newcomer, or else the first after it.
fn neighbour<'a>(siblings: &[&'a str], name: &str) -> Option<&'a str> {
    let before = siblings.iter().filter(|sibling| **sibling < name).max();
    before.or_else(|| siblings.iter().min()).copied()
}

/// The text of a crate's root with `camel` among what it exports from `plural`; `None` if it exports nothing by name.
pub(super) fn export(text: &str, plural: &str, camel: &str) -> Option<String> {
    let list = format!("pub use {plural}::{{");
    let at = text.find(&list)? + list.len();
    Some(format!("{}{camel}, {}", &text[..at], &text[at..]))
}

/// A line of a list that names a constant of the neighbour's module and nothing else.
fn is_case(code: &str, neighbour: &str) -> bool {
    let entry = code.trim().strip_prefix(neighbour).and_then(|rest| rest.strip_prefix("::"));
    entry.and_then(|rest| rest.strip_suffix(',')).is_some_and(|name| name.chars().all(|c| c.is_uppercase() || c == '_'))
}

fn is_export(code: &str) -> bool {
    has_word(code, "use") && code.trim_end().ends_with(';')
}

/// Where the path begins in a line that exports.
fn export_path(code: &str) -> usize {
    let after = word_at(code, "use").map_or(0, |at| at + "use".len());
    after + code[after..].len() - code[after..].trim_start().len()
}

/// The line with every whole word `old` replaced.
fn replaced(line: &str, old: &str, new: &str) -> String {
    let mut result = String::new();
    let mut rest = line;
    while let Some(at) = word_at(rest, old) {
        result.push_str(&rest[..at]);
        result.push_str(new);
        rest = &rest[at + old.len()..];
    }
    result + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAYERS: &str = "//! Layers, dropout among them.\n\nmod dropout;\nmod linear;\n\npub use dropout::{Dropout, Mask};\n\
                          pub use linear::Linear;\n";

    #[test]
    fn the_newcomer_stands_in_alphabetical_place() {
        let declared = declare(LAYERS, "flatten", Some("Flatten"));
        assert_eq!(
            declared.text,
            "//! Layers, dropout among them.\n\nmod dropout;\nmod flatten;\nmod linear;\n\n\
             pub use dropout::{Dropout, Mask};\npub use flatten::Flatten;\npub use linear::Linear;\n"
        );
        assert!(declared.by_hand.is_empty());
    }

    #[test]
    fn the_first_of_the_alphabet_stands_before_the_others() {
        let declared = declare(LAYERS, "attention", Some("Attention"));
        assert!(declared.text.contains("mod attention;\nmod dropout;\n"), "{}", declared.text);
        assert!(declared.text.contains("pub use attention::Attention;\npub use dropout"), "{}", declared.text);
    }

    #[test]
    fn other_lists_get_their_line_too() {
        let ops = "//! Ops.\npub mod exp;\n\npub(crate) const CASES: &[Case] = &[\n    exp::ONE,\n    exp::TWO,\n];\n";
        let declared = declare(ops, "tanh", None);
        assert!(declared.text.contains("pub mod exp;\npub mod tanh;\n"), "{}", declared.text);
        assert!(declared.text.contains("    exp::ONE,\n    tanh::CASE,\n    exp::TWO,\n"), "{}", declared.text);
    }

    #[test]
    fn a_line_of_many_is_left_to_a_person() {
        let ops = "//! Ops.\nmod exp;\nmod ln;\nconst CASES: [Case; 2] = [exp::CASE, ln::CASE];\n";
        assert_eq!(declare(ops, "tanh", None).by_hand, [4]);
    }

    #[test]
    fn the_first_inhabitant_of_all_finds_an_empty_list() {
        let declared = declare("//! Layers.\n", "linear", Some("Linear"));
        assert_eq!(declared.text, "//! Layers.\n\nmod linear;\n\npub use linear::Linear;\n");
    }
}
