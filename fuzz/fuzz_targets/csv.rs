//! libFuzzer against the reader `csv`: `cargo +nightly fuzz run csv`.
#![no_main]

use kniff_tests::fuzz::reader;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = reader("csv").map(|reader| (reader.read)(bytes));
});
