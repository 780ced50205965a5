//! libFuzzer against the reader `checkpoint`: `cargo +nightly fuzz run checkpoint`.
#![no_main]

use kniff_tests::fuzz::reader;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = reader("checkpoint").map(|reader| (reader.read)(bytes));
});
