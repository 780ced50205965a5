//! libFuzzer against the reader `npy`: `cargo +nightly fuzz run npy`.
#![no_main]

use kniff_tests::fuzz::reader;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = reader("npy").map(|reader| (reader.read)(bytes));
});
