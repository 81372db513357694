//! `lithos_ps`: the containers by sandbox, process and instance.
//!
//! From the supervisor's records, cgroups and `/proc`; no supervisor needs to run,
//! and nothing is changed. Memory and processor time are those of the container's
//! cgroup, in which its knot is not. Without one they are those of its processes:
//! resident memory, pages shared between them counted each time, and what was used
//! since each began.

mod processes;
mod table;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use serde::Serialize;

use crate::cause::Cause;
use crate::knot::cgroup::{Meters, Usage};
use crate::master_option::MasterOption;
use crate::name::ContainerName;
use crate::report::{End, Report};
use crate::resolve::plan::Cgroup;
use crate::sys::pidfd;
use crate::tree::ending::LastEnd;
use crate::tree::machine::Ending;
use crate::tree::records::{Found, Record, Records, RecordsError};
use crate::tree::running::process_among;

use processes::{Seen, ticks_a_second};
pub(crate) use table::{aligned, lasting};

/// Shows the containers by sandbox, process and instance.
#[derive(Debug, Parser)]
#[command(
    name = "lithos_ps",
    version,
    after_help = "Example: lithos_ps --tree --watch 5\n\nExit codes: 0 done, 1 failed, 2 wrong usage"
)]
pub struct Options {
    #[command(flatten)]
    master: MasterOption,
    /// Show them as a tree
    #[arg(long, conflicts_with = "json")]
    tree: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Show them again every so many seconds
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2",
        value_parser = clap::value_parser!(u64).range(1..=86_400))]
    watch: Option<u64>,
}

/// What is known of one container.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Row {
    sandbox: String,
    process: String,
    instance: u32,
    command: bool,
    state: &'static str,
    /// Of the process; none: it does not run.
    pid: Option<i32>,
    knot_pid: Option<i32>,
    uptime_seconds: Option<f64>,
    memory_bytes: Option<u64>,
    cpu_seconds: Option<f64>,
    restarts: u64,
    failures: u32,
    last_end: Option<String>,
    #[serde(skip)]
    name: ContainerName,
}

/// The program.
pub fn main() -> ExitCode {
    let options = Options::parse();
    let home = match options.master.home(ExitCode::FAILURE) {
        Ok(home) => home,
        Err(failure) => return failure,
    };
    loop {
        let rows = match rows(&home.state_dir) {
            Ok(rows) => rows,
            Err(err) => {
                eprintln!("error: {err}");
                return ExitCode::FAILURE;
            }
        };
        match show(&options, &rows) {
            Err(err) if err.kind() == io::ErrorKind::BrokenPipe => return ExitCode::SUCCESS,
            Err(err) => {
                eprintln!("error: cannot write the result: {}", Cause(&err));
                return ExitCode::FAILURE;
            }
            Ok(()) => {}
        }
        match options.watch {
            Some(seconds) => std::thread::sleep(Duration::from_secs(seconds)),
            None => return ExitCode::SUCCESS,
        }
    }
}

fn rows(state_dir: &std::path::Path) -> Result<Vec<Row>, RecordsError> {
    match fs::symlink_metadata(state_dir) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        _ => {}
    }
    let records = Records::look(state_dir)?;
    let mut host = Host::look();
    let mut rows = Vec::new();
    for mut name in records.names()? {
        // A container may have gone meanwhile.
        let found = records.read(name.clone())?;
        let (state, record) = match &found {
            Found::Record(record) => (None, Some(record.as_ref())),
            Found::OtherBoot(_) => (Some("of another boot"), None),
            Found::Torn(_) => (Some("unknown"), None),
        };
        name.command |= record.is_some_and(|record| record.caller.is_some());
        rows.push(row(name, state, record, &records, &mut host)?);
    }
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(rows)
}

fn row(
    name: ContainerName,
    state: Option<&'static str>,
    record: Option<&Record>,
    records: &Records,
    host: &mut Host,
) -> Result<Row, RecordsError> {
    let pinned = record.map(|record| record.pin()).transpose()?.flatten();
    let running = pinned.filter(|pidfd| !pidfd::has_ended(pidfd));
    let knot = record.and_then(|record| record.knot.as_ref());
    let knot_pid = running.as_ref().and(knot).map(|knot| knot.pid);
    let inside = knot_pid.map(|knot| host.inside(knot)).unwrap_or_default();
    let process = record.zip(knot_pid).and_then(|(record, knot)| {
        let told = records.last_report(&record.plan.name);
        process_of(knot, &inside, told.as_ref())
    });
    let uptime = process.zip(processes::since_boot());
    let uptime = uptime.map(|((_, seen), now)| now - seen.started as f64 / ticks_a_second());
    let cgroup = record.and_then(|record| record.plan.cgroup.as_ref());
    let used = match (inside.is_empty(), knot_pid.zip(cgroup)) {
        (true, _) => Usage::default(),
        (false, None) => resident(&inside),
        (false, Some((knot, cgroup))) => host.usage(knot, cgroup).or(resident(&inside)),
    };
    let state = state.unwrap_or(
        match (&running, record.and_then(|record| record.stopping)) {
            (None, _) => "waiting",
            (Some(_), Some(_)) => "stopping",
            (Some(_), None) if process.is_none() => "starting",
            (Some(_), None) => "running",
        },
    );
    let history = record.map(|record| record.history).unwrap_or_default();
    Ok(Row {
        sandbox: name.sandbox.to_string(),
        process: name.process.to_string(),
        instance: name.number,
        command: name.command,
        state,
        pid: process.map(|(pid, _)| pid),
        knot_pid,
        uptime_seconds: uptime.map(|seconds| seconds.max(0.0)),
        memory_bytes: used.memory,
        cpu_seconds: used.cpu.map(|cpu| cpu.as_secs_f64()),
        restarts: history.starts.saturating_sub(1),
        failures: history.failures,
        last_end: record.and_then(|record| record.last_end.as_ref()).map(told),
        name,
    })
}

/// What containers are looked up in.
struct Host {
    processes: BTreeMap<i32, Seen>,
    /// By the `/proc/PID/cgroup` of the knots, which are in their supervisor's.
    meters: BTreeMap<String, Meters>,
}

impl Host {
    fn look() -> Self {
        Self {
            processes: processes::all(),
            meters: BTreeMap::new(),
        }
    }

    /// The processes below a knot, its children first, the oldest of them before the
    /// others.
    fn inside(&self, knot: i32) -> Vec<(i32, Seen)> {
        let inside = processes::descendants(knot, &self.processes).into_iter();
        inside
            .filter_map(|pid| Some((pid, *self.processes.get(&pid)?)))
            .collect()
    }

    fn usage(&mut self, knot: i32, cgroup: &Cgroup) -> Usage {
        let Ok(own) = fs::read_to_string(format!("/proc/{knot}/cgroup")) else {
            return Usage::default();
        };
        let meters = self.meters.entry(own);
        let meters = meters.or_insert_with_key(|own| Meters::find_for(own));
        meters.read(cgroup)
    }
}

/// The container's own among the processes below its knot.
fn process_of(knot: i32, inside: &[(i32, Seen)], told: Option<&Report>) -> Option<(i32, Seen)> {
    let children = inside.iter().filter(|(_, seen)| seen.parent == knot);
    let process = process_among(children.map(|(pid, _)| *pid), knot, told)?;
    inside.iter().find(|(pid, _)| *pid == process).copied()
}

/// What these processes use, without a cgroup.
fn resident(inside: &[(i32, Seen)]) -> Usage {
    let ticks: u64 = inside.iter().map(|(_, seen)| seen.cpu).sum();
    Usage {
        memory: Some(inside.iter().map(|(_, seen)| seen.memory).sum()),
        cpu: Some(Duration::from_secs_f64(ticks as f64 / ticks_a_second())),
        oom_kills: None,
    }
}

fn told(last: &LastEnd) -> String {
    let memory = last.out_of_memory.as_ref().map(|_| " (out of memory)");
    let how = match &last.ending {
        Ending::Ended(End::Exited(status)) => format!("exit status {status}"),
        Ending::Ended(End::Signalled(signal)) => format!("signal {signal}"),
        Ending::Failed { reason, .. } => format!("cannot start: {reason}"),
        Ending::Unknown => "its knot was killed".to_owned(),
    };
    how + memory.unwrap_or_default()
}

fn show(options: &Options, rows: &[Row]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if options.json {
        serde_json::to_writer(&mut out, rows)?;
        return writeln!(out);
    }
    if options.watch.is_some() && out.is_terminal() {
        // Home, and nothing below: what terminals call ED.
        write!(out, "\x1b[H\x1b[J")?;
    }
    let lines = match options.tree {
        true => table::tree(rows),
        false => table::table(rows),
    };
    lines.iter().try_for_each(|line| writeln!(out, "{line}"))?;
    out.flush()
}
