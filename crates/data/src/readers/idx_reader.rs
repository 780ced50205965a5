//! How an IDX file is to be read: its header first, and its numbers only if the header may promise them.

use super::{Idx, IdxKind};
use crate::DataError;
use crate::reader::{Source, UNPACKED, open};
use kniff_tensor::MAX_RANK;
use std::io::Read;
use std::path::Path;

/// How an IDX file is to be read.
///
/// ```
/// use kniff_data::IdxReader;
/// let file = [0, 0, 8, 1, 0, 0, 0, 2, 7, 9];
/// assert_eq!(IdxReader::new().limit(8 << 30).parse("two bytes", &file[..])?.shape(), [2]);
/// # Ok::<(), kniff_data::DataError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct IdxReader {
    limit: u64,
}

impl IdxReader {
    /// Files of any size, gzip up to 1 GiB of numbers.
    pub fn new() -> Self {
        Self { limit: UNPACKED }
    }

    /// How many bytes of numbers a gzip file may unpack to; 1 GiB unless told. A plain file takes no more memory than disk and has no limit.
    #[must_use]
    pub fn limit(mut self, bytes: u64) -> Self {
        self.limit = bytes;
        self
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`DataError::Io`] if it cannot be read; [`DataError::Format`] if it is not IDX, promises more than the limit, is cut short, or goes on
    /// after its end.
    pub fn read(&self, path: impl AsRef<Path>) -> Result<Idx, DataError> {
        IdxFile::new(open(path.as_ref())?, self.limit, MEND)?.numbers()
    }

    /// Reads a stream, which messages call `name`.
    ///
    /// # Errors
    /// As [`IdxReader::read`].
    pub fn parse(&self, name: &str, stream: impl Read) -> Result<Idx, DataError> {
        IdxFile::new(Source::new(name, stream)?, self.limit, MEND)?.numbers()
    }
}

const MEND: &str = "unpack it, or raise IdxReader::limit, if it is meant to be so large";

impl Default for IdxReader {
    fn default() -> Self {
        Self::new()
    }
}

/// A file whose header has been read, and nothing after it.
pub(super) struct IdxFile<'a> {
    pub(super) kind: IdxKind,
    pub(super) shape: Vec<usize>,
    /// How many bytes the header promises.
    len: usize,
    source: Source<'a>,
}

impl<'a> IdxFile<'a> {
    pub(super) fn new(mut source: Source<'a>, limit: u64, mend: &str) -> Result<Self, DataError> {
        let name = source.name().to_owned();
        let magic: [u8; 4] = source.array("IDX header")?;
        let expected = "an IDX file, which begins with two zero bytes";
        if magic[..2] != [0, 0] {
            return Err(DataError::format(&name, expected, format!("the bytes {:02x} {:02x}", magic[0], magic[1])));
        }
        let Some(kind) = IdxKind::of(magic[2]) else {
            let expected = "an IDX type: 08 (u8), 09 (i8), 0b (i16), 0c (i32), 0d (f32) or 0e (f64)";
            return Err(DataError::format(&name, expected, format!("{:02x}", magic[2])));
        };
        let rank = usize::from(magic[3]);
        if rank == 0 || rank > MAX_RANK {
            return Err(DataError::format(&name, format!("1 to {MAX_RANK} axes"), rank.to_string()));
        }
        let mut shape = Vec::with_capacity(rank);
        for _ in 0..rank {
            shape.push(u32::from_be_bytes(source.array("axis sizes")?) as usize);
        }
        let len = source.promise(&shape, kind.size(), limit, mend)?;
        Ok(Self { kind, shape, len, source })
    }

    pub(super) fn name(&self) -> &str {
        self.source.name()
    }

    pub(super) fn numbers(self) -> Result<Idx, DataError> {
        let name = self.name().to_owned();
        let bytes = self.source.last_bytes(self.len, &format!("numbers for shape {:?}", self.shape))?;
        Ok(Idx { name, kind: self.kind, shape: self.shape, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;

    #[test]
    fn a_gzip_file_may_promise_as_much_as_the_limit_and_a_plain_one_what_it_has() {
        let plain = [&[0, 0, 8, 1, 0, 0, 1, 0][..], &[0; 256]].concat();
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(&plain).unwrap();
        let packed = gzip.finish().unwrap();
        assert_eq!(IdxReader::new().parse("x", &packed[..]).unwrap().shape(), [256]);
        assert_eq!(IdxReader::new().limit(256).parse("x", &packed[..]).unwrap().shape(), [256]);
        assert_eq!(IdxReader::new().limit(255).parse("x", &plain[..]).unwrap().shape(), [256]);
        let said = IdxReader::new().limit(255).parse("x.gz", &packed[..]).unwrap_err().to_string();
        let expected =
            "x.gz: expected a gzip file that unpacks to at most 255 bytes (unpack it, or raise IdxReader::limit";
        assert!(said.starts_with(expected) && said.ends_with("found 256 bytes for shape [256]"), "{said}");
    }

    #[test]
    fn forty_bytes_of_gzip_may_not_promise_four_gigabytes() {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(&[0, 0, 8, 1, 255, 255, 255, 255]).unwrap();
        let said = Idx::parse("x.gz", &gzip.finish().unwrap()[..]).unwrap_err().to_string();
        assert!(said.contains("at most 1073741824 bytes") && said.contains("found 4294967295 bytes"), "{said}");
    }
}
