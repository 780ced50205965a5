//! Dropout: elements are zeroed at random and the rest scaled, with as few random bits as the probability needs.
//!
//! One bit per element decides where the probability is 1/2. Otherwise one byte does; where it equals the threshold's
//! upper byte, 24 further bits decide, so that the probability is exact to 2^-32. The bits of each chunk come from a
//! child of the generator that is keyed by the chunk's position: they depend neither on threads nor on order.

use crate::buffer::Buffer;
use crate::simd::{Isa, Kernel, dispatch};
use crate::{Element, Rng, parallel};
use rand::TryRng;

/// Elements whose bits come from one child of the generator.
const CHUNK: usize = 1 << 14;
/// Words in one block; bit b of word l is for element 64 b + l, so that neighbours are in one vector of words.
const LANES: usize = 64;
/// Elements in one block.
const BLOCK: usize = 32 * LANES;

/// Which elements stay, a bit for each, and what they are multiplied with.
#[derive(Clone, Debug, PartialEq)]
pub struct Mask {
    words: Buffer<u32>,
    len: usize,
    scale: f64,
}

impl Mask {
    /// Draws which of `len` elements stay, each with probability `keep`; those that do are scaled by `1 / keep`.
    ///
    /// Drawing changes nothing in `rng`: give each call its own stream ([`Rng::split`]).
    ///
    /// # Panics
    /// Unless `keep` is within 0..=1.
    #[track_caller]
    pub fn draw(keep: f64, len: usize, rng: &Rng) -> Self {
        assert!((0.0..=1.0).contains(&keep), "dropout: {keep} is not a probability");
        let mut words = Buffer::zeros(len.div_ceil(BLOCK) * LANES);
        let threshold = (keep * 2f64.powi(32)).round() as u64;
        let words_in_chunk = CHUNK / BLOCK * LANES;
        parallel::chunks_if(parallel::pays(len), words.as_mut_slice(), words_in_chunk, |i, words| {
            draw_chunk(threshold, &mut rng.keyed(i as u64), words, CHUNK.min(len - i * CHUNK));
        });
        let scale = if keep > 0.0 { 1.0 / keep } else { 0.0 };
        Self { words, len, scale }
    }

    /// The mask of elements that were chosen elsewhere; those that stay are scaled by `1 / keep`.
    ///
    /// # Panics
    /// Unless `keep` is within 0..=1.
    #[track_caller]
    pub fn of(stays: &[bool], keep: f64) -> Self {
        assert!((0.0..=1.0).contains(&keep), "dropout: {keep} is not a probability");
        let mut buffer = Buffer::zeros(stays.len().div_ceil(BLOCK) * LANES);
        let words = buffer.as_mut_slice();
        for (i, _) in stays.iter().enumerate().filter(|(_, stays)| **stays) {
            words[i / BLOCK * LANES + i % LANES] |= 1 << (i % BLOCK / LANES);
        }
        Self { words: buffer, len: stays.len(), scale: if keep > 0.0 { 1.0 / keep } else { 0.0 } }
    }

    /// What the elements that stay are multiplied with: 1 over the probability of staying, 0 if that is 0.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// Whether element `i` stays.
    ///
    /// # Panics
    /// If there is no such element.
    pub fn keeps(&self, i: usize) -> bool {
        assert!(i < self.len, "dropout: element {i} of {}", self.len);
        self.words.as_slice()[i / BLOCK * LANES + i % LANES] >> (i % BLOCK / LANES) & 1 == 1
    }

    /// `out[i] = scale x[i]` where element i stays, 0 where it does not. Forward and backward are the same.
    ///
    /// # Panics
    /// If a length differs from the mask's.
    #[track_caller]
    pub fn apply<E: Element>(&self, x: &[E], out: &mut [E]) {
        self.apply_scaled(self.scale, x, out);
    }

    /// [`Mask::apply`] with another scale: 1 only sets to zero.
    ///
    /// # Panics
    /// If a length differs from the mask's.
    #[track_caller]
    pub fn apply_scaled<E: Element>(&self, scale: f64, x: &[E], out: &mut [E]) {
        let fits = x.len() == self.len && out.len() == self.len;
        assert!(fits, "dropout: {} and {} elements under a mask of {}", x.len(), out.len(), self.len);
        let scale = E::from_f64(scale);
        // Pieces start at whole blocks.
        parallel::pieces(out, |start, out| {
            let x = &x[start..start + out.len()];
            dispatch(Apply { words: &self.words.as_slice()[start / BLOCK * LANES..], scale, x, out });
        });
    }
}

fn draw_chunk(threshold: u64, rng: &mut Rng, words: &mut [u32], len: usize) {
    if threshold == 1 << 32 {
        return words.fill(u32::MAX);
    }
    if threshold == 0 {
        return words.fill(0);
    }
    let mut bytes = [0; CHUNK];
    if threshold == 1 << 31 {
        let bytes = &mut bytes[..4 * words.len()];
        rng.fill_random_bytes(bytes);
        for (word, four) in words.iter_mut().zip(bytes.as_chunks().0) {
            *word = u32::from_le_bytes(*four);
        }
        return;
    }
    let bytes = &mut bytes[..len.next_multiple_of(LANES)];
    rng.fill_random_bytes(bytes);
    let upper = (threshold >> 24) as u8;
    let lower = (threshold & 0xff_ffff) as u32;
    let mut ties = [0; CHUNK / BLOCK * LANES];
    dispatch(Compare { upper, bytes, words, ties: &mut ties });
    if lower > 0 {
        for (word, mut ties) in words.iter_mut().zip(ties) {
            while ties != 0 {
                let more = rng.try_next_u32().unwrap_or_else(|never| match never {}) >> 8;
                *word |= u32::from(more < lower) << ties.trailing_zeros();
                ties &= ties - 1;
            }
        }
    }
}

/// The bits of `words` say `byte < upper`, those of `ties` `byte == upper`.
struct Compare<'a> {
    upper: u8,
    bytes: &'a [u8],
    words: &'a mut [u32],
    ties: &'a mut [u32],
}

impl Kernel for Compare<'_> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let blocks = self.words.chunks_exact_mut(LANES).zip(self.ties.chunks_exact_mut(LANES));
        for (bytes, (words, ties)) in self.bytes.chunks(BLOCK).zip(blocks) {
            for (bit, bytes) in bytes.chunks_exact(LANES).enumerate() {
                for l in 0..LANES {
                    words[l] |= u32::from(bytes[l] < self.upper) << bit;
                    ties[l] |= u32::from(bytes[l] == self.upper) << bit;
                }
            }
        }
    }
}

struct Apply<'a, E> {
    words: &'a [u32],
    scale: E,
    x: &'a [E],
    out: &'a mut [E],
}

impl<E: Element> Kernel for Apply<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let blocks = self.out.chunks_mut(BLOCK).zip(self.x.chunks(BLOCK));
        for ((out, x), words) in blocks.zip(self.words.chunks_exact(LANES)) {
            for (bit, (out, x)) in out.chunks_mut(LANES).zip(x.chunks(LANES)).enumerate() {
                for ((o, &x), &word) in out.iter_mut().zip(x).zip(words) {
                    let scaled = x * self.scale;
                    *o = if word >> bit & 1 != 0 { scaled } else { E::ZERO };
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_stay_as_should() {
        let n = 1_000_000;
        for keep in [0.5, 0.25, 0.8, 0.9, 1.0 / 3.0, 0.001] {
            let mask = Mask::draw(keep, n, &Rng::new(7));
            let kept = (0..n).filter(|&i| mask.keeps(i)).count() as f64;
            // Five standard errors.
            let error = (n as f64 * keep * (1.0 - keep)).sqrt();
            assert!((kept - n as f64 * keep).abs() < 5.0 * error, "{kept} of {n} at {keep}");
        }
    }

    #[test]
    fn the_byte_at_the_threshold_is_decided_by_further_bits() {
        // 1/512 is half of one value of the byte: without refinement none or twice as many would stay.
        let n = 4_000_000;
        let mask = Mask::draw(1.0 / 512.0, n, &Rng::new(3));
        let kept = (0..n).filter(|&i| mask.keeps(i)).count() as f64;
        let expected = n as f64 / 512.0;
        assert!((kept - expected).abs() < 5.0 * expected.sqrt(), "{kept} instead of {expected}");
    }

    #[test]
    fn neighbours_are_independent() {
        let n = 1_000_000;
        for keep in [0.5, 0.7] {
            let mask = Mask::draw(keep, n, &Rng::new(5));
            for lag in [1, 8, 32, CHUNK] {
                let both = (0..n - lag).filter(|&i| mask.keeps(i) && mask.keeps(i + lag)).count() as f64;
                let p = keep * keep;
                let m = (n - lag) as f64;
                assert!((both - m * p).abs() < 8.0 * (m * p * (1.0 - p)).sqrt(), "lag {lag}");
            }
        }
    }

    #[test]
    fn threads_change_nothing_and_streams_differ() {
        let draw = |threads| parallel::with_threads(threads, || Mask::draw(0.3, 200_000, &Rng::new(1)));
        assert_eq!(draw(1), draw(3));
        assert_ne!(draw(1), Mask::draw(0.3, 200_000, &Rng::new(2)));
        // A shorter mask is the beginning of a longer one.
        let short = Mask::draw(0.3, 100, &Rng::new(1));
        assert!((0..100).all(|i| short.keeps(i) == draw(1).keeps(i)));
    }

    #[test]
    fn applying_zeroes_and_scales() {
        for n in [0, 1, 63, 64, 65, 1000, 2048, 2100, 70_001] {
            let x: Vec<f64> = (1..=n).map(|i| i as f64).collect();
            for keep in [0.0, 0.5, 0.8, 1.0] {
                let mask = Mask::draw(keep, n, &Rng::new(1));
                let mut out = vec![f64::NAN; n];
                let chosen: Vec<bool> = (0..n).map(|i| mask.keeps(i)).collect();
                let given = Mask::of(&chosen, keep);
                assert!((0..n).all(|i| given.keeps(i) == chosen[i]));
                given.apply_scaled(1.0, &x, &mut out);
                assert!((0..n).all(|i| out[i] == if chosen[i] { x[i] } else { 0.0 }));
                mask.apply(&x, &mut out);
                for i in 0..n {
                    assert_eq!(out[i], if mask.keeps(i) { x[i] * (1.0 / keep) } else { 0.0 });
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "dropout: 1.5 is not a probability")]
    fn a_wrong_probability_is_named() {
        Mask::draw(1.5, 1, &Rng::new(1));
    }
}
