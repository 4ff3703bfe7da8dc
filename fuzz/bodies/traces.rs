//! Arbitrary bytes as traces of calls and sessions: answered or refused with a line, never a panic.
#![allow(unreachable_pub)]

use edge_faas_core::scenario::trace::{
    read_durations, read_invocations, read_memory, read_recorded, read_sessions,
};

/// The body of the fuzz target.
pub fn traces(bytes: &[u8]) {
    let errors = [
        read_invocations(bytes, 0.5).err(),
        read_durations(bytes).err(),
        read_memory(bytes).err(),
        read_recorded(bytes, 0.5).err(),
        read_sessions(bytes, 3).err(),
    ];
    for error in errors.into_iter().flatten() {
        assert!(error.line >= 1 && !error.problem.is_empty(), "{error:?}");
    }
}
