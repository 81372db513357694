//! `lithos_ctl status`: how things stand.

use std::io::{self, Write};

use serde_json::Value;

use super::error::CtlError;
use super::supervisor::Supervisor;
use super::waiting::status;
use crate::control::answers::{Container, State, Status};
use crate::problem::legible;
use crate::ps::{aligned, lasting};
use crate::selection::Selection;

/// What is shown.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lithos_ctl status shop/web")]
pub struct Options {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Only this; without it everything
    #[arg(value_name = "NAME")]
    name: Option<Selection>,
}

/// Shows it.
pub fn run(supervisor: &Supervisor, options: &Options) -> Result<(), CtlError> {
    let status = status(supervisor, options.name.as_ref())?;
    let mut out = io::stdout().lock();
    if options.json {
        serde_json::to_writer(&mut out, &json(supervisor, &status)).map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        for line in table(supervisor, &status) {
            writeln!(out, "{line}")?;
        }
    }
    Ok(out.flush()?)
}

/// As the supervisor says it, with the pids of the processes, which it does not know.
fn json(supervisor: &Supervisor, status: &Status) -> Value {
    let mut json = serde_json::to_value(status).expect("it is always JSON");
    for (index, container) in status.containers.iter().enumerate() {
        json["containers"][index]["pid"] = supervisor.process_of(container).into();
    }
    json
}

const HEAD: [&str; 6] = ["NAME", "STATE", "PID", "UPTIME", "RESTARTS", "LAST END"];

fn table(supervisor: &Supervisor, status: &Status) -> Vec<String> {
    let mut lines = vec![HEAD.map(str::to_owned).to_vec()];
    for container in &status.containers {
        let pid = supervisor.process_of(container);
        lines.push(row(container, pid).to_vec());
    }
    // What is broken and has no containers would be seen nowhere.
    for broken in &status.broken {
        let mut names = status.containers.iter().map(|container| &container.name);
        if !names.any(|name| broken.covers(name)) {
            let dash = || "-".to_owned();
            let row = [
                broken.to_string(),
                "broken".to_owned(),
                dash(),
                dash(),
                dash(),
                dash(),
            ];
            lines.push(row.to_vec());
        }
    }
    aligned(lines)
}

fn row(container: &Container, pid: Option<i32>) -> [String; 6] {
    let dash = || "-".to_owned();
    let uptime = container.uptime_seconds;
    let end = container.last_end.as_ref();
    [
        container.name.to_string(),
        state(container),
        pid.map_or_else(dash, |pid| pid.to_string()),
        uptime.map_or_else(dash, |uptime| lasting(uptime as u64)),
        container.starts.saturating_sub(1).to_string(),
        end.map_or_else(dash, |end| legible(&end.text, 200)),
    ]
}

fn state(container: &Container) -> String {
    let state = match container.state {
        State::Running => "running",
        State::Stopping => "stopping",
        State::Held => "held",
        State::Broken => "broken",
        State::Resting => match container.next_start_seconds {
            Some(left) if left >= 1.0 => return format!("resting, {}", lasting(left as u64)),
            _ => "resting",
        },
    };
    match container.files_broken && container.state != State::Broken {
        true => format!("{state}, files broken"),
        false => state.to_owned(),
    }
}
