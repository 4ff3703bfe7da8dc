//! No bytes that stand in a scenario file may panic the reader, and what loads survives JSON.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| edge_faas_core::scenario::fuzz_scenario(data));
