//! `lithos_ctl reload`: the supervisor replaces itself, and reads all files anew.
//!
//! 1. Ask for it. Nobody answers for a moment: the supervisor executes its program
//!    again, under the same pid.
//! 2. Ask what came of it, until the one that answers is another program, or the
//!    same one says that it was refused.

use std::io::{self, Write};
use std::thread::sleep;
use std::time::Duration;

use super::error::CtlError;
use super::supervisor::Supervisor;
use crate::control::Request;
use crate::control::answers::{Begun, Flaw, Outcome};
use crate::problem::legible;

/// The time between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// How it is told.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The exit status is 1 if the reload was refused, or if there are errors in the files: \
                  what they are about is left as it was.\n\nExample: lithos_ctl reload"
)]
pub struct Options {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Reloads, and tells what came of it.
pub fn run(supervisor: &Supervisor, options: &Options) -> Result<(), CtlError> {
    let before: Begun = supervisor.ask(&Request::Reload {})?;
    let outcome = wait(supervisor, before)?;
    let refused = outcome.generation == before.generation;
    if options.json {
        print_json(&outcome, refused)?;
    } else {
        print(&outcome, refused)?;
    }
    if refused {
        return Err(CtlError::Reload);
    }
    match outcome.problems.iter().any(|flaw| flaw.error) {
        true => Err(CtlError::Flaws),
        false => Ok(()),
    }
}

fn wait(supervisor: &Supervisor, before: Begun) -> Result<Outcome, CtlError> {
    loop {
        let outcome: Outcome = match supervisor.ask(&Request::Outcome {}) {
            Err(CtlError::NoSupervisor(_)) => return Err(CtlError::Ended),
            other => other?,
        };
        let now = (outcome.generation, outcome.refused_reloads);
        if now != (before.generation, before.refused_reloads) {
            return Ok(outcome);
        }
        sleep(PAUSE);
    }
}

fn print_json(outcome: &Outcome, refused: bool) -> io::Result<()> {
    let json = serde_json::json!({
        "outcome": if refused { "refused" } else { "reloaded" },
        "refused": outcome.refused,
        "problems": outcome.problems,
        "containers": outcome.containers,
    });
    writeln!(io::stdout(), "{json}")
}

fn print(outcome: &Outcome, refused: bool) -> io::Result<()> {
    let mut err = io::stderr().lock();
    if refused {
        for reason in &outcome.refused {
            writeln!(err, "error: {}", legible(reason, 4096))?;
        }
        return Ok(());
    }
    for Flaw { error, text } in &outcome.problems {
        let severity = if *error { "error" } else { "warning" };
        writeln!(err, "{severity}: {}", legible(text, 8192))?;
    }
    let containers = outcome.containers;
    writeln!(
        io::stdout(),
        "reloaded; supervising {containers} containers"
    )
}
