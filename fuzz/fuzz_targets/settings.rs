//! libFuzzer against the reader `settings`: `cargo +nightly fuzz run settings`.
#![no_main]

use kniff_tests::fuzz::reader;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = reader("settings").map(|reader| (reader.read)(bytes));
});
