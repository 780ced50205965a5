//! The one source of randomness: a seeded generator with named and counted streams.

use crate::Element;
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng, TryRng};
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;

/// A seeded random number generator (ChaCha with 8 rounds) that hands out independent streams.
///
/// Randomness is an argument in kniff: whatever draws takes `&mut Rng`. A stream depends only on the seed and on the
/// names and numbers that lead to it, never on what was drawn elsewhere, so that one more draw in one place changes
/// nothing in another, and work that is spread over threads can give each piece its own stream by number.
/// It implements rand's `Rng`, so every distribution of rand_distr works with it, and serde, with its full state.
///
/// ```
/// use kniff_tensor::Rng;
/// let root = Rng::new(42);
/// let (mut a, mut b) = (root.stream("dropout"), root.stream("shuffle"));
/// assert_ne!(a.uniform(), b.uniform());
/// assert_eq!(root.keyed(7).uniform(), Rng::new(42).keyed(7).uniform());
/// ```
#[derive(Debug, PartialEq)]
pub struct Rng {
    key: [u8; 32],
    children: u64,
    inner: ChaCha8Rng,
}

impl Rng {
    /// The generator of a seed.
    pub fn new(seed: u64) -> Self {
        let mut key = [0; 32];
        ChaCha8Rng::seed_from_u64(seed).fill(&mut key);
        Self::from_key(key)
    }

    fn from_key(key: [u8; 32]) -> Self {
        Self { key, children: 0, inner: ChaCha8Rng::from_seed(key) }
    }

    /// A child by name. It does not depend on what was drawn here, and drawing from it changes nothing here.
    pub fn stream(&self, name: &str) -> Self {
        // FNV-1a: 64 bits name the stream of the cipher that the child's key is read from.
        let hash =
            name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
        self.child(hash, 0)
    }

    /// A child by number; pure, like [`Rng::stream`].
    pub fn keyed(&self, number: u64) -> Self {
        self.child(number, 1)
    }

    /// The next child by count: the first call gives child 0, the second child 1, and so on.
    pub fn split(&mut self) -> Self {
        let child = self.child(self.children, 2);
        self.children += 1;
        child
    }

    fn child(&self, number: u64, family: u64) -> Self {
        // Own draws read the cipher's stream 0 from its start; children read their keys from a far-off place
        // of the stream that their number names, each family from its own.
        let mut source = ChaCha8Rng::from_seed(self.key);
        source.set_stream(number);
        source.set_word_pos((1 << 36) - 16 * (u128::from(family) + 1));
        let mut key = [0; 32];
        source.fill(&mut key);
        Self::from_key(key)
    }

    /// Uniform on [0, 1), 53 bits.
    #[inline]
    pub fn uniform(&mut self) -> f64 {
        self.inner.random::<f64>()
    }

    /// Normal with mean 0 and variance 1.
    #[inline]
    pub fn normal(&mut self) -> f64 {
        StandardNormal.sample(&mut self.inner)
    }

    /// Uniform among 0, 1, ... n-1.
    ///
    /// # Panics
    /// If `n` is 0.
    #[track_caller]
    pub fn below(&mut self, n: usize) -> usize {
        assert!(n > 0, "Rng::below: there is no number below 0");
        self.inner.random_range(0..n as u64) as usize
    }

    /// True with probability `p`.
    ///
    /// # Panics
    /// Unless `p` is within 0..=1.
    #[track_caller]
    pub fn bernoulli(&mut self, p: f64) -> bool {
        assert!((0.0..=1.0).contains(&p), "Rng::bernoulli: {p} is not a probability");
        self.uniform() < p
    }

    /// Puts the slice in a random order; every order is equally likely.
    pub fn shuffle<T>(&mut self, slice: &mut [T]) {
        slice.shuffle(&mut self.inner);
    }

    /// 0, 1, ... n-1 in a random order.
    pub fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        self.shuffle(&mut order);
        order
    }

    /// Fills with independent normal draws of the given mean and standard deviation.
    pub fn fill_normal<E: Element>(&mut self, out: &mut [E], mean: f64, std: f64) {
        for x in out {
            *x = E::from_f64(mean + std * self.normal());
        }
    }

    /// Fills with random bytes; the fastest way to many small draws.
    pub fn fill_random_bytes(&mut self, out: &mut [u8]) {
        self.inner.fill(out);
    }
}

impl Clone for Rng {
    fn clone(&self) -> Self {
        let mut inner = ChaCha8Rng::from_seed(self.key);
        inner.set_word_pos(self.inner.get_word_pos());
        Self { key: self.key, children: self.children, inner }
    }
}

impl TryRng for Rng {
    type Error = Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.inner.try_next_u32()
    }
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.inner.try_next_u64()
    }
    fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<(), Infallible> {
        self.inner.try_fill_bytes(dst)
    }
}

/// What a generator is, as it is stored: the word position says how much was drawn.
#[derive(Serialize, Deserialize)]
struct State {
    key: [u8; 32],
    children: u64,
    word_pos_high: u64,
    word_pos_low: u64,
}

impl Serialize for Rng {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let at = self.inner.get_word_pos();
        let (word_pos_high, word_pos_low) = ((at >> 64) as u64, at as u64);
        State { key: self.key, children: self.children, word_pos_high, word_pos_low }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Rng {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let state = State::deserialize(deserializer)?;
        let mut rng = Rng::from_key(state.key);
        rng.children = state.children;
        // The position has 36 bits of blocks of 16 words; what a file says beyond that wraps rather than panics.
        let at = (u128::from(state.word_pos_high) << 64 | u128::from(state.word_pos_low)) & ((1 << 68) - 1);
        rng.inner.set_word_pos(at);
        Ok(rng)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_depend_on_names_and_not_on_draws() {
        let mut root = Rng::new(3);
        let before = root.stream("a").uniform();
        root.uniform();
        assert_eq!(root.stream("a").uniform(), before);
        assert_ne!(root.stream("b").uniform(), before);
        assert_ne!(root.keyed(0).uniform(), root.split().uniform());
        assert_ne!(root.split().uniform(), Rng::new(3).split().uniform());
    }

    #[test]
    fn moments_are_those_of_the_distributions() {
        let mut rng = Rng::new(1);
        let n = 100_000;
        let (mut sum, mut square) = (0.0, 0.0);
        for _ in 0..n {
            let x = rng.normal();
            sum += x;
            square += x * x;
        }
        // Five standard errors.
        assert!((sum / n as f64).abs() < 5.0 / (n as f64).sqrt());
        assert!((square / n as f64 - 1.0).abs() < 5.0 * (2.0 / n as f64).sqrt());
    }

    #[test]
    fn a_permutation_holds_every_number_once() {
        let mut p = Rng::new(5).permutation(100);
        assert_ne!(p[..10], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        p.sort_unstable();
        assert!(p.iter().enumerate().all(|(i, &x)| i == x));
    }
}
