//! The program `edge-faas`.

use std::process::ExitCode;

fn main() -> ExitCode {
    edge_faas_node::cli::main()
}
