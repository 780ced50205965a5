//! How an npz file is to be read.

use super::npy::Array;
use super::npz::ENDING;
use crate::DataError;
use crate::reader::{Source, UNPACKED};
use flate2::bufread::DeflateDecoder;
use kniff_tensor::{Element, Tensor};
use rawzip::{CompressionMethod, ZipArchive};
use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;

/// How an npz file is to be read; [`read_npz`](super::read_npz) does so as `NpzReader::new()` does.
///
/// What the archive says of itself is not believed: arrays that are not compressed take no more memory than the file (its entries may
/// not overlap), compressed ones unpack to a limit of all together, and every checksum is compared.
///
/// ```
/// use kniff_data::{NpzReader, encode_npz};
/// use kniff_tensor::Tensor;
/// let mut file = Vec::new();
/// encode_npz(&mut file, &[("x", &Tensor::<f32>::arange(3))])?;
/// let arrays = NpzReader::new().limit(8 << 30).parse::<f32>("x.npz", &file)?;
/// assert_eq!((arrays[0].0.as_str(), arrays[0].1.to_vec()), ("x", vec![0.0, 1.0, 2.0]));
/// # Ok::<(), kniff_data::DataError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct NpzReader {
    limit: u64,
}

const MEND: &str = "unpack it, or raise NpzReader::limit, if it is meant to be so large";

impl NpzReader {
    /// Files of any size, compressed arrays up to 1 GiB of numbers in all.
    pub fn new() -> Self {
        Self { limit: UNPACKED }
    }

    /// How many bytes of numbers the compressed arrays may unpack to in all; 1 GiB unless told.
    #[must_use]
    pub fn limit(mut self, bytes: u64) -> Self {
        self.limit = bytes;
        self
    }

    /// Reads a file.
    ///
    /// # Errors
    /// As [`read_npz`](super::read_npz).
    pub fn read<E: Element>(&self, path: impl AsRef<Path>) -> Result<Vec<(String, Tensor<E>)>, DataError> {
        let name = path.as_ref().display().to_string();
        self.parse(&name, &std::fs::read(path).map_err(|e| DataError::io(&name, e))?)
    }

    /// Reads the bytes of a file, which messages call `name`.
    ///
    /// # Errors
    /// As [`read_npz`](super::read_npz).
    pub fn parse<E: Element>(&self, name: &str, bytes: &[u8]) -> Result<Vec<(String, Tensor<E>)>, DataError> {
        let wrong = |error: rawzip::Error| DataError::format(name, "an npz file, a zip archive", error.to_string());
        let zip = ZipArchive::from_slice(bytes).map_err(wrong)?;
        let (mut arrays, mut names) = (Vec::new(), BTreeSet::new());
        let (mut left, mut stored) = (self.limit, 0_u64);
        let mut entries = zip.entries();
        while let Some(entry) = entries.next_entry().map_err(wrong)? {
            let path = entry.file_path();
            let path = String::from_utf8_lossy(path.as_bytes());
            let Some(array) = path.strip_suffix(ENDING) else {
                let expected = format!("arrays, in entries that end in {ENDING}");
                return Err(DataError::format(name, expected, format!("an entry {:?}", shortened(&path))));
            };
            let place = format!("{name}, array {:?}", shortened(array));
            let fault = |expected: &str, found: String| Err(DataError::format(&place, expected, found));
            if !names.insert(array.to_owned()) {
                return fault("a name of its own for each array", "it twice".into());
            }
            if entry.flags().is_encrypted() {
                return fault("an array in the clear", "an encrypted one".into());
            }
            let content = zip.get_entry(entry.wayfinder()).map_err(wrong)?;
            let packed = match entry.compression_method() {
                CompressionMethod::STORE => false,
                CompressionMethod::DEFLATE => true,
                other => return fault("an array that is stored or deflated", other.to_string()),
            };
            stored = stored.saturating_add(content.data().len() as u64);
            if stored > bytes.len() as u64 {
                return fault("entries beside each other", "some that overlap".into());
            }
            let stream: Box<dyn Read + '_> = match packed {
                true => Box::new(content.verifying_reader(DeflateDecoder::new(content.data()))),
                false => Box::new(content.verifying_reader(content.data())),
            };
            let numbers = Array::read(Source::entry(&place, packed, stream), left, MEND)?;
            if packed {
                left = left.saturating_sub(numbers.len() as u64);
            }
            arrays.push((array.to_owned(), numbers.tensor()?));
        }
        let expected = zip.entries_hint();
        if expected != arrays.len() as u64 {
            return Err(DataError::format(name, format!("{expected} arrays"), format!("{}", arrays.len())));
        }
        Ok(arrays)
    }
}

impl Default for NpzReader {
    fn default() -> Self {
        Self::new()
    }
}

/// A name that is short enough for a message.
fn shortened(name: &str) -> String {
    name.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode_npy;
    use flate2::Compression;
    use flate2::write::DeflateEncoder;
    use rawzip::ZipArchiveWriter;
    use std::io::Write;

    fn npy(x: &Tensor<f32>) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode_npy(&mut bytes, x).unwrap();
        bytes
    }

    /// An archive of given entries, deflated.
    fn deflated(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut zip = ZipArchiveWriter::new(&mut bytes);
        for (name, content) in entries {
            let start = zip.new_file(*name).compression_method(CompressionMethod::DEFLATE).start();
            let (mut entry, config) = start.unwrap();
            let mut writer = config.wrap(DeflateEncoder::new(&mut entry, Compression::best()));
            writer.write_all(content).unwrap();
            let (encoder, sums) = writer.finish().unwrap();
            encoder.finish().unwrap();
            entry.finish(sums).unwrap();
        }
        zip.finish().unwrap();
        bytes
    }

    fn says(reader: NpzReader, bytes: &[u8], words: &[&str]) {
        let said = reader.parse::<f32>("f.npz", bytes).unwrap_err().to_string();
        assert!(said.starts_with("f.npz") && words.iter().all(|w| said.contains(w)), "{said}");
    }

    #[test]
    fn all_compressed_arrays_share_one_limit() {
        let ones = npy(&Tensor::ones([64]));
        let bytes = deflated(&[("a.npy", &ones), ("b.npy", &ones)]);
        assert_eq!(NpzReader::new().limit(512).parse::<f32>("x", &bytes).unwrap().len(), 2);
        let words = ["array \"b\"", "at most 255 bytes", "NpzReader::limit", "256 bytes for shape [64]"];
        says(NpzReader::new().limit(511), &bytes, &words);
        // Two kilobytes that promise and hold 2 MiB of zeros.
        let bomb = deflated(&[("z.npy", &npy(&Tensor::zeros([1 << 19])))]);
        assert!(bomb.len() < 4000);
        says(NpzReader::new().limit(1 << 20), &bomb, &["unpacks to at most 1048576 bytes", "2097152"]);
        assert_eq!(NpzReader::new().parse::<f32>("x", &bomb).unwrap()[0].1.len(), 1 << 19);
        // A header that promises little with more behind it is not unpacked further than shows it.
        let mut long = npy(&Tensor::zeros([1]));
        long.resize(1 << 20, 0);
        says(NpzReader::new().limit(8), &deflated(&[("l.npy", &long)]), &["more bytes, at least 5"]);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let new = NpzReader::new();
        says(new, b"", &["a zip archive"]);
        says(new, b"not a zip archive, and longer than its last record", &["a zip archive"]);
        let one = npy(&Tensor::ones([3]));
        says(new, &deflated(&[("readme.txt", b"hello")]), &["entries that end in .npy", "readme.txt"]);
        says(new, &deflated(&[("a.npy", b"hello, numbers")]), &["array \"a\"", "an npy file"]);
        says(new, &deflated(&[("a.npy", &one), ("a.npy", &one)]), &["array \"a\"", "twice"]);
        let whole = deflated(&[("a.npy", &one)]);
        let packed = (30..whole.len() - 60).filter(|&at| {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            NpzReader::new().parse::<f32>("f.npz", &bytes).is_err()
        });
        // The local name and the descriptor's second copy of the sizes are not the archive's word.
        assert!(packed.count() > 60);
        let at = whole.len() - 22 + 10;
        let mut counted = whole.clone();
        counted[at] = 2;
        counted[at - 2] = 2;
        says(new, &counted, &["2 arrays, found 1"]);
    }
}
