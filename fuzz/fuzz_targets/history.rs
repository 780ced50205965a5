//! libFuzzer against the reader `history`: `cargo +nightly fuzz run history`.
#![no_main]

use kniff_tests::fuzz::reader;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = reader("history").map(|reader| (reader.read)(bytes));
});
