#![no_main]

#[path = "../bodies/latency_matrix.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    body::latency_matrix(data);
});
