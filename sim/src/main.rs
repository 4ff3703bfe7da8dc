//! The `sim` command.

use std::process::ExitCode;

/// A large network is a few gigabytes of small allocations, visited at random. This allocator asks the system for huge pages,
/// without which every visit begins with a walk through the page tables.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    edge_faas_sim::cli::main()
}
