//! The program `edge-faas`.

fn main() {}
