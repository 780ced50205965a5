//! Work cut by size, never by the number of threads, so that results do not depend on it.

use rayon::prelude::*;

/// Elements below which a memory-bound loop stays on the caller's thread: waking another costs more than it saves.
pub const SERIAL_BELOW: usize = 1 << 16;
/// Elements in one piece of a memory-bound loop.
pub const PIECE: usize = 1 << 15;

/// Whether a loop over `elements` is worth more than one thread here.
#[inline]
pub fn pays(elements: usize) -> bool {
    elements >= SERIAL_BELOW && rayon::current_num_threads() > 1
}

/// Calls `f(start, piece)` for consecutive pieces of `out`; in parallel where that pays.
pub fn pieces<E: Send>(out: &mut [E], f: impl Fn(usize, &mut [E]) + Sync) {
    if pays(out.len()) {
        out.par_chunks_mut(PIECE).enumerate().for_each(|(i, piece)| f(i * PIECE, piece));
    } else {
        f(0, out);
    }
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
        out.par_chunks_mut(block * row).enumerate().for_each(|(i, piece)| f(i * block, piece));
    } else {
        f(0, out);
    }
}

/// Runs `f` on a pool of exactly `threads` threads, made for this call.
///
/// Everything in kniff that runs in parallel does so on the pool it is called from.
pub fn with_threads<R: Send>(threads: usize, f: impl FnOnce() -> R + Send) -> R {
    match rayon::ThreadPoolBuilder::new().num_threads(threads.max(1)).build() {
        Ok(pool) => pool.install(f),
        // A system that gives no more threads still computes the same result on the pool that exists.
        Err(_) => f(),
    }
}
