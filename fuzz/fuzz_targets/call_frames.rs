#![no_main]

#[path = "../bodies/call_frames.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::call_frames(data));
