//! The command line: `sim SCENARIO` and its companions.

mod args;
mod compare;
mod interrupt;
mod merge;
mod play;
mod plot;
mod progress;
mod report;
mod run;
mod sweep;
mod target;
mod trace;
mod verify;

use args::{Cli, Command};
use clap::{CommandFactory, Parser};
use edge_faas_core::scenario::json_schema;
use std::fmt;
use std::io::Write;
use std::process::ExitCode;

/// Why a command did not do what it was asked to: exit code 2 for a mistake in what was given, 130 for an
/// interruption, 1 for the rest.
#[derive(Debug)]
enum Failure {
    /// What the user gave is wrong. Nothing was written.
    Input(String),
    /// Something went wrong on the way, or a check did not hold.
    Other(String),
    /// The user, or the system, ended it: and what was kept.
    Interrupted(String),
    /// All is said; this is the exit code.
    Status(u8),
}

impl Failure {
    fn input(error: impl fmt::Display) -> Self {
        Failure::Input(error.to_string())
    }

    fn other(error: impl fmt::Display) -> Self {
        Failure::Other(error.to_string())
    }
}

/// What `sim` understands: its commands and options.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        Some(Command::Check { scenario, choice }) => run::check(&scenario, &choice),
        Some(Command::Schema) => schema(),
        Some(Command::Verify { run, threads, quiet }) => verify::verify(&run, threads, quiet),
        Some(Command::Trace(trace)) => trace::trace(&trace),
        Some(Command::Compare(args)) => compare::compare(&args),
        Some(Command::Sweep(sweep)) => sweep::sweep(&sweep),
        Some(Command::Merge(merge)) => merge::merge(&merge),
        Some(Command::Plot(args)) => plot::plot(&args),
        Some(Command::Report(args)) => report::report(&args),
        None => run::run(&cli.run),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Input(message)) => {
            eprintln!("{message}");
            ExitCode::from(2)
        }
        Err(Failure::Other(message)) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
        Err(Failure::Interrupted(kept)) => {
            eprintln!("interrupted: {kept}");
            ExitCode::from(interrupt::EXIT_CODE)
        }
        Err(Failure::Status(code)) => ExitCode::from(code),
    }
}

fn schema() -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(&json_schema()).map_err(Failure::other)?;
    print(&format!("{text}\n"))
}

/// Prints to standard output; a reader that has gone away is no error.
fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::other(error)),
        _ => Ok(()),
    }
}
