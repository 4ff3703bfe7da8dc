//! `harness conformance URL`.

use super::args::Conformance;
use super::print;
use crate::conformance::{Gateway, run};
use crate::failure::Failure;
use crate::openfaas::read_password;
use std::fmt::Write;
use std::time::Duration;

/// How long a function may take to be ready: its image may have to be pulled first.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs the suite against a gateway and prints what it came to.
pub(super) async fn conformance(args: &Conformance) -> Result<(), Failure> {
    let credentials = match &args.password_file {
        None => None,
        Some(path) => Some((args.user.clone(), read_password(path)?)),
    };
    let gateway = Gateway {
        url: args.url.clone(),
        credentials,
        image: args.image.clone(),
        process: args.process.clone(),
        patience: PATIENCE,
    };
    let checks = run(gateway).await?;
    let mut text = String::new();
    for check in &checks {
        // Writing to a string cannot fail.
        let _ = match &check.result {
            Ok(()) => writeln!(text, "ok      {}", check.name),
            Err(error) => writeln!(text, "FAILED  {}: {error}", check.name),
        };
    }
    print(&text)?;
    let failed = checks.iter().filter(|check| check.result.is_err()).count();
    match failed {
        0 => Ok(()),
        failed => Err(Failure::Other(format!("{}: {failed} of {} checks failed", args.url, checks.len()))),
    }
}
