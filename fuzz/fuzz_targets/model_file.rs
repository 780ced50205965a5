//! libFuzzer against the reader `model-file`: `cargo +nightly fuzz run model_file`.
#![no_main]

use kniff_tests::fuzz::reader;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = reader("model-file").map(|reader| (reader.read)(bytes));
});
