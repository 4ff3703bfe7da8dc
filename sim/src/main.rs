//! The `sim` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    edge_faas_sim::cli::main()
}
