//! Asking for memory before it is read.

/// Bytes that come at once.
pub(super) const LINE: usize = 64;

/// Asks for the memory of an element, which may lie outside the slice: nothing is read, and any address will do.
///
/// It comes into the first cache if it is `near`, and into the second otherwise.
#[inline(always)]
pub(super) fn ask<const NEAR: bool, E>(slice: &[E], at: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _MM_HINT_T1, _mm_prefetch};
        let place = slice.as_ptr().wrapping_add(at).cast();
        // SAFETY: every x86-64 processor has the instruction, and it may be given any address.
        unsafe { if NEAR { _mm_prefetch::<_MM_HINT_T0>(place) } else { _mm_prefetch::<_MM_HINT_T1>(place) } };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (slice, at);
}
