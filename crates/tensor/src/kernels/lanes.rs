//! Sums in a fixed order: a fixed number of lanes, whatever the instruction set, and blocks joined in pairs.

/// Partial results that a reduction keeps side by side.
pub(super) const LANES: usize = 32;
/// Runs of lanes that are joined with each other before they meet the partial results: those go through memory, and
/// so does it only once in a while.
pub(super) const GROUP: usize = 8;
/// Elements in one block: each lane sees 32 of them before blocks are joined in pairs.
pub(super) const BLOCK: usize = 1024;

/// All lanes as one value, halves onto halves.
#[inline(always)]
pub(super) fn fold<E: Copy>(mut lanes: [E; LANES], combine: impl Fn(E, E) -> E) -> E {
    // Written out, so that each step is a vector instruction or a few.
    for l in 0..16 {
        lanes[l] = combine(lanes[l], lanes[l + 16]);
    }
    for l in 0..8 {
        lanes[l] = combine(lanes[l], lanes[l + 8]);
    }
    for l in 0..4 {
        lanes[l] = combine(lanes[l], lanes[l + 4]);
    }
    combine(combine(lanes[0], lanes[2]), combine(lanes[1], lanes[3]))
}

/// Joins a sequence of values in pairs, pairs of pairs and so on, so that rounding grows with the logarithm of their
/// number only. The order depends on that number alone.
#[derive(Clone, Copy)]
pub(super) struct Pairwise<E> {
    /// Level `l` holds the join of 2^l values while bit `l` of `count` is set.
    levels: [E; 48],
    count: usize,
}

impl<E: Copy> Pairwise<E> {
    #[inline(always)]
    pub(super) fn new(start: E) -> Self {
        Self { levels: [start; 48], count: 0 }
    }

    #[inline(always)]
    pub(super) fn push(&mut self, mut value: E, combine: impl Fn(E, E) -> E) {
        let mut level = 0;
        while self.count >> level & 1 == 1 {
            value = combine(self.levels[level], value);
            level += 1;
        }
        self.levels[level] = value;
        self.count += 1;
    }

    /// The join of everything, or `start` if there was nothing.
    #[inline(always)]
    pub(super) fn finish(self, start: E, combine: impl Fn(E, E) -> E) -> E {
        let mut total = None;
        let mut left = self.count;
        while left != 0 {
            let level = left.trailing_zeros() as usize;
            total = Some(match total {
                None => self.levels[level],
                Some(low) => combine(self.levels[level], low),
            });
            left &= left - 1;
        }
        total.unwrap_or(start)
    }
}
