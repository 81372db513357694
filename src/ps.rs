//! `lithos_ps`: the containers by sandbox, process and instance.
//!
//! From the supervisor's records and `/proc`; no supervisor needs to run, and
//! nothing is changed. Memory and processor time are those of the container's
//! processes without its knot: resident memory, pages shared between them
//! counted each time, and what was used since each began.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use serde::Serialize;

use crate::cause::Cause;
use crate::load;
use crate::master_option::MasterOption;
use crate::name::ContainerName;
use crate::report::End;
use crate::sys::pidfd;
use crate::tree::ending::LastEnd;
use crate::tree::machine::Ending;
use crate::tree::records::{Found, Record, Records, RecordsError};

/// Shows the containers by sandbox, process and instance.
#[derive(Debug, Parser)]
#[command(
    name = "lithos_ps",
    version,
    after_help = "Example: lithos_ps --tree --watch 5"
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
    let home = match load::home(&options.master.config) {
        Ok(home) => home,
        Err(problems) => {
            for problem in problems {
                eprintln!("{}", problem.render(false));
            }
            return ExitCode::FAILURE;
        }
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
    let processes = processes();
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
        rows.push(row(name, state, record, &processes)?);
    }
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(rows)
}

fn row(
    name: ContainerName,
    state: Option<&'static str>,
    record: Option<&Record>,
    processes: &BTreeMap<i32, Seen>,
) -> Result<Row, RecordsError> {
    let pinned = record.map(|record| record.pin()).transpose()?.flatten();
    let running = pinned.filter(|pidfd| !pidfd::has_ended(pidfd));
    let knot = record.and_then(|record| record.knot.as_ref());
    let knot_pid = running.as_ref().and(knot).map(|knot| knot.pid);
    let inside = knot_pid.map(|knot| descendants(knot, processes));
    let inside = inside.unwrap_or_default();
    let first = inside.first().copied();
    let of = |sum: fn(&Seen) -> u64| -> Option<u64> {
        first?;
        Some(
            inside
                .iter()
                .filter_map(|pid| processes.get(pid))
                .map(sum)
                .sum(),
        )
    };
    let ticks = ticks_a_second();
    let started = first
        .and_then(|pid| processes.get(&pid))
        .map(|seen| seen.started);
    let uptime = started
        .zip(since_boot())
        .map(|(started, now)| now - started as f64 / ticks);
    let state = state.unwrap_or(
        match (&running, record.and_then(|record| record.stopping)) {
            (None, _) => "waiting",
            (Some(_), Some(_)) => "stopping",
            (Some(_), None) if first.is_none() => "starting",
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
        pid: first,
        knot_pid,
        uptime_seconds: uptime.map(|seconds| seconds.max(0.0)),
        memory_bytes: of(|seen| seen.memory),
        cpu_seconds: of(|seen| seen.cpu).map(|used| used as f64 / ticks),
        restarts: history.starts.saturating_sub(1),
        failures: history.failures,
        last_end: record.and_then(|record| record.last_end.as_ref()).map(told),
        name,
    })
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

/// What `/proc` says of a process; times in ticks.
struct Seen {
    parent: i32,
    started: u64,
    cpu: u64,
    memory: u64,
}

fn processes() -> BTreeMap<i32, Seen> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid: i32| Some((pid, seen(pid)?)))
        .collect()
}

/// By proc_pid_stat(5).
fn seen(pid: i32) -> Option<Seen> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let stat = String::from_utf8_lossy(&stat);
    // The second field is the program's name, which may hold anything.
    let fields: Vec<_> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(Seen {
        parent: fields.get(1)?.parse().ok()?,
        cpu: number(11)? + number(12)?,
        started: number(19)?,
        memory: number(21)? * rustix::param::page_size() as u64,
    })
}

/// Everything below a process, the oldest of its children first.
fn descendants(of: i32, processes: &BTreeMap<i32, Seen>) -> Vec<i32> {
    let mut found = Vec::new();
    let mut parents = vec![of];
    while let Some(parent) = parents.pop() {
        let children = processes.iter().filter(|(_, seen)| seen.parent == parent);
        let mut children: Vec<_> = children.map(|(pid, seen)| (seen.started, *pid)).collect();
        children.sort_unstable();
        let children = children.into_iter().map(|(_, pid)| pid);
        parents.extend(children.clone());
        found.extend(children);
    }
    found
}

fn ticks_a_second() -> f64 {
    rustix::param::clock_ticks_per_second() as f64
}

fn since_boot() -> Option<f64> {
    let text = fs::read_to_string("/proc/uptime").ok()?;
    text.split(' ').next()?.parse().ok()
}

fn show(options: &Options, rows: &[Row]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if options.json {
        serde_json::to_writer(&mut out, rows)?;
        return writeln!(out);
    }
    if options.watch.is_some() {
        // Home, and nothing below: what terminals call ED.
        write!(out, "\x1b[H\x1b[J")?;
    }
    let lines = match options.tree {
        true => tree(rows),
        false => table(rows),
    };
    lines.iter().try_for_each(|line| writeln!(out, "{line}"))?;
    out.flush()
}

const HEAD: [&str; 7] = [
    "PID", "UPTIME", "MEMORY", "CPU", "RESTARTS", "STATE", "LAST END",
];

fn columns(row: &Row) -> [String; 7] {
    let dash = || "-".to_owned();
    // A line is a line, whatever a container's failure says.
    let end = row.last_end.as_deref().unwrap_or("-");
    [
        row.pid.map_or_else(dash, |pid| pid.to_string()),
        row.uptime_seconds
            .map_or_else(dash, |uptime| lasting(uptime as u64)),
        row.memory_bytes.map_or_else(dash, size),
        row.cpu_seconds
            .map_or_else(dash, |used| format!("{used:.1}s")),
        row.restarts.to_string(),
        row.state.to_owned(),
        end.lines().next().unwrap_or_default().to_owned(),
    ]
}

fn table(rows: &[Row]) -> Vec<String> {
    let named = |name: String, rest: [String; 7]| [vec![name], rest.to_vec()].concat();
    let head = named("NAME".to_owned(), HEAD.map(str::to_owned));
    let rows = rows
        .iter()
        .map(|row| named(row.name.to_string(), columns(row)));
    aligned([head].into_iter().chain(rows).collect())
}

fn tree(rows: &[Row]) -> Vec<String> {
    let mut lines = Vec::new();
    let (mut sandbox, mut process) = (None, None);
    for row in rows {
        if sandbox != Some(&row.sandbox) {
            (sandbox, process) = (Some(&row.sandbox), None);
            lines.push(vec![row.sandbox.clone()]);
        }
        if process != Some((row.command, &row.process)) {
            process = Some((row.command, &row.process));
            let kind = if row.command { " (command)" } else { "" };
            lines.push(vec![format!("  {}{kind}", row.process)]);
        }
        let name = format!("    {}", row.instance);
        lines.push([vec![name], columns(row).to_vec()].concat());
    }
    aligned(lines)
}

/// Lines with their cells below each other.
pub(crate) fn aligned(lines: Vec<Vec<String>>) -> Vec<String> {
    let columns = lines.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or_default()
    };
    let widths: Vec<_> = (0..columns).map(width).collect();
    let padded = |line: &Vec<String>| {
        let cells = line
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    lines.iter().map(padded).collect()
}

/// A time, as short as it is still of use.
pub(crate) fn lasting(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m{:02}s", seconds % 60),
        (0, _, _) => format!("{hours}h{minutes:02}m"),
        _ => format!("{days}d{hours:02}h"),
    }
}

fn size(bytes: u64) -> String {
    let units = [(1 << 30, "Gi"), (1 << 20, "Mi"), (1 << 10, "Ki")];
    let unit = units.into_iter().find(|(unit, _)| bytes >= *unit);
    unit.map_or_else(
        || bytes.to_string(),
        |(unit, name)| format!("{:.1}{name}", bytes as f64 / unit as f64),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_are_short() {
        let times = [5, 65, 3600, 90_000].map(lasting);
        assert_eq!(times, ["5s", "1m05s", "1h00m", "1d01h"]);
        let sizes = [12, 1536, 5 << 20, 3 << 30].map(size);
        assert_eq!(sizes, ["12", "1.5Ki", "5.0Mi", "3.0Gi"]);
    }

    #[test]
    fn columns_stand_below_each_other() {
        let lines = [["a", "b"], ["long", "c"]].map(|line| line.map(str::to_owned).to_vec());
        assert_eq!(aligned(lines.to_vec()), ["a     b", "long  c"]);
    }
}
