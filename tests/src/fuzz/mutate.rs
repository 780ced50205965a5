//! Files made from whole ones: bytes changed, lengths edited, parts cut, doubled and exchanged.

use kniff::tensor::Rng;
use std::ops::Range;

/// No file is made longer.
const LONGEST: usize = 1 << 16;
/// Numbers at which lengths go wrong.
const EDGES: [u64; 14] =
    [0, 1, 2, 7, 0x7f, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, 0xffff_ffff, 1 << 32, 1 << 40, i64::MAX as u64, u64::MAX];
/// The same in text.
const NUMBERS: [&str; 14] = [
    "0",
    "-1",
    "1",
    "255",
    "65536",
    "2147483648",
    "4294967296",
    "9223372036854775807",
    "18446744073709551616",
    "1e308",
    "1e999",
    "-0.0",
    "NaN",
    "99999999999999999999999999",
];

/// Makes files; the same seed makes the same ones.
pub struct Mutator {
    rng: Rng,
    words: &'static [&'static [u8]],
}

impl Mutator {
    /// A mutator that knows some words of the format.
    pub fn new(seed: u64, words: &'static [&'static [u8]]) -> Self {
        Self { rng: Rng::new(seed).stream("fuzz"), words }
    }

    /// One of the files, changed in one to eight places.
    pub fn make(&mut self, files: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = files[self.rng.below(files.len())].clone();
        let changes = 1 << self.rng.below(4);
        for _ in 0..1 + self.rng.below(changes) {
            self.change(&mut bytes, files);
        }
        bytes.truncate(LONGEST);
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>, files: &[Vec<u8>]) {
        if bytes.is_empty() {
            bytes.push(self.rng.below(256) as u8);
            return;
        }
        // Headers stand in front: half of all changes fall among the first 64 bytes.
        let reach = if self.rng.bernoulli(0.5) { bytes.len().min(64) } else { bytes.len() };
        let at = self.rng.below(reach);
        match self.rng.below(14) {
            0 | 1 => bytes[at] ^= 1 << self.rng.below(8),
            2 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff, self.rng.below(256) as u8][self.rng.below(6)],
            3 => bytes.truncate(at),
            4 => drop(bytes.drain(self.part(at, bytes.len()))),
            5 => {
                let again: Vec<u8> = bytes[self.part(at, bytes.len())].to_vec();
                insert(bytes, at, &again);
            }
            6 => {
                let mut noise = vec![0; 1 + self.rng.below(16)];
                self.rng.fill_random_bytes(&mut noise);
                insert(bytes, at, &noise);
            }
            7 => {
                let other = &files[self.rng.below(files.len())];
                let from = self.rng.below(other.len().max(1)).min(other.len());
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
            8 | 9 => self.length(bytes, at),
            10 => self.number(bytes, at),
            11 if !self.words.is_empty() => {
                let word = self.words[self.rng.below(self.words.len())];
                if self.rng.bernoulli(0.5) {
                    let end = bytes.len().min(at + word.len());
                    bytes[at..end].copy_from_slice(&word[..end - at]);
                } else {
                    insert(bytes, at, word);
                }
            }
            12 => {
                let (a, b) = (self.part(at, bytes.len()), self.rng.below(bytes.len()));
                let moved: Vec<u8> = bytes.drain(a).collect();
                insert(bytes, b.min(bytes.len()), &moved);
            }
            _ => {
                let to = bytes[self.rng.below(bytes.len())];
                let part = self.part(at, bytes.len());
                bytes[part].fill(to);
            }
        }
    }

    /// A part that begins at `at`: mostly short.
    fn part(&mut self, at: usize, len: usize) -> Range<usize> {
        let most = 1 << self.rng.below(10);
        at..len.min(at + 1 + self.rng.below(most))
    }

    /// A whole number in one, two, four or eight bytes, set to where lengths go wrong or moved a little.
    fn length(&mut self, bytes: &mut [u8], at: usize) {
        let size = (1 << self.rng.below(4)).min(bytes.len() - at);
        let place = &mut bytes[at..at + size];
        let big = self.rng.bernoulli(0.5);
        let mut whole = [0; 8];
        whole[..size].copy_from_slice(place);
        if big {
            whole[..size].reverse();
        }
        let old = u64::from_le_bytes(whole);
        let step = 1 + self.rng.below(16) as u64;
        let new = match self.rng.below(4) {
            0 => old.wrapping_add(step),
            1 => old.wrapping_sub(step),
            2 => EDGES[self.rng.below(EDGES.len())].wrapping_sub(self.rng.below(3) as u64),
            _ => EDGES[self.rng.below(EDGES.len())],
        };
        let mut whole = new.to_le_bytes();
        if big {
            whole[..size].reverse();
        }
        place.copy_from_slice(&whole[..size]);
    }

    /// A number in text, exchanged for another.
    fn number(&mut self, bytes: &mut Vec<u8>, at: usize) {
        let Some(start) = (at..bytes.len()).find(|&i| bytes[i].is_ascii_digit()) else { return };
        let end = (start..bytes.len()).find(|&i| !bytes[i].is_ascii_digit()).unwrap_or(bytes.len());
        let new = NUMBERS[self.rng.below(NUMBERS.len())];
        bytes.splice(start..end, new.bytes());
    }
}

fn insert(bytes: &mut Vec<u8>, at: usize, new: &[u8]) {
    bytes.splice(at..at, new.iter().copied());
}
