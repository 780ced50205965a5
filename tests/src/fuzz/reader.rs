//! What is fuzzed: a reader as a function of bytes, with files that it reads.

use std::path::{Path, PathBuf};

/// A reader and what it is started from.
pub struct Reader {
    /// Its name on the command line.
    pub name: &'static str,
    /// Whole files that it reads.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Words of its format, to be put where they do not belong.
    pub words: &'static [&'static [u8]],
    /// How many bytes of address space it may take beyond those it has at its start.
    pub memory: u64,
    /// Reads the bytes, and uses what came out; or says what is wrong.
    pub read: fn(&[u8]) -> Result<(), String>,
}

impl Reader {
    /// The files to start from: the seeds, and those kept in the repository, which once broke something.
    pub fn start(&self) -> Vec<Vec<u8>> {
        let mut files = (self.seeds)();
        files.extend(corpus(self.name).into_iter().map(|(_, bytes)| bytes));
        files
    }
}

/// The files kept for a reader, by name.
///
/// # Panics
/// If the folder cannot be read.
pub fn corpus(reader: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/hostile")).join(reader);
    let Ok(entries) = std::fs::read_dir(&folder) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
    files.sort();
    files.into_iter().map(|path| (path.clone(), std::fs::read(path).expect("a readable file"))).collect()
}
