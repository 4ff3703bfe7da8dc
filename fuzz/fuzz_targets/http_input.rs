#![no_main]

#[path = "../bodies/http_input.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::http_input(data));
