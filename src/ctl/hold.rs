//! `lithos_ctl stop`: daemons are ended, and held until they are started.
//!
//! 1. The supervisor notes the hold, which outlives it, and tells them to end.
//! 2. Wait until they have, which takes their `kill-timeout` at most.

use std::io::{self, Write};

use super::error::CtlError;
use super::supervisor::Supervisor;
use super::waiting::until_held;
use crate::control::Request;
use crate::control::answers::Status;
use crate::selection::Selection;

/// What is stopped.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lithos_ctl stop shop/web.1")]
pub struct Options {
    /// Print a line of JSON for each
    #[arg(long)]
    json: bool,
    /// Do not wait until they have ended
    #[arg(long)]
    no_wait: bool,
    /// SANDBOX, SANDBOX/PROCESS or SANDBOX/PROCESS.N
    #[arg(value_name = "NAME")]
    name: Selection,
}

/// Stops it.
pub fn run(supervisor: &Supervisor, options: &Options) -> Result<(), CtlError> {
    let name = options.name.clone();
    let status: Status = supervisor.ask(&Request::Hold { name })?;
    for container in &status.containers {
        let outcome = match options.no_wait {
            true => "held",
            false => {
                until_held(supervisor, &container.name)?;
                "stopped"
            }
        };
        told(options.json, &container.name.to_string(), outcome, None)?;
    }
    if status.containers.is_empty() {
        told(options.json, &options.name.to_string(), "held", None)?;
    }
    Ok(())
}

/// Tells what became of one.
pub fn told(json: bool, name: &str, outcome: &str, pid: Option<i32>) -> Result<(), CtlError> {
    let mut out = io::stdout().lock();
    match (json, pid) {
        (true, Some(pid)) => {
            writeln!(
                out,
                "{}",
                serde_json::json!({ "name": name, "outcome": outcome, "pid": pid })
            )
        }
        (true, None) => writeln!(
            out,
            "{}",
            serde_json::json!({ "name": name, "outcome": outcome })
        ),
        (false, Some(pid)) => writeln!(out, "{name}: {outcome}, pid {pid}"),
        (false, None) => writeln!(out, "{name}: {outcome}"),
    }?;
    Ok(out.flush()?)
}
