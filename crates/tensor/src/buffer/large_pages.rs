//! Pages of 2 MiB instead of 4 KiB behind large buffers, where the system gives them to those who ask.
//!
//! A pass over a tensor then looks up few addresses, and the processor reads ahead over the ends of small pages.

/// Bytes from which on a buffer asks: at least one large page lies in it however it is aligned.
const FROM: usize = 4 << 20;

/// Asks for the memory of a slice; it may be refused, and is the same memory then.
#[cfg(target_os = "linux")]
pub(super) fn ask<E>(slice: &mut [E]) {
    const SMALL: usize = 4096;
    let bytes = size_of_val(slice);
    if bytes < FROM {
        return;
    }
    let start = slice.as_mut_ptr().cast::<u8>();
    let skip = start.align_offset(SMALL).min(bytes);
    // SAFETY: the range is inside the slice, which is borrowed for as long as this takes; the advice changes how the range is
    // mapped and nothing that it holds. What the system answers does not matter: there is no promise to keep.
    let _ = unsafe { libc::madvise(start.add(skip).cast(), bytes - skip, libc::MADV_HUGEPAGE) };
}

#[cfg(not(target_os = "linux"))]
pub(super) fn ask<E>(slice: &mut [E]) {
    let _ = size_of_val(slice) < FROM;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_slice_holds_stays() {
        let mut v: Vec<u32> = (0..(FROM as u32 + 12_345)).collect();
        ask(&mut v);
        ask(&mut v[3..]);
        assert!(v.iter().enumerate().all(|(i, &x)| i as u32 == x));
    }
}
