//! Reads what a manifest says about dependencies.

use crate::tree::File;
use toml::{Table, Value};

/// A manifest, read.
pub(crate) struct Manifest<'a> {
    file: &'a File,
    table: Table,
}

/// A line of a dependency table.
pub(crate) struct Dependency {
    /// The table that it stands in, such as `dev-dependencies`.
    pub(crate) section: String,
    /// The name that the source uses.
    pub(crate) name: String,
    /// True if version and features come from the workspace's one list.
    pub(crate) from_workspace: bool,
    /// The line, counted from 1.
    pub(crate) line: usize,
}

const SECTIONS: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

impl<'a> Manifest<'a> {
    /// Reads a manifest; none if it is no TOML, which cargo will say better.
    pub(crate) fn read(file: &'a File) -> Option<Self> {
        Some(Self { file, table: file.text.parse().ok()? })
    }

    /// The package's name.
    pub(crate) fn package(&self) -> Option<&str> {
        self.table.get("package")?.get("name")?.as_str()
    }

    /// Every dependency, those for some targets only and those of tests and build scripts among them.
    pub(crate) fn dependencies(&self) -> Vec<Dependency> {
        let mut found = Vec::new();
        self.collect(&self.table, "", &mut found);
        if let Some(targets) = self.table.get("target").and_then(Value::as_table) {
            for (target, table) in targets {
                if let Some(table) = table.as_table() {
                    self.collect(table, &format!("target.'{target}'."), &mut found);
                }
            }
        }
        found
    }

    /// The workspace's one list: names, each with true if it is a crate of the workspace.
    pub(crate) fn pinned(&self) -> Vec<(String, bool, usize)> {
        let list = self.table.get("workspace").and_then(|workspace| workspace.get("dependencies"));
        let entries = list.and_then(Value::as_table).into_iter().flatten();
        entries.map(|(name, value)| (name.clone(), value.get("path").is_some(), self.line_of(name))).collect()
    }

    fn collect(&self, table: &Table, prefix: &str, found: &mut Vec<Dependency>) {
        for section in SECTIONS {
            for (name, value) in table.get(section).and_then(Value::as_table).into_iter().flatten() {
                found.push(Dependency {
                    section: format!("{prefix}{section}"),
                    name: name.clone(),
                    from_workspace: value.get("workspace").and_then(Value::as_bool) == Some(true),
                    line: self.line_of(name),
                });
            }
        }
    }

    /// The first line that gives `key` a value; TOML's reader keeps no positions.
    fn line_of(&self, key: &str) -> usize {
        let gives = |line: &str| {
            let line = line.trim_start().trim_start_matches(['"', '\'']);
            line.strip_prefix(key).is_some_and(|rest| rest.starts_with([' ', '=', '.', '"', '\'']))
        };
        self.file.lines().find(|(_, line)| gives(line)).map_or(1, |(number, _)| number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Tree;

    #[test]
    fn every_table_of_dependencies_is_read() {
        let text = "[package]\nname = \"a\"\n[dependencies]\nb.workspace = true\n[dev-dependencies]\nc = \"1\"\n\
                    [target.'cfg(unix)'.dependencies]\nd = { workspace = true, features = [\"x\"] }\n";
        let tree = Tree::of([("a/Cargo.toml", text)]);
        let manifest = Manifest::read(tree.get("a/Cargo.toml").unwrap()).unwrap();
        let read: Vec<_> = manifest.dependencies();
        let read: Vec<_> =
            read.iter().map(|d| (d.section.as_str(), d.name.as_str(), d.from_workspace, d.line)).collect();
        assert_eq!(manifest.package(), Some("a"));
        assert_eq!(
            read,
            [
                ("dependencies", "b", true, 4),
                ("dev-dependencies", "c", false, 6),
                ("target.'cfg(unix)'.dependencies", "d", true, 8)
            ]
        );
    }

    #[test]
    fn the_one_list_tells_our_own_crates_from_others() {
        let text = "[workspace.dependencies]\nours = { path = \"x\" }\ntheirs = \"1\"\n";
        let tree = Tree::of([("Cargo.toml", text)]);
        let manifest = Manifest::read(tree.get("Cargo.toml").unwrap()).unwrap();
        assert_eq!(manifest.pinned(), [("ours".into(), true, 2), ("theirs".into(), false, 3)]);
    }
}
