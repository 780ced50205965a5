//! Work cut by size, never by the number of threads, so that results do not depend on it.

mod crew;

pub use crew::tasks;
use std::marker::PhantomData;

/// Elements below which a memory-bound loop stays on the caller's thread: sharing it costs more than it saves.
pub const SERIAL_BELOW: usize = 1 << 15;
/// Elements in one piece of a memory-bound loop.
pub const PIECE: usize = 1 << 14;

/// What is done with a chunk: behind a reference, so that it is compiled once, whether it is shared or not.
type OnChunk<'a, E> = &'a (dyn Fn(usize, &mut [E]) + Sync);
type OnChunks<'a, A, B> = &'a (dyn Fn(usize, &mut [A], &mut [B]) + Sync);

/// Whether a loop over `elements` is worth more than one thread here.
#[inline]
pub fn pays(elements: usize) -> bool {
    elements >= SERIAL_BELOW && rayon::current_num_threads() > 1
}

/// Calls `f(start, piece)` for consecutive pieces of `out`; in parallel where that pays.
pub fn pieces<E: Send>(out: &mut [E], f: impl Fn(usize, &mut [E]) + Sync) {
    if pays(out.len()) { share(out, PIECE, PIECE, &f) } else { f(0, out) }
}

/// Calls `f(first_row, rows)` for consecutive blocks of whole rows of `out`; in parallel where that pays.
///
/// `work` is the number of elements that one row costs to read and write.
pub fn row_blocks<E: Send>(out: &mut [E], row: usize, work: usize, f: impl Fn(usize, &mut [E]) + Sync) {
    if row == 0 || out.is_empty() {
        return;
    }
    let rows = out.len() / row;
    if rows > 1 && pays(rows * work.max(row)) {
        let block = (PIECE / work.max(row).max(1)).max(1);
        share(out, block * row, block, &f);
    } else {
        f(0, out);
    }
}

/// Calls `f(i, chunk)` for consecutive chunks of `size` elements, the last one shorter, on all threads.
///
/// # Panics
/// If `size` is 0.
pub fn chunks<E: Send>(out: &mut [E], size: usize, f: impl Fn(usize, &mut [E]) + Sync) {
    share(out, size, 1, &f);
}

/// [`chunks`], or one after the other on the caller's thread where it does not pay.
///
/// # Panics
/// If `size` is 0.
pub fn chunks_if<E: Send>(pays: bool, out: &mut [E], size: usize, f: impl Fn(usize, &mut [E]) + Sync) {
    let f: OnChunk<'_, E> = &f;
    if pays {
        share(out, size, 1, f);
    } else {
        out.chunks_mut(size).enumerate().for_each(|(i, chunk)| f(i, chunk));
    }
}

/// Calls `f(i step, chunk)` for the chunks of `size` elements.
fn share<E: Send>(out: &mut [E], size: usize, step: usize, f: OnChunk<'_, E>) {
    let cut = Cut::new(out, size);
    // SAFETY: `tasks` calls with every number once.
    tasks(cut.count(), |i| f(i * step, unsafe { cut.chunk(i) }));
}

/// [`chunks2`], or one after the other on the caller's thread where it does not pay.
///
/// # Panics
/// If a size is 0.
pub fn chunks2_if<A: Send, B: Send>(
    pays: bool,
    (a, size_a): (&mut [A], usize),
    (b, size_b): (&mut [B], usize),
    f: impl Fn(usize, &mut [A], &mut [B]) + Sync,
) {
    let f: OnChunks<'_, A, B> = &f;
    if pays {
        chunks2((a, size_a), (b, size_b), f);
    } else {
        a.chunks_mut(size_a).zip(b.chunks_mut(size_b)).enumerate().for_each(|(i, (a, b))| f(i, a, b));
    }
}

/// [`chunks`] of [`PIECE`] elements of N + 1 slices side by side: `f(first, piece, pieces of the others)`.
///
/// # Panics
/// If the slices are not of one length.
pub fn pieces_of<E: Send, const N: usize>(
    p: &mut [E],
    others: [&mut [E]; N],
    f: impl Fn(usize, &mut [E], [&mut [E]; N]) + Sync,
) {
    assert!(others.iter().all(|o| o.len() == p.len()), "parallel: slices of different lengths");
    if !pays(p.len()) {
        return f(0, p, others);
    }
    let (p, others) = (Cut::new(p, PIECE), others.map(|o| Cut::new(o, PIECE)));
    // SAFETY: `tasks` calls with every number once.
    tasks(p.count(), |i| unsafe { f(i * PIECE, p.chunk(i), std::array::from_fn(|k| others[k].chunk(i))) });
}

/// [`chunks`] of two slices side by side, of as many as both have.
///
/// # Panics
/// If a size is 0.
pub fn chunks2<A: Send, B: Send>(
    (a, size_a): (&mut [A], usize),
    (b, size_b): (&mut [B], usize),
    f: impl Fn(usize, &mut [A], &mut [B]) + Sync,
) {
    let (a, b) = (Cut::new(a, size_a), Cut::new(b, size_b));
    // SAFETY: `tasks` calls with every number once.
    tasks(a.count().min(b.count()), |i| unsafe { f(i, a.chunk(i), b.chunk(i)) });
}

/// A slice that is given away chunk by chunk.
struct Cut<'a, E> {
    start: *mut E,
    len: usize,
    size: usize,
    life: PhantomData<&'a mut [E]>,
}

// SAFETY: what is shared is the right to take chunks, each of which only one thread may take.
unsafe impl<E: Send> Sync for Cut<'_, E> {}

impl<'a, E> Cut<'a, E> {
    fn new(slice: &'a mut [E], size: usize) -> Self {
        assert!(size > 0, "parallel: chunks of no elements");
        Self { start: slice.as_mut_ptr(), len: slice.len(), size, life: PhantomData }
    }

    fn count(&self) -> usize {
        self.len.div_ceil(self.size)
    }

    /// # Safety
    /// `i` is below the count, and no chunk is taken twice.
    unsafe fn chunk(&self, i: usize) -> &'a mut [E] {
        let from = i * self.size;
        // SAFETY: the chunk lies in the slice, which is borrowed for 'a, and this is the only borrow of it.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(from), self.size.min(self.len - from)) }
    }
}

/// Runs `f` on a pool of exactly `threads` threads, made for this call; 0 stands for as many as rayon takes by itself, which is one for every
/// core unless `RAYON_NUM_THREADS` says otherwise.
///
/// Everything in kniff that runs in parallel does so on the pool it is called from. The caller's [`crate::precision`] holds within.
pub fn with_threads<R: Send>(threads: usize, f: impl FnOnce() -> R + Send) -> R {
    let precision = crate::precision();
    let f = || crate::with_precision(precision, f);
    match rayon::ThreadPoolBuilder::new().num_threads(threads).build() {
        Ok(pool) => pool.install(|| crew::with_crew(rayon::current_num_threads(), f)),
        // A system that gives no more threads still computes the same result on the pool that exists.
        Err(_) => f(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_precision_goes_along() {
        use crate::{Precision, precision, with_precision};
        let within = with_precision(Precision::Bf16, || with_threads(2, precision));
        assert_eq!((within, with_threads(2, precision)), (Precision::Bf16, Precision::Full));
    }

    #[test]
    fn no_threads_are_as_many_as_rayon_takes() {
        // The pool of the whole process, which nothing in these tests sets.
        let all = rayon::current_num_threads();
        assert_eq!(with_threads(0, rayon::current_num_threads), all);
        // Within a pool too: 0 is not the number of threads around it.
        assert_eq!(with_threads(3, || with_threads(0, rayon::current_num_threads)), all);
        assert_eq!(with_threads(3, rayon::current_num_threads), 3);
    }
}
