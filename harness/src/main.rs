//! The program `harness`.

use std::process::ExitCode;

fn main() -> ExitCode {
    edge_faas_harness::cli::main()
}
