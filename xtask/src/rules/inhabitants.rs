//! Every source file is declared by its folder: one that is not would silently never be compiled.

use crate::rule::{Place, Rule};
use crate::source::word_at;
use crate::tree::{File, Tree};

/// The rule.
pub(super) const RULE: Rule =
    Rule { name: "inhabitants", sentence: "every source file is declared by its folder's mod.rs", check };

fn check(tree: &Tree) -> Vec<Place> {
    let mut places = Vec::new();
    for file in tree.sources().filter(|file| is_module(file)) {
        let (name, folder) = match file.name() {
            "mod.rs" => file.folder().rsplit_once('/').map_or(("", ""), |(folder, name)| (name, folder)),
            name => (name.trim_end_matches(".rs"), file.folder()),
        };
        let declarers = declarers(folder);
        let present: Vec<&File> = declarers.iter().filter_map(|path| tree.get(path)).collect();
        if !present.iter().any(|declarer| declares(declarer, name)) {
            let place = present.first().map_or(declarers[0].as_str(), |declarer| &declarer.path);
            places.push(Place::new(&file.path, 1, format!("never compiled: write `mod {name};` in {place}")));
        }
    }
    places
}

/// True for what is below a `src` folder and no root of a crate of its own.
fn is_module(file: &File) -> bool {
    let Some((_, inside)) = file.path.split_once("src/") else {
        return false;
    };
    !inside.starts_with("bin/") && !["lib.rs", "main.rs"].contains(&inside)
}

/// The files that may declare what is in a folder.
fn declarers(folder: &str) -> Vec<String> {
    if folder.ends_with("src") {
        vec![format!("{folder}/lib.rs"), format!("{folder}/main.rs")]
    } else {
        vec![format!("{folder}/mod.rs"), format!("{folder}.rs")]
    }
}

fn declares(file: &File, name: &str) -> bool {
    file.code().any(|(_, line)| {
        let declared = word_at(line, "mod").and_then(|at| line[at + 3..].trim_start().strip_prefix(name));
        declared.is_some_and(|rest| rest.trim_start().starts_with([';', '{']))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(files: &[(&str, &str)]) -> Vec<String> {
        check(&Tree::of(files.iter().copied())).into_iter().map(|place| place.path).collect()
    }

    #[test]
    fn a_forgotten_inhabitant_is_caught() {
        let forgotten = paths(&[
            ("crates/nn/src/lib.rs", "pub mod layers;\n"),
            ("crates/nn/src/layers/mod.rs", "mod linear;\n// mod dropout;\n"),
            ("crates/nn/src/layers/linear.rs", ""),
            ("crates/nn/src/layers/dropout.rs", ""),
        ]);
        assert_eq!(forgotten, ["crates/nn/src/layers/dropout.rs"]);
    }

    #[test]
    fn a_folder_is_declared_one_floor_up() {
        let files = [("a/src/lib.rs", "mod rule;\n"), ("a/src/rule.rs", ""), ("a/src/rules/mod.rs", "")];
        assert_eq!(paths(&files), ["a/src/rules/mod.rs"]);
    }

    #[test]
    fn roots_are_declared_by_no_one() {
        assert!(
            paths(&[("a/src/main.rs", ""), ("a/src/bin/b.rs", ""), ("a/tests/ui.rs", ""), ("a/build.rs", "")])
                .is_empty()
        );
    }

    #[test]
    fn a_folder_may_be_declared_by_the_file_of_its_name() {
        let files = [("a/src/lib.rs", "mod new;\n"), ("a/src/new.rs", "mod plan;\n"), ("a/src/new/plan.rs", "")];
        assert!(paths(&files).is_empty());
    }
}
