//! The frame round what a model file or a checkpoint holds: it says what the file is, and proves that it is whole.

use crate::FileError;
use crate::codec::decode_start;
use kniff_data::write_atomically;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// A kind of file: what it begins with, and its version.
#[derive(Debug)]
pub(crate) struct Kind {
    /// For messages.
    name: &'static str,
    magic: [u8; 5],
    /// The version of the format that is written, and the only one there is.
    pub(crate) version: u32,
}

/// A [`crate::ModelFile`].
pub(crate) const MODEL: Kind = Kind { name: "a model file", magic: *b"KNIFF", version: 1 };
/// A [`crate::Checkpoint`].
pub(crate) const CHECKPOINT: Kind = Kind { name: "a checkpoint", magic: *b"KNCKP", version: 1 };

/// Magic, version (4 bytes), payload length (8), checksum (4), all little-endian; then the payload, which begins with the version of
/// kniff that wrote it in every version of the format.
const HEADER: usize = 5 + 4 + 8 + 4;

/// Writes a payload in its frame, whole or not at all.
pub(crate) fn write(path: &Path, kind: &Kind, payload: &[u8]) -> Result<(), FileError> {
    let written = write_atomically(path, |file| {
        file.write_all(&kind.magic)?;
        file.write_all(&kind.version.to_le_bytes())?;
        file.write_all(&(payload.len() as u64).to_le_bytes())?;
        file.write_all(&crc32fast::hash(payload).to_le_bytes())?;
        file.write_all(payload)
    });
    written.map_err(|source| FileError::io(path, source))
}

/// Reads a payload whose frame is right: never more than the file's size, and nothing that the checksum does not vouch for.
pub(crate) fn read(path: &Path, kind: &Kind) -> Result<Vec<u8>, FileError> {
    let io = |source| FileError::io(path, source);
    let mut file = File::open(path).map_err(io)?;
    let size = file.metadata().map_err(io)?.len();
    let mut header = Vec::with_capacity(HEADER);
    Read::by_ref(&mut file).take(HEADER as u64).read_to_end(&mut header).map_err(io)?;
    let (magic, rest) = header.split_at(header.len().min(kind.magic.len()));
    if magic != kind.magic {
        let expected = format!("{}, which begins with {:?}", kind.name, String::from_utf8_lossy(&kind.magic));
        let other = [MODEL, CHECKPOINT].into_iter().find(|other| magic == other.magic);
        let start = || format!("{:?}", String::from_utf8_lossy(magic));
        let found = match other {
            Some(other) => other.name.to_owned(),
            None if header.is_empty() => "nothing".into(),
            None => start(),
        };
        return Err(FileError::damaged(path, expected, found));
    }
    let Some((version, rest)) = rest.split_first_chunk::<4>() else { return Err(cut(path, size)) };
    let version = u32::from_le_bytes(*version);
    let Some((length, rest)) = rest.split_first_chunk::<8>() else { return Err(cut(path, size)) };
    let Some((checksum, _)) = rest.split_first_chunk::<4>() else { return Err(cut(path, size)) };
    let length = u64::from_le_bytes(*length);
    let there = size.saturating_sub(HEADER as u64);
    if length != there {
        let (expected, found) = (format!("{length} bytes after the header"), format!("{there} bytes"));
        return Err(FileError::damaged(path, expected, found));
    }
    let mut payload = Vec::new();
    file.take(length).read_to_end(&mut payload).map_err(io)?;
    if payload.len() as u64 != length {
        let (expected, found) = (format!("{length} bytes after the header"), format!("{} bytes", payload.len()));
        return Err(FileError::damaged(path, expected, found));
    }
    let (expected, found) = (u32::from_le_bytes(*checksum), crc32fast::hash(&payload));
    if expected != found {
        let (expected, found) = (format!("checksum {expected:08x}"), format!("content with checksum {found:08x}"));
        return Err(FileError::damaged(path, expected, found));
    }
    if version != kind.version {
        let kniff = decode_start::<&str>(&payload).map_or("an unknown version", |(kniff, _)| kniff).to_owned();
        return Err(FileError::Version { file: path.into(), expected: kind.version, found: version, kniff });
    }
    Ok(payload)
}

fn cut(path: &Path, size: u64) -> FileError {
    FileError::damaged(path, format!("a header of {HEADER} bytes"), format!("a file of {size} bytes"))
}
