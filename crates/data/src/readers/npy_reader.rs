//! How an npy file is to be read.

use super::npy::Array;
use crate::DataError;
use crate::reader::{Source, UNPACKED, open};
use kniff_tensor::{Element, Indices, Tensor};
use std::io::Read;
use std::path::Path;

/// How an npy file is to be read; [`read_npy`](super::read_npy) and its kin do so as `NpyReader::new()` does.
///
/// ```
/// use kniff_data::{NpyReader, encode_npy};
/// use kniff_tensor::Tensor;
/// let mut file = Vec::new();
/// encode_npy(&mut file, &Tensor::<f32>::arange(3))?;
/// assert_eq!(NpyReader::new().limit(8 << 30).parse::<f32>("x.npy", &file[..])?.to_vec(), [0.0, 1.0, 2.0]);
/// # Ok::<(), kniff_data::DataError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct NpyReader {
    limit: u64,
}

impl NpyReader {
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
    /// As [`read_npy`](super::read_npy).
    pub fn read<E: Element>(&self, path: impl AsRef<Path>) -> Result<Tensor<E>, DataError> {
        self.array(open(path.as_ref())?)?.tensor()
    }

    /// Reads a file of class labels.
    ///
    /// # Errors
    /// As [`read_npy_indices`](super::read_npy_indices).
    pub fn read_indices(&self, path: impl AsRef<Path>) -> Result<Indices, DataError> {
        self.array(open(path.as_ref())?)?.indices()
    }

    /// Reads a stream, which messages call `name`.
    ///
    /// # Errors
    /// As [`read_npy`](super::read_npy).
    pub fn parse<E: Element>(&self, name: &str, stream: impl Read) -> Result<Tensor<E>, DataError> {
        self.array(Source::new(name, stream)?)?.tensor()
    }

    fn array(&self, source: Source<'_>) -> Result<Array, DataError> {
        Array::read(source, self.limit, "unpack it, or raise NpyReader::limit, if it is meant to be so large")
    }
}

impl Default for NpyReader {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode_npy;
    use flate2::{Compression, write::GzEncoder};

    #[test]
    fn a_gzip_file_may_promise_as_much_as_the_limit_and_a_plain_one_what_it_has() {
        let (mut plain, mut gzip) = (Vec::new(), GzEncoder::new(Vec::new(), Compression::best()));
        let zeros = Tensor::<f32>::zeros([64]);
        encode_npy(&mut plain, &zeros).unwrap();
        encode_npy(&mut gzip, &zeros).unwrap();
        let packed = gzip.finish().unwrap();
        let read = |limit, bytes: &[u8]| NpyReader::new().limit(limit).parse::<f32>("x.npy.gz", bytes);
        assert_eq!(read(256, &packed).unwrap(), zeros);
        assert_eq!(read(255, &plain).unwrap(), zeros);
        let said = read(255, &packed).unwrap_err().to_string();
        assert!(said.contains("at most 255 bytes (unpack it, or raise NpyReader::limit"), "{said}");
        assert!(said.ends_with("found 256 bytes for shape [64]"), "{said}");
    }

    #[test]
    fn a_header_in_gzip_may_not_promise_more_than_a_gibibyte() {
        let mut plain = Vec::new();
        encode_npy(&mut plain, &Tensor::<f32>::zeros([64])).unwrap();
        plain.truncate(128);
        let at = plain.windows(4).position(|four| four == b"(64,").unwrap();
        // As long as what it replaces, blanks at the end of the header included.
        plain.splice(at + 1..at + 3, *b"300000000");
        plain.drain(120..127);
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        std::io::Write::write_all(&mut gzip, &plain).unwrap();
        let said = NpyReader::new().parse::<f32>("x.npy.gz", &gzip.finish().unwrap()[..]).unwrap_err().to_string();
        assert!(said.contains("at most 1073741824 bytes") && said.contains("1200000000 bytes for shape"), "{said}");
    }
}
