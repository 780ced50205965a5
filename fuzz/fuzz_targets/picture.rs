//! libFuzzer against the reader `picture`: `cargo +nightly fuzz run picture`.
#![no_main]

use kniff_tests::fuzz::reader;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = reader("picture").map(|reader| (reader.read)(bytes));
});
