//! Whether a JPEG goes to its end: its decoder fills what is missing with grey, and says nothing.

/// What starts a marker, and fills the space before one.
const FILL: u8 = 0xff;
/// A byte 0xff of the coded data has this after it.
const STUFFING: u8 = 0;
/// Markers without a length: a temporary one, restarts, and the start of the picture.
const TEMPORARY: u8 = 0x01;
const RESTART_OR_START: std::ops::RangeInclusive<u8> = 0xd0..=0xd8;
const END: u8 = 0xd9;

/// Whether the bytes of a JPEG reach its end marker. What follows that is not looked at, nor what stands in segments: a preview in
/// one has an end marker too.
pub(super) fn has_end(bytes: &[u8]) -> bool {
    let mut at = 0;
    // Between segments there is coded data, in which every 0xff is stuffed or a restart.
    while let Some(next) = bytes.get(at..).and_then(|rest| rest.iter().position(|&byte| byte == FILL)) {
        let start = at + next;
        let Some(fill) = bytes[start..].iter().position(|&byte| byte != FILL) else { return false };
        let marker = bytes[start + fill];
        at = start + fill + 1;
        if marker == END {
            return true;
        }
        if marker == STUFFING || marker == TEMPORARY || RESTART_OR_START.contains(&marker) {
            continue;
        }
        let Some(length) = bytes.get(at..at + 2) else { return false };
        at += usize::from(u16::from_be_bytes([length[0], length[1]])).max(2);
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_not_looked_for_in_segments_nor_in_coded_data() {
        let start = b"\xff\xd8\xff\xe1\0\x06\xff\xd9\xff\xd9".to_vec();
        let scan = b"\xff\xff\xda\0\x04ab\x01\xff\0\xd9\xff\xd0\xd9\x02".to_vec();
        let whole = [&start[..], &scan, b"\xff\xff\xff\xd9"].concat();
        assert!(has_end(&whole));
        assert!(has_end(&[&whole[..], b"and more"].concat()));
        assert!((0..whole.len()).all(|length| !has_end(&whole[..length])));
    }

    #[test]
    fn a_length_that_is_too_small_is_passed_over() {
        assert!(has_end(b"\xff\xd8\xff\xe0\0\0\xff\xd9"));
        assert!(!has_end(b"\xff\xd8\xff\xe0\xff\xff\xff\xd9"));
    }
}
