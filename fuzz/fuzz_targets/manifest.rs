#![no_main]

#[path = "../bodies/results.rs"]
#[allow(dead_code)]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    body::manifest(data);
});
