//! The encoding of what model files and checkpoints hold; the only place that knows bincode.

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

/// The value as bytes: whole numbers as they are, little-endian, so that a file is laid out the same for ever.
pub(crate) fn encode(value: &impl Serialize) -> Result<Vec<u8>, String> {
    bincode::serde::encode_to_vec(value, limited::<MOST>()).map_err(|e| e.to_string())
}

/// The value that the bytes hold, to the last one.
pub(crate) fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, String> {
    let (value, read) = decode_start(bytes)?;
    if read == bytes.len() { Ok(value) } else { Err(format!("{} bytes after the end", bytes.len() - read)) }
}

/// The value that the bytes begin with, and how many they are.
pub(crate) fn decode_start<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<(T, usize), String> {
    // What a length claims is bounded by what the file could hold, give or take a factor of 64.
    let read = match bytes.len() {
        ..=0xffff => bincode::serde::borrow_decode_from_slice(bytes, limited::<{ 1 << 20 }>()),
        0x1_0000..=0x3f_ffff => bincode::serde::borrow_decode_from_slice(bytes, limited::<{ 1 << 26 }>()),
        0x40_0000..=0xfff_ffff => bincode::serde::borrow_decode_from_slice(bytes, limited::<{ 1 << 32 }>()),
        _ => bincode::serde::borrow_decode_from_slice(bytes, limited::<MOST>()),
    };
    read.map_err(in_words)
}

/// What is wrong, without the codec's own terms where it has some.
fn in_words(error: bincode::error::DecodeError) -> String {
    use bincode::error::DecodeError::{LimitExceeded, OtherString, UnexpectedEnd, Utf8};
    match error {
        UnexpectedEnd { additional } => format!("an end that comes at least {additional} bytes too early"),
        LimitExceeded => "a length beyond what the file could hold".into(),
        Utf8 { .. } => "text that is not UTF-8".into(),
        OtherString(said) => said,
        other => other.to_string(),
    }
}

/// More than any model that is trained on a CPU.
const MOST: usize = 1 << 38;

fn limited<const LIMIT: usize>() -> impl bincode::config::Config {
    bincode::config::legacy().with_limit::<LIMIT>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_wrong_is_said_in_words() {
        let said = |bytes: &[u8]| decode_start::<&str>(bytes).unwrap_err();
        assert_eq!(said(&[9, 0, 0, 0, 0, 0, 0, 0, b'a']), "an end that comes at least 8 bytes too early");
        assert_eq!(said(&[1, 0, 0, 0, 0, 0, 0, 0, 0xff]), "text that is not UTF-8");
        assert_eq!(said(&[0, 0, 0, 0, 0, 0, 0, 1]), "a length beyond what the file could hold");
    }

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
        assert_eq!(decode::<Payload<'_>>(&bytes).unwrap(), payload());
        assert!(decode::<Payload<'_>>(&bytes[..bytes.len() - 1]).is_err());
        assert!(decode::<Payload<'_>>(&[&bytes[..], &[0]].concat()).unwrap_err().contains("1 bytes after the end"));
    }

    #[test]
    fn lengths_beyond_the_end_ask_for_no_memory() {
        // A list that claims 2^60 entries, a text that claims 2^37 bytes.
        let mut bytes = encode(&payload()).unwrap();
        let at = 8 + 5 + 8 + 3;
        bytes[at..at + 8].copy_from_slice(&(1_u64 << 60).to_le_bytes());
        assert!(decode::<Payload<'_>>(&bytes).is_err());
        bytes[..8].copy_from_slice(&(1_u64 << 37).to_le_bytes());
        assert!(decode::<Payload<'_>>(&bytes).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = decode::<Payload<'_>>(&bytes);
        }

        #[test]
        fn a_changed_byte_never_panics(at in 0_usize..200, to: u8) {
            let mut bytes = encode(&payload()).unwrap();
            let at = at % bytes.len();
            bytes[at] = to;
            let _ = decode::<Payload<'_>>(&bytes);
        }
    }
}
