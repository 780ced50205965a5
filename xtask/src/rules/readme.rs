//! What the README tells a reader to type exists.

use crate::Cli;
use crate::manifest::Manifest;
use crate::rule::{Place, Rule};
use crate::tree::Tree;
use clap::CommandFactory;

/// The rule.
pub(super) const RULE: Rule =
    Rule { name: "readme", sentence: "every cargo command that the README shows names things that exist", check };

const PAGE: &str = "README.md";

fn check(tree: &Tree) -> Vec<Place> {
    let mut places = Vec::new();
    let mut fenced = false;
    for (number, line) in tree.get(PAGE).into_iter().flat_map(|page| page.lines()) {
        let line = line.trim();
        if line.starts_with("```") {
            fenced = !fenced;
        } else if fenced && let Some(command) = line.trim_start_matches("$ ").strip_prefix("cargo ") {
            let words: Vec<&str> = command.split_whitespace().take_while(|word| *word != "--").collect();
            places.extend(missing(tree, &words).into_iter().map(|advice| Place::new(PAGE, number, advice)));
        }
    }
    places
}

/// What a command names that does not exist.
fn missing(tree: &Tree, words: &[&str]) -> Vec<String> {
    let mut missing = Vec::new();
    if let ["xtask", name, ..] = words
        && !Cli::command().get_subcommands().any(|command| command.get_name() == *name)
    {
        missing.push(format!("`cargo xtask {name}` is no command"));
    }
    for pair in words.windows(2) {
        let [option, name] = pair else { continue };
        let exists = match *option {
            "-p" | "--package" => has_package(tree, name),
            "--example" => has_root(tree, "examples", name),
            "--bin" => has_root(tree, "src/bin", name) || has_package(tree, name),
            "--bench" => has_root(tree, "benches", name),
            _ => true,
        };
        if !exists {
            missing.push(format!("`{option} {name}` names nothing in the workspace"));
        }
    }
    missing
}

fn has_package(tree: &Tree, name: &str) -> bool {
    tree.manifests().filter_map(Manifest::read).any(|manifest| manifest.package() == Some(name))
}

/// True if some package has a root of that name in its folder of such roots.
fn has_root(tree: &Tree, folder: &str, name: &str) -> bool {
    let ends = [format!("/{folder}/{name}.rs"), format!("/{folder}/{name}/main.rs")];
    tree.sources().any(|file| ends.iter().any(|end| file.path.ends_with(end)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advice(command: &str) -> Vec<String> {
        let page = format!("# kniff\n\n`cargo xtask no-fence`\n\n```sh\n{command}\n```\n");
        let tree = Tree::of([
            (PAGE, page.as_str()),
            ("benches/Cargo.toml", "[package]\nname = \"kniff-benches\"\n"),
            ("benches/src/bin/entrant.rs", ""),
            ("crates/kniff/examples/digits.rs", ""),
            ("crates/kniff/examples/mnist/main.rs", ""),
        ]);
        check(&tree).into_iter().map(|place| place.advice).collect()
    }

    #[test]
    fn what_exists_passes() {
        for command in [
            "cargo run --release --example digits",
            "$ cargo run --release --example mnist -- DIR --example none",
            "cargo run -p kniff-benches --bin entrant",
            "cargo xtask check",
            "cargo add kniff",
            "ls --example none",
        ] {
            assert!(advice(command).is_empty(), "{command}");
        }
    }

    #[test]
    fn what_does_not_exist_is_caught() {
        assert_eq!(advice("cargo run --example cats").len(), 1);
        assert_eq!(advice("cargo run -p kniff-cats --bin cats").len(), 2);
        assert!(advice("cargo xtask cats")[0].contains("no command"));
    }
}
