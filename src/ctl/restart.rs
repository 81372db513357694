//! `lithos_ctl restart` and `start`.
//!
//! A restart is rolling: one daemon after the other,
//!
//! 1. the supervisor ends it and starts it anew at once;
//! 2. wait until it has run for `--settle` seconds, or
//! 3. say why not, and leave the others as they are.

use super::error::CtlError;
use super::hold::told;
use super::supervisor::Supervisor;
use super::waiting::{Awaited, Settle, status};
use crate::control::Request;
use crate::control::answers::{Container, State, Status};
use crate::name::ContainerName;
use crate::selection::Selection;

/// What is restarted, and how.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The first that does not run so long ends it, with exit status 1; the others are left as they are.\n\
                  What is stopped stays so.\n\nExample: lithos_ctl restart --settle 5 shop/web"
)]
pub struct Options {
    #[command(flatten)]
    settle: Settle,
    /// Not one after the other
    #[arg(long)]
    all_at_once: bool,
    /// Print a line of JSON for each
    #[arg(long)]
    json: bool,
    /// SANDBOX, SANDBOX/PROCESS or SANDBOX/PROCESS.N
    #[arg(value_name = "NAME")]
    name: Selection,
}

/// What is started.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lithos_ctl start shop")]
pub struct StartOptions {
    #[command(flatten)]
    settle: Settle,
    /// Do not wait until they run
    #[arg(long, conflicts_with = "time")]
    no_wait: bool,
    /// Print a line of JSON for each
    #[arg(long)]
    json: bool,
    /// SANDBOX, SANDBOX/PROCESS or SANDBOX/PROCESS.N
    #[arg(value_name = "NAME")]
    name: Selection,
}

/// Restarts it.
pub fn run(supervisor: &Supervisor, options: &Options) -> Result<(), CtlError> {
    if options.all_at_once {
        let awaited = restart(supervisor, options.name.clone())?;
        return wait_for_all(supervisor, awaited, options.settle, options.json);
    }
    let status = status(supervisor, Some(&options.name))?;
    expect_sound(&status.containers)?;
    let (held, others): (Vec<_>, Vec<_>) = status
        .containers
        .into_iter()
        .partition(|container| container.state == State::Held);
    if others.is_empty() {
        // Which it refuses, and says why.
        restart(supervisor, options.name.clone())?;
    }
    for container in &held {
        told(options.json, &container.name.to_string(), "held", None)?;
    }
    for container in others {
        let awaited = restart(supervisor, Selection::Container(container.name))?;
        for awaited in awaited {
            let running = awaited.wait(supervisor, options.settle, "restart")?;
            told(
                options.json,
                &running.name.to_string(),
                "restarted",
                Some(running.pid),
            )?;
        }
    }
    Ok(())
}

/// Has the supervisor restart it.
fn restart(supervisor: &Supervisor, name: Selection) -> Result<Vec<Awaited>, CtlError> {
    let status: Status = supervisor.ask(&Request::Restart { name })?;
    let awaited = status.containers.iter();
    let awaited = awaited.filter(|container| container.state != State::Held);
    Ok(awaited.map(Awaited::new).collect())
}

/// The others would be restarted before the supervisor came to refuse this one.
fn expect_sound(containers: &[Container]) -> Result<(), CtlError> {
    match containers.iter().find(|container| container.files_broken) {
        Some(broken) => {
            let why = "its files are broken, it could not start; see `lithos_check`".to_owned();
            Err(CtlError::Failed("restart", broken.name.to_string(), why))
        }
        None => Ok(()),
    }
}

fn wait_for_all(
    supervisor: &Supervisor,
    awaited: Vec<Awaited>,
    settle: Settle,
    json: bool,
) -> Result<(), CtlError> {
    let mut first = Ok(());
    for awaited in awaited {
        let name = awaited.name().to_string();
        match awaited.wait(supervisor, settle, "restart") {
            Ok(running) => told(json, &name, "restarted", Some(running.pid))?,
            Err(error) if first.is_ok() => first = Err(error),
            Err(error) => eprintln!("error: {error}"),
        }
    }
    first
}

/// Starts what was stopped.
pub fn start(supervisor: &Supervisor, options: &StartOptions) -> Result<(), CtlError> {
    let name = options.name.clone();
    // Nothing may be there of what is held.
    let before = match status(supervisor, Some(&name)) {
        Err(CtlError::Refused(..)) => Vec::new(),
        other => other?.containers,
    };
    let _: Status = supervisor.ask(&Request::Release { name })?;
    if before.is_empty() {
        told(options.json, &options.name.to_string(), "released", None)?;
    }
    for container in before {
        let name: &ContainerName = &container.name;
        match container.state {
            State::Running => told(options.json, &name.to_string(), "runs already", None)?,
            _ if options.no_wait => told(options.json, &name.to_string(), "released", None)?,
            State::Resting => told(options.json, &name.to_string(), "rests", None)?,
            State::Held | State::Stopping | State::Broken => {
                let awaited = Awaited::new(&container);
                let running = awaited.wait(supervisor, options.settle, "start")?;
                told(
                    options.json,
                    &running.name.to_string(),
                    "started",
                    Some(running.pid),
                )?;
            }
        }
    }
    Ok(())
}
