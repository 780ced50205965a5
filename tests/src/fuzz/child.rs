//! The process that reads the files: it may be killed by one of them, and says before each which it is.

use super::{Mutator, Reader, clock};
use std::collections::BTreeSet;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

/// More files than this are not kept to start from.
const KEPT: usize = 2000;
/// More kinds of outcome than this are not told apart: their names take memory, which is what is limited.
const KINDS: usize = 8000;

/// What reading a file came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was read.
    Read,
    /// It was refused, with this message.
    Refused(String),
    /// The reader panicked, with this message and place.
    Panicked(String),
}

impl Outcome {
    /// What a reader makes of a file.
    pub fn of(reader: &Reader, bytes: &[u8]) -> Self {
        match catch_unwind(AssertUnwindSafe(|| (reader.read)(bytes))) {
            Ok(Ok(())) => Outcome::Read,
            Ok(Err(message)) => Outcome::Refused(message),
            Err(panic) => {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no text");
                Outcome::Panicked(format!("{} at {}", text.chars().take(300).collect::<String>(), last_place()))
            }
        }
    }

    /// What it came to, without the numbers in it: new kinds show new ways through a reader.
    fn kind(&self) -> String {
        match self {
            Outcome::Read => "read".into(),
            Outcome::Panicked(text) => text.chars().filter(|c| !c.is_ascii_digit()).take(200).collect(),
            Outcome::Refused(text) => {
                // What was found is mostly noise out of the file, and so is what stands in quotes, with further quotes in it.
                let (expected, found) = text.split_once(", found ").unwrap_or((text, ""));
                let quoted = |c: char| ['"', '`', '\''].contains(&c);
                let (before, rest) = expected.split_once(quoted).unwrap_or((expected, ""));
                let (between, after) = rest.rsplit_once(quoted).unwrap_or((rest, ""));
                // But for a name of the format.
                let between = if before.ends_with("missing field ") { between } else { "" };
                let letters = |text: &'_ str, most: usize| -> String {
                    text.chars().filter(|c| c.is_ascii_alphabetic() || *c == ' ').take(most).collect()
                };
                letters(before, 40) + &letters(between, 12) + &letters(after, 24) + &letters(found, 8)
            }
        }
    }
}

static PLACE: Mutex<String> = Mutex::new(String::new());

fn last_place() -> String {
    PLACE.lock().map(|place| place.clone()).unwrap_or_default()
}

/// Remembers where a panic happened in place of printing it: decoders' own are caught by their reader.
fn remember_places() {
    std::panic::set_hook(Box::new(|info| {
        if let (Ok(mut place), Some(location)) = (PLACE.lock(), info.location()) {
            *place = location.to_string();
        }
    }));
}

/// A run of one reader over many files.
pub struct Child {
    /// The reader.
    pub reader: &'static Reader,
    /// What the files are made from.
    pub seed: u64,
    /// How much processor time it takes.
    pub time: Duration,
    /// Where the file being read is put before it is read.
    pub slot: PathBuf,
    /// Where files that make it panic are put.
    pub findings: PathBuf,
}

impl Child {
    /// Runs; prints what was found, and how many files were read of how many kinds.
    ///
    /// # Errors
    /// If the slot or the findings cannot be written.
    pub fn run(&self) -> std::io::Result<()> {
        remember_places();
        let slot = File::create(&self.slot)?;
        let mut files = self.reader.start();
        let (mut kinds, mut places) = (BTreeSet::new(), BTreeSet::new());
        let mut mutator = Mutator::new(self.seed, self.reader.words);
        // Once without a limit: what is made once and kept (threads, tables) is not a file's fault.
        for file in &files {
            kinds.insert(Outcome::of(self.reader, file).kind());
        }
        limit_memory(self.reader.memory)?;
        let mut count = 0_u64;
        while clock::own() < self.time {
            let bytes = mutator.make(&files);
            count += 1;
            note(&slot, count, &bytes)?;
            let outcome = Outcome::of(self.reader, &bytes);
            if let Outcome::Panicked(text) = &outcome
                && places.len() < KINDS
                && places.insert(outcome.kind())
            {
                let path = save(&self.findings, self.reader.name, "panic", &bytes)?;
                println!("finding panic {} {}", path.display(), text.replace('\n', " "));
            }
            if kinds.len() < KINDS && kinds.insert(outcome.kind()) && files.len() < KEPT {
                files.push(bytes);
            }
        }
        println!("done {count} {}", kinds.len());
        Ok(())
    }
}

/// Puts a file under a name that its content decides.
pub(super) fn save(folder: &Path, reader: &str, what: &str, bytes: &[u8]) -> std::io::Result<PathBuf> {
    std::fs::create_dir_all(folder)?;
    let path = folder.join(format!("{reader}-{what}-{:08x}", crc32fast::hash(bytes)));
    std::fs::write(&path, bytes)?;
    Ok(path)
}

/// The slot's content: the number, the length, the bytes. One call, so that a crash leaves the whole of it.
fn note(slot: &File, count: u64, bytes: &[u8]) -> std::io::Result<()> {
    let mut text = Vec::with_capacity(16 + bytes.len());
    text.extend(count.to_le_bytes());
    text.extend((bytes.len() as u64).to_le_bytes());
    text.extend(bytes);
    write_at_start(slot, &text)
}

#[cfg(unix)]
fn write_at_start(slot: &File, text: &[u8]) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(slot, text, 0)
}

#[cfg(not(unix))]
fn write_at_start(mut slot: &File, text: &[u8]) -> std::io::Result<()> {
    use std::io::{Seek, Write};
    slot.rewind()?;
    slot.write_all(text)
}

/// Limits the address space to what is taken now and so many bytes more: who asks for more is aborted.
#[cfg(target_os = "linux")]
fn limit_memory(more: u64) -> std::io::Result<()> {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    const PAGE: u64 = 4096;
    let pages = std::fs::read_to_string("/proc/self/statm")?;
    let taken = pages.split(' ').next().and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * PAGE;
    let (_, most) = getrlimit(Resource::RLIMIT_AS)?;
    Ok(setrlimit(Resource::RLIMIT_AS, (taken + more).min(most), most)?)
}

/// Other systems count address space otherwise, or not at all.
#[cfg(not(target_os = "linux"))]
fn limit_memory(_: u64) -> std::io::Result<()> {
    println!("note memory is not limited on this system");
    Ok(())
}
