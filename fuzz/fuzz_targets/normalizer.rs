//! libFuzzer against the reader `normalizer`: `cargo +nightly fuzz run normalizer`.
#![no_main]

use kniff_tests::fuzz::reader;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = reader("normalizer").map(|reader| (reader.read)(bytes));
});
