//! The encoding of what a model file holds; the only place that knows bincode.

use serde::{Deserialize, Serialize};

/// What a model file holds, as it lies in the file: text and bytes are borrowed from what was read.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Payload<'a> {
    /// The version of kniff that wrote it.
    pub(crate) kniff: &'a str,
    /// The element type.
    pub(crate) element: &'a str,
    /// Names and texts.
    #[serde(borrow)]
    pub(crate) metadata: Vec<(&'a str, &'a str)>,
    /// Parameters and buffers.
    #[serde(borrow)]
    pub(crate) tensors: Vec<Stored<'a>>,
}

/// A tensor as it lies in the file.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Stored<'a> {
    /// The path name.
    pub(crate) name: &'a str,
    /// The sizes of the axes.
    pub(crate) shape: Vec<u64>,
    /// The elements, row-major, little-endian.
    #[serde(borrow, serialize_with = "as_bytes")]
    pub(crate) data: &'a [u8],
}

fn as_bytes<S: serde::Serializer>(data: &&[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(data)
}

/// More than any model that is trained on a CPU; what is asked for is bounded by the file's own size besides, since text and
/// bytes are borrowed and lists grow with what is read.
const LIMIT: usize = 1 << 38;

/// Whole numbers as they are, little-endian: a file is laid out the same for ever.
fn settings() -> impl bincode::config::Config {
    bincode::config::legacy().with_limit::<LIMIT>()
}

/// The payload as bytes.
pub(crate) fn encode(payload: &Payload<'_>) -> Result<Vec<u8>, String> {
    bincode::serde::encode_to_vec(payload, settings()).map_err(|e| e.to_string())
}

/// The payload that the bytes hold, to the last one.
pub(crate) fn decode(bytes: &[u8]) -> Result<Payload<'_>, String> {
    let (payload, read) = bincode::serde::borrow_decode_from_slice(bytes, settings()).map_err(|e| e.to_string())?;
    if read == bytes.len() { Ok(payload) } else { Err(format!("{} bytes after the end", bytes.len() - read)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn payload() -> Payload<'static> {
        let data = &[1, 2, 3, 4, 5, 6, 7, 8];
        Payload {
            kniff: "0.1.0",
            element: "f32",
            metadata: vec![("classes", "10")],
            tensors: vec![Stored { name: "0.weight", shape: vec![1, 2], data }],
        }
    }

    #[test]
    fn what_was_written_is_read() {
        let bytes = encode(&payload()).unwrap();
        assert_eq!(decode(&bytes).unwrap(), payload());
        assert!(decode(&bytes[..bytes.len() - 1]).is_err());
        assert!(decode(&[&bytes[..], &[0]].concat()).unwrap_err().contains("1 bytes after the end"));
    }

    #[test]
    fn lengths_beyond_the_end_ask_for_no_memory() {
        // A list that claims 2^60 entries, a text that claims 2^37 bytes.
        let mut bytes = encode(&payload()).unwrap();
        let at = 8 + 5 + 8 + 3;
        bytes[at..at + 8].copy_from_slice(&(1_u64 << 60).to_le_bytes());
        assert!(decode(&bytes).is_err());
        bytes[..8].copy_from_slice(&(1_u64 << 37).to_le_bytes());
        assert!(decode(&bytes).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = decode(&bytes);
        }

        #[test]
        fn a_changed_byte_never_panics(at in 0_usize..200, to: u8) {
            let mut bytes = encode(&payload()).unwrap();
            let at = at % bytes.len();
            bytes[at] = to;
            let _ = decode(&bytes);
        }
    }
}
