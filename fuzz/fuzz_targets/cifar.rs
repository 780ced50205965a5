//! libFuzzer against the reader `cifar`: `cargo +nightly fuzz run cifar`.
#![no_main]

use kniff_tests::fuzz::reader;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = reader("cifar").map(|reader| (reader.read)(bytes));
});
