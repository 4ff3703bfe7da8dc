//! The command line: `harness run SCENARIO` and its companions.

mod args;
mod calibrate;
mod conformance;
mod doctor;
mod ground;
mod openfaas;
mod progress;
mod run;

use crate::backend::{Engine, Scratch};
use crate::failure::Failure;
use args::{Cli, Command};
use clap::{CommandFactory, Parser};
use std::io::Write;
use std::process::ExitCode;

/// What shells give a program that ended by SIGINT.
const INTERRUPTED: u8 = 130;

/// What `harness` understands: its commands and options.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("no threads to work with: {error}");
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(async {
        match cli.command {
            Command::Run(run) => run::run(&run).await,
            Command::Calibrate(args) => calibrate::calibrate(&args).await,
            Command::Clean => clean().await,
            Command::Conformance(args) => conformance::conformance(&args).await,
            Command::Doctor(doctor) => doctor::doctor(&doctor).await,
        }
    });
    // Nodes of the memory backend have threads of their own that may still end.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            match failure {
                Failure::Input(_) => ExitCode::from(2),
                Failure::Other(_) => ExitCode::FAILURE,
                Failure::Interrupted => ExitCode::from(INTERRUPTED),
            }
        }
    }
}

async fn clean() -> Result<(), Failure> {
    let mut gone = Scratch::clean()?;
    match Engine::connect().await {
        Ok(engine) => gone.extend(engine.clean(None).await?),
        Err(error) => eprintln!("containers were not looked for: {error}"),
    }
    if gone.is_empty() {
        return print("nothing was left\n");
    }
    print(&(gone.join("\n") + "\n"))
}

/// Prints to standard output; a reader that has gone away is no error.
fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::other(error)),
        _ => Ok(()),
    }
}
