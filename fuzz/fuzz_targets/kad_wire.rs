#![no_main]

#[path = "../bodies/kad_wire.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::kad_wire(data));
