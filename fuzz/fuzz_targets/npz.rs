//! libFuzzer against the reader `npz`: `cargo +nightly fuzz run npz`.
#![no_main]

use kniff_tests::fuzz::reader;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = reader("npz").map(|reader| (reader.read)(bytes));
});
