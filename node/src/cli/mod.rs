//! The command line: `edge-faas node`, and its clients.

mod args;
mod client;
mod devnet;
mod failure;
mod functions;
mod invoke;
mod login;
mod map;
mod node;
mod output;
mod peers;

use args::{Cli, Command};
use clap::{CommandFactory, Parser};
use failure::Failure;
use std::process::ExitCode;

/// What `edge-faas` understands: its commands and options.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if let Some(message) = failure.message() {
                eprintln!("{message}");
            }
            failure.code()
        }
    }
}

fn run(command: Command) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::other)?;
    let result = runtime.block_on(async {
        match command {
            Command::Node(command) => node::node(&command).await,
            Command::Devnet(command) => devnet::devnet(&command).await,
            Command::Deploy(command) => functions::deploy(command).await,
            Command::Remove(command) => functions::remove(&command).await,
            Command::List(command) => functions::list(&command).await,
            Command::Describe(command) => functions::describe(&command).await,
            Command::Logs(command) => functions::logs(&command).await,
            Command::Invoke(command) => invoke::invoke(command).await,
            Command::Map(command) => map::map(command).await,
            Command::Peers(command) => peers::peers(&command).await,
            Command::Providers(command) => peers::providers(&command).await,
            Command::Pause => node::pause().await,
        }
    });
    // Reading of standard input, which cannot be interrupted, must not keep the program.
    runtime.shutdown_background();
    result
}
