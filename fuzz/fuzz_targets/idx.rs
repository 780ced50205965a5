//! libFuzzer against the reader `idx`: `cargo +nightly fuzz run idx`.
#![no_main]

use kniff_tests::fuzz::reader;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = reader("idx").map(|reader| (reader.read)(bytes));
});
