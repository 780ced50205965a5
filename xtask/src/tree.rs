//! The workspace as text in memory, so that a rule is a function of data and can be tested on data.

use crate::source::{self, Halves};
use std::io;
use std::path::Path;

/// The workspace's sources, manifests and pages, sorted by path.
pub(crate) struct Tree {
    files: Vec<File>,
}

/// One file of the workspace.
pub(crate) struct File {
    /// The path from the workspace's root, with forward slashes.
    pub(crate) path: String,
    /// The whole text.
    pub(crate) text: String,
    halves: Halves,
}

impl Tree {
    /// Reads the workspace below `root`, without hidden folders and without what cargo and the examples write.
    pub(crate) fn read(root: &Path) -> io::Result<Self> {
        let mut files = Vec::new();
        walk(root, "", &mut files)?;
        Ok(Self::of(files))
    }

    /// A tree of these paths and texts.
    pub(crate) fn of<P: Into<String>, T: Into<String>>(files: impl IntoIterator<Item = (P, T)>) -> Self {
        let mut files: Vec<File> = files.into_iter().map(|(path, text)| File::new(path.into(), text.into())).collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Self { files }
    }

    /// Every file.
    pub(crate) fn files(&self) -> impl Iterator<Item = &File> {
        self.files.iter()
    }

    /// The Rust sources.
    pub(crate) fn sources(&self) -> impl Iterator<Item = &File> {
        self.files().filter(|file| file.path.ends_with(".rs"))
    }

    /// The members' manifests; the root's is not among them.
    pub(crate) fn manifests(&self) -> impl Iterator<Item = &File> {
        self.files().filter(|file| file.path.ends_with("/Cargo.toml"))
    }

    /// The file at this path.
    pub(crate) fn get(&self, path: &str) -> Option<&File> {
        self.files().find(|file| file.path == path)
    }
}

impl File {
    fn new(path: String, text: String) -> Self {
        let halves = if path.ends_with(".rs") {
            source::split(&text)
        } else {
            Halves { code: String::new(), comments: String::new() }
        };
        Self { path, text, halves }
    }

    /// The file's name without folders.
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// The folder that the file is in, without a closing slash.
    pub(crate) fn folder(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    /// The lines, each with its number.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        numbered(&self.text)
    }

    /// The lines of a Rust source without comments and quoted text, each with its number.
    pub(crate) fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        numbered(&self.halves.code)
    }

    /// The lines of a Rust source's comments, each with its number.
    pub(crate) fn comments(&self) -> impl Iterator<Item = (usize, &str)> {
        numbered(&self.halves.comments)
    }
}

fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(before, line)| (before + 1, line))
}

fn walk(folder: &Path, prefix: &str, files: &mut Vec<(String, String)>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
        if entry.file_type()?.is_dir() {
            let written = ["target", "out", "fuzz/target", "fuzz/corpus", "fuzz/artifacts"].contains(&path.as_str());
            if !written && !name.starts_with('.') {
                walk(&entry.path(), &path, files)?;
            }
        } else if name.ends_with(".rs") || name.ends_with(".md") || name == "Cargo.toml" {
            files.push((path, std::fs::read_to_string(entry.path())?));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_knows_its_name_and_folder() {
        let tree = Tree::of([("crates/nn/src/lib.rs", "//! a\nlet a; // b\n"), ("README.md", "")]);
        let file = tree.get("crates/nn/src/lib.rs").unwrap();
        assert_eq!((file.name(), file.folder()), ("lib.rs", "crates/nn/src"));
        assert_eq!(file.code().nth(1), Some((2, "let a;     ")));
        assert_eq!(file.comments().next(), Some((1, "//! a")));
        assert_eq!(tree.get("README.md").unwrap().folder(), "");
    }

    #[test]
    fn the_root_manifest_is_no_members() {
        let tree = Tree::of([("Cargo.toml", ""), ("xtask/Cargo.toml", "")]);
        assert_eq!(tree.manifests().map(|file| file.path.as_str()).collect::<Vec<_>>(), ["xtask/Cargo.toml"]);
    }
}
