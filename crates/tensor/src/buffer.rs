//! Buffers that are recycled, because a fresh page costs many times what memory in use does.
//!
//! A dropped buffer goes to a free list of its size class and comes out again at the next request of that class. A
//! training step asks for the same sizes every time, so after the first step nothing is allocated. Buffers below 1 KiB
//! are left to the system's allocator, which is as fast for them. Large ones ask the system for large pages.

mod large_pages;

use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Kernels load whole cache lines; tensors made here start on one.
const ALIGN_BYTES: usize = 64;
const SMALLEST_POOLED: usize = 1024;
const CLASSES: usize = 4 * 44;
/// What the free lists of one element type may hold before buffers are given back to the system.
const HOLD_LIMIT: usize = 2 << 30;

/// What the pool has done so far, for all element types together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolStats {
    /// Buffers that had to come from the system's allocator.
    pub fresh: usize,
    /// Buffers that came out of a free list.
    pub recycled: usize,
    /// Bytes that lie in free lists now.
    pub held_bytes: usize,
}

/// Counts since the program began; `fresh` stands still in the steady state of a training loop.
pub fn pool_stats() -> PoolStats {
    let all = [f32::pool().stats(), f64::pool().stats(), u8::pool().stats(), u32::pool().stats()];
    all.iter().fold(PoolStats::default(), |sum, one| PoolStats {
        fresh: sum.fresh + one.fresh,
        recycled: sum.recycled + one.recycled,
        held_bytes: sum.held_bytes + one.held_bytes,
    })
}

/// Gives every buffer in the free lists back to the system.
pub fn pool_clear() {
    f32::pool().clear();
    f64::pool().clear();
    u8::pool().clear();
    u32::pool().clear();
}

/// An element type that has a pool.
pub trait Pooled: Sized + Copy + Default + 'static {
    #[doc(hidden)]
    fn pool() -> &'static Pool<Self>;
}

#[doc(hidden)]
pub struct Pool<E> {
    free: [Mutex<Vec<Vec<E>>>; CLASSES],
    fresh: AtomicUsize,
    recycled: AtomicUsize,
    held: AtomicUsize,
}

impl<E: Copy + Default> Pool<E> {
    const fn new() -> Self {
        Self {
            free: [const { Mutex::new(Vec::new()) }; CLASSES],
            fresh: AtomicUsize::new(0),
            recycled: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
        }
    }

    /// Four classes to the octave: at most a quarter of a buffer lies idle.
    fn class(bytes: usize) -> (usize, usize) {
        let octave = usize::BITS - 1 - (bytes - 1).leading_zeros();
        let quarter = 1usize << (octave - 2);
        let step = (bytes - 1 - (1 << octave)) / quarter;
        let capacity = (1 << octave) + (step + 1) * quarter;
        ((octave as usize).saturating_sub(9) * 4 + step, capacity)
    }

    /// A vector of at least `elements` initialised elements; what they hold is left over from earlier use.
    fn take(&self, elements: usize) -> (Vec<E>, bool) {
        let bytes = elements * size_of::<E>();
        if bytes < SMALLEST_POOLED {
            return (vec![E::default(); elements], true);
        }
        let (class, capacity) = Self::class(bytes);
        if class < CLASSES
            && let Some(v) = lock(&self.free[class]).pop()
        {
            self.held.fetch_sub(v.len() * size_of::<E>(), Ordering::Relaxed);
            self.recycled.fetch_add(1, Ordering::Relaxed);
            return (v, false);
        }
        self.fresh.fetch_add(1, Ordering::Relaxed);
        // The system hands out zeros that it has not yet laid in memory: the size of their pages is still open.
        let mut v = vec![E::default(); capacity / size_of::<E>()];
        large_pages::ask(&mut v);
        (v, true)
    }

    fn give(&self, v: Vec<E>) {
        let bytes = v.len() * size_of::<E>();
        if bytes < SMALLEST_POOLED {
            return;
        }
        let (class, capacity) = Self::class(bytes);
        // A vector that came from outside need not have a class's size; only exact ones are kept.
        if class >= CLASSES || capacity != bytes || self.held.load(Ordering::Relaxed) + bytes > HOLD_LIMIT {
            return;
        }
        self.held.fetch_add(bytes, Ordering::Relaxed);
        lock(&self.free[class]).push(v);
    }

    fn stats(&self) -> PoolStats {
        PoolStats {
            fresh: self.fresh.load(Ordering::Relaxed),
            recycled: self.recycled.load(Ordering::Relaxed),
            held_bytes: self.held.load(Ordering::Relaxed),
        }
    }

    fn clear(&self) {
        for list in &self.free {
            let gone = std::mem::take(&mut *lock(list));
            let bytes: usize = gone.iter().map(|v| v.len() * size_of::<E>()).sum();
            self.held.fetch_sub(bytes, Ordering::Relaxed);
        }
    }
}

/// A list of plain vectors is whole whatever panicked while it was locked.
fn lock<T>(m: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    m.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

macro_rules! pooled {
    ($($element:ty)*) => {$(
        impl Pooled for $element {
            fn pool() -> &'static Pool<$element> {
                static POOL: Pool<$element> = Pool::new();
                &POOL
            }
        }
    )*};
}

pooled!(f32 f64 u8 u32);

/// The memory behind one or more tensors.
pub(crate) struct Buffer<E: Pooled> {
    data: Vec<E>,
    start: usize,
    len: usize,
}

impl<E: Pooled> Buffer<E> {
    /// `len` elements whose content is arbitrary (but initialised); the caller writes all of them.
    pub(crate) fn scratch(len: usize) -> Self {
        Self::take(len).0
    }

    /// `len` zeros.
    pub(crate) fn zeros(len: usize) -> Self {
        let (mut buffer, fresh) = Self::take(len);
        if !fresh {
            buffer.as_mut_slice().fill(E::default());
        }
        buffer
    }

    fn take(len: usize) -> (Self, bool) {
        let pad = if len * size_of::<E>() < SMALLEST_POOLED { 0 } else { ALIGN_BYTES / size_of::<E>() };
        let (data, fresh) = E::pool().take(len + pad);
        let start = if pad == 0 { 0 } else { data.as_ptr().align_offset(ALIGN_BYTES).min(pad) };
        (Self { data, start, len }, fresh)
    }

    pub(crate) fn from_vec(data: Vec<E>) -> Self {
        let len = data.len();
        Self { data, start: 0, len }
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(crate) fn as_slice(&self) -> &[E] {
        &self.data[self.start..self.start + self.len]
    }

    #[inline]
    pub(crate) fn as_mut_slice(&mut self) -> &mut [E] {
        &mut self.data[self.start..self.start + self.len]
    }

    /// The vector behind the buffer and where the elements start in it; the pool loses it.
    pub(crate) fn into_parts(mut self) -> (Vec<E>, usize, usize) {
        (std::mem::take(&mut self.data), self.start, self.len)
    }
}

impl<E: Pooled> Clone for Buffer<E> {
    fn clone(&self) -> Self {
        let mut copy = Self::scratch(self.len);
        copy.as_mut_slice().copy_from_slice(self.as_slice());
        copy
    }
}

impl<E: Pooled + PartialEq> PartialEq for Buffer<E> {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl<E: Pooled + fmt::Debug> fmt::Debug for Buffer<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_slice().fmt(f)
    }
}

impl<E: Pooled> Drop for Buffer<E> {
    fn drop(&mut self) {
        E::pool().give(std::mem::take(&mut self.data));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_cover_and_waste_at_most_a_quarter() {
        for bytes in (1024..100_000).step_by(7) {
            let (class, capacity) = Pool::<f32>::class(bytes);
            assert!(capacity >= bytes && capacity <= bytes + bytes / 4 + 1, "{bytes} -> {capacity}");
            assert_eq!(Pool::<f32>::class(capacity), (class, capacity));
        }
    }

    #[test]
    fn a_dropped_buffer_comes_back_and_zeros_are_zero() {
        // A size that no other test asks for, since the pool is shared by all of them.
        let n = 1_234_567;
        let mut b = Buffer::<f64>::scratch(n);
        b.as_mut_slice().fill(3.0);
        let at = b.as_slice().as_ptr();
        drop(b);
        let b = Buffer::<f64>::zeros(n);
        assert_eq!(b.as_slice().as_ptr(), at);
        assert!(b.as_slice().iter().all(|&x| x == 0.0));
        assert_eq!(at.align_offset(64), 0);
    }

    #[test]
    fn empty_and_tiny_buffers_work() {
        assert!(Buffer::<f32>::scratch(0).as_slice().is_empty());
        assert_eq!(Buffer::<f32>::zeros(3).as_slice(), [0.0; 3]);
    }
}
