//! A number by which a split or a normaliser is known again.

use kniff_tensor::Element;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Sixty-four bits of what makes a thing what it is (FNV-1a); shown as sixteen hexadecimal digits.
///
/// It tells things apart that were confused by mistake. It is no protection against someone who wants to confuse them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(u64);

impl Fingerprint {
    pub(crate) fn new(kind: &str) -> Self {
        Self(0xcbf2_9ce4_8422_2325).bytes(kind.as_bytes())
    }

    fn bytes(self, bytes: &[u8]) -> Self {
        Self(bytes.iter().fold(self.0, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)))
    }

    pub(crate) fn count(self, n: usize) -> Self {
        self.bytes(&(n as u64).to_le_bytes())
    }

    pub(crate) fn counts(self, numbers: &[usize]) -> Self {
        numbers.iter().fold(self.count(numbers.len()), |hash, &n| hash.count(n))
    }

    pub(crate) fn numbers<E: Element>(self, numbers: &[E]) -> Self {
        let each = |hash: Self, x: &E| hash.bytes(&x.to_f64().to_bits().to_le_bytes());
        numbers.iter().fold(self.count(numbers.len()), each)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_fnv_1a() {
        // The published test vectors of the function.
        assert_eq!(Fingerprint::new("").to_string(), "cbf29ce484222325");
        assert_eq!(Fingerprint::new("a").to_string(), "af63dc4c8601ec8c");
        assert_eq!(Fingerprint::new("foobar").to_string(), "85944171f73967e8");
        assert_ne!(Fingerprint::new("x").counts(&[1, 2]).count(3), Fingerprint::new("x").counts(&[1, 2, 3]));
    }
}
