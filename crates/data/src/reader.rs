//! What all readers share: where bytes come from, gzip told by its first bytes, and never more memory than the bytes justify.

use crate::DataError;
use flate2::read::MultiGzDecoder;
use kniff_tensor::Shape;
use std::fs::File;
use std::io::{BufReader, ErrorKind, Read};
use std::path::Path;

/// The first two bytes of every gzip file.
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// How much a vector grows at a time before the bytes for it have arrived.
const STEP: usize = 1 << 20;
/// How many bytes a gzip file may unpack to unless told: a thousandth of that on the disk could take as much.
pub(crate) const UNPACKED: u64 = 1 << 30;

/// A stream with a name for messages, unpacked if it was gzip.
pub(crate) struct Source<'a> {
    name: String,
    packed: bool,
    /// What the bytes come out of, for messages.
    container: &'static str,
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
        Ok(Self { name, packed, container: "gzip file", stream })
    }

    /// Takes an entry of an archive, which is what it is: not looked into for gzip.
    pub(crate) fn entry(name: &str, packed: bool, stream: Box<dyn Read + 'a>) -> Self {
        Self { name: name.to_owned(), packed, container: "entry of the archive", stream }
    }

    /// The file's path, or what the stream was called.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is gzip, whose size says nothing of what it unpacks to.
    pub(crate) fn is_packed(&self) -> bool {
        self.packed
    }

    /// The stream, which fails beyond `limit` bytes, and then says how to mend it.
    pub(crate) fn into_stream(self, limit: u64, mend: &'static str) -> impl Read + 'a {
        Limited { stream: self.stream, limit, left: limit, mend }
    }

    /// Exactly `len` bytes, which are `what`.
    pub(crate) fn bytes(&mut self, len: usize, what: &str) -> Result<Vec<u8>, DataError> {
        let mut bytes = Vec::new();
        let wrong = |found| DataError::format(&self.name, format!("{len} bytes of {what}"), found);
        // What the header promises is asked for only as it arrives: a lie costs no more memory than the file has bytes.
        while bytes.len() < len {
            let step = (len - bytes.len()).min(STEP.max(bytes.len()));
            bytes.try_reserve_exact(step).map_err(|_| wrong("more than there is memory for".into()))?;
            let got = self.stream.by_ref().take(step as u64).read_to_end(&mut bytes);
            if got.map_err(|e| damaged(&self.name, self.container, e))? < step {
                return Err(wrong(format!("{} bytes", bytes.len())));
            }
        }
        Ok(bytes)
    }

    /// The file's last `len` bytes, which are `what`: not one more is unpacked than shows that there are too many.
    pub(crate) fn last_bytes(mut self, len: usize, what: &str) -> Result<Vec<u8>, DataError> {
        let bytes = self.bytes(len, what)?;
        match self.stream.by_ref().take(1).read_to_end(&mut Vec::new()) {
            Ok(0) => Ok(bytes),
            Ok(_) => Err(DataError::format(
                &self.name,
                format!("{len} bytes of {what}"),
                format!("more bytes, at least {}", len as u64 + 1),
            )),
            Err(error) => Err(damaged(&self.name, self.container, error)),
        }
    }

    /// Exactly `N` bytes, which are `what`.
    pub(crate) fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], DataError> {
        let mut array = [0; N];
        array.copy_from_slice(&self.bytes(N, what)?);
        Ok(array)
    }

    /// How many bytes the numbers of this shape take, of `size` bytes each, if they may: a gzip file may promise up to `limit`.
    pub(crate) fn promise(&self, shape: &[usize], size: usize, limit: u64, mend: &str) -> Result<usize, DataError> {
        let Some(len) = promised(shape, size) else {
            return Err(DataError::format(&self.name, "sizes that memory can hold", format!("{shape:?}")));
        };
        // A plain file takes no more memory than disk; it needs no limit.
        if self.packed && len as u64 > limit {
            let expected = format!("a {} that unpacks to at most {limit} bytes ({mend})", self.container);
            return Err(DataError::format(&self.name, expected, format!("{len} bytes for shape {shape:?}")));
        }
        Ok(len)
    }
}

/// What an error of the stream means: damage of a gzip file, or what the system said.
pub(crate) fn broken(name: &str, error: std::io::Error) -> DataError {
    damaged(name, "gzip file", error)
}

fn damaged(name: &str, container: &str, error: std::io::Error) -> DataError {
    match error.kind() {
        // flate2's ways of saying that the packed bytes are cut short or damaged, and rawzip's for a wrong checksum.
        ErrorKind::InvalidInput | ErrorKind::InvalidData | ErrorKind::UnexpectedEof => {
            DataError::format(name, format!("a whole {container}"), format!("damage: {error}"))
        }
        _ => DataError::io(name, error),
    }
}

/// A stream that fails, and does not just end, after so many bytes.
struct Limited<R> {
    stream: R,
    limit: u64,
    left: u64,
    mend: &'static str,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let got = self.stream.read(buffer)?;
        self.left = self.left.checked_sub(got as u64).ok_or_else(|| {
            std::io::Error::other(format!("more bytes after unpacking than the limit of {}; {}", self.limit, self.mend))
        })?;
        Ok(got)
    }
}

/// The product of a header's axes times the size of an element, if there may be an array of such a shape; also where an axis of 0 would
/// hide others that are too large.
fn promised(axes: &[usize], size: usize) -> Option<usize> {
    Shape::try_new(axes)?.numel().checked_mul(size)
}
