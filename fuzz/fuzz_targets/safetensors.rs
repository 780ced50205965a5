//! libFuzzer against the reader `safetensors`: `cargo +nightly fuzz run safetensors`.
#![no_main]

use kniff_tests::fuzz::reader;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = reader("safetensors").map(|reader| (reader.read)(bytes));
});
