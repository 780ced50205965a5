//! What all readers share: where bytes come from, gzip told by its first bytes, and never more memory than the bytes justify.

use crate::DataError;
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{BufReader, ErrorKind, Read};
use std::path::Path;

/// The first two bytes of every gzip file.
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// How much a vector grows at a time before the bytes for it have arrived.
const STEP: usize = 1 << 20;

/// A stream with a name for messages, unpacked if it was gzip.
pub(crate) struct Source<'a> {
    name: String,
    stream: Box<dyn Read + 'a>,
}

/// Opens a file.
pub(crate) fn open(path: &Path) -> Result<Source<'static>, DataError> {
    let name = path.display().to_string();
    let file = File::open(path).map_err(|e| DataError::io(&name, e))?;
    if file.metadata().map_err(|e| DataError::io(&name, e))?.is_dir() {
        return Err(DataError::format(&name, "a file", "a folder"));
    }
    Source::new(&name, file)
}

impl<'a> Source<'a> {
    /// Takes a stream; its first two bytes tell whether it is gzip.
    pub(crate) fn new(name: &str, stream: impl Read + 'a) -> Result<Self, DataError> {
        let name = name.to_owned();
        let mut stream = BufReader::new(stream);
        let mut first = Vec::with_capacity(GZIP.len());
        let head = stream.by_ref().take(GZIP.len() as u64).read_to_end(&mut first);
        head.map_err(|e| DataError::io(&name, e))?;
        let packed = first == GZIP;
        let whole = std::io::Cursor::new(first).chain(stream);
        let stream: Box<dyn Read + 'a> = if packed { Box::new(MultiGzDecoder::new(whole)) } else { Box::new(whole) };
        Ok(Self { name, stream })
    }

    /// The file's path, or what the stream was called.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The stream, which fails beyond `limit` bytes.
    pub(crate) fn into_stream(self, limit: u64) -> impl Read + 'a {
        Limited { stream: self.stream, left: limit }
    }

    /// Exactly `len` bytes, which are `what`.
    pub(crate) fn bytes(&mut self, len: usize, what: &str) -> Result<Vec<u8>, DataError> {
        let mut bytes = Vec::new();
        // What the header promises is asked for only as it arrives: a lie costs no more memory than the file has bytes.
        while bytes.len() < len {
            let step = (len - bytes.len()).min(STEP.max(bytes.len()));
            bytes.reserve_exact(step);
            let got = self.stream.by_ref().take(step as u64).read_to_end(&mut bytes);
            if got.map_err(|e| self.broken(e))? < step {
                return Err(DataError::format(
                    &self.name,
                    format!("{len} bytes of {what}"),
                    format!("{} bytes", bytes.len()),
                ));
            }
        }
        Ok(bytes)
    }

    /// Exactly `N` bytes, which are `what`.
    pub(crate) fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], DataError> {
        let mut array = [0; N];
        array.copy_from_slice(&self.bytes(N, what)?);
        Ok(array)
    }

    /// Refuses bytes after the end of what the header promises.
    pub(crate) fn end(mut self, after: &str) -> Result<(), DataError> {
        let mut one = Vec::new();
        match self.stream.by_ref().take(1).read_to_end(&mut one) {
            Ok(0) => Ok(()),
            Ok(_) => Err(DataError::format(&self.name, format!("the end of the file after {after}"), "more bytes")),
            Err(error) => Err(self.broken(error)),
        }
    }

    fn broken(&self, error: std::io::Error) -> DataError {
        broken(&self.name, error)
    }
}

/// What an error of the stream means: damage of a gzip file, or what the system said.
pub(crate) fn broken(name: &str, error: std::io::Error) -> DataError {
    match error.kind() {
        // flate2's ways of saying that the packed bytes are cut short or damaged.
        ErrorKind::InvalidInput | ErrorKind::InvalidData | ErrorKind::UnexpectedEof => {
            DataError::format(name, "a whole gzip file", format!("damage: {error}"))
        }
        _ => DataError::io(name, error),
    }
}

/// A stream that fails, and does not just end, after so many bytes.
struct Limited<R> {
    stream: R,
    left: u64,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let got = self.stream.read(buffer)?;
        self.left = self.left.checked_sub(got as u64).ok_or_else(|| {
            std::io::Error::other(
                "more bytes (after unpacking) than the reader's limit; raise it if the file is meant to be so large",
            )
        })?;
        Ok(got)
    }
}

/// The product of a header's axes times the size of an element, if there is such a number of bytes; also where an axis of 0 would hide
/// others that are too large, because their product is a stride.
pub(crate) fn promised(axes: &[usize], size: usize) -> Option<usize> {
    let bytes = axes.iter().try_fold(size, |n, &axis| n.checked_mul(axis.max(1)));
    let bytes = bytes.filter(|&n| n <= isize::MAX as usize)?;
    Some(if axes.contains(&0) { 0 } else { bytes })
}
