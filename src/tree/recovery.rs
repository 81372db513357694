//! What an earlier supervisor left: which of it still runs, and which of it is
//! only rubbish.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use ::log::{info, warn};
use rustix::process::{Signal, pidfd_send_signal};

use super::log::about;
use super::records::{Found, Record, Records, RecordsError};
use crate::knot::command_line::Launch;
use crate::name::ContainerName;
use crate::sys::pidfd;

/// A container with a record that can be gone by.
#[derive(Debug)]
pub struct Recovered {
    /// The record.
    pub record: Record,
    /// The knot; none: it is gone, or there was none.
    pub pidfd: Option<OwnedFd>,
}

/// What was found.
#[derive(Debug)]
pub struct Recovery {
    /// The containers with a record.
    pub recovered: Vec<Recovered>,
    /// Whose knots there were that no record names.
    pub strays: Vec<ContainerName>,
    /// Whose starts no record tells of any more.
    pub lost: BTreeSet<ContainerName>,
}

/// Reads the records, and removes those that nothing can come of. Knots that
/// no record names are killed: nobody could supervise them, and another of each
/// would be started beside.
pub fn recover(records: &Records) -> Result<Recovery, RecordsError> {
    let mut recovered = Vec::new();
    let (mut useless, mut torn) = (Vec::new(), Vec::new());
    for found in records.read_all()? {
        match found {
            Found::Record(record) => {
                let pidfd = record.pin()?;
                let record = *record;
                recovered.push(Recovered { record, pidfd });
            }
            Found::OtherBoot(name) => {
                info!(target: &about(&name.sandbox), "{name}: removing its record of another boot");
                useless.push(name);
            }
            Found::Torn(name) => {
                warn!(target: &about(&name.sandbox), "{name}: removing its record, which cannot be read");
                // Without a report nothing of it was ever let go on.
                if records.report(&name).exists() {
                    torn.push(name.clone());
                }
                useless.push(name);
            }
        }
    }
    let running = recovered.iter().filter(|found| found.pidfd.is_some());
    let known = running.filter_map(|found| found.record.knot.as_ref().map(|knot| knot.pid));
    let strays = kill_strays(records, &known.collect()).map_err(RecordsError::Strays)?;
    // One whose start was only intended had not been let go on.
    let intended = recovered.iter().filter(|found| found.record.knot.is_none());
    let intended: BTreeSet<_> = intended.map(|found| &found.record.plan.name).collect();
    let past_gate = strays.iter().filter(|name| !intended.contains(name));
    let lost = past_gate.cloned().chain(torn).collect();
    for name in &useless {
        discard(records, name);
    }
    Ok(Recovery {
        recovered,
        strays,
        lost,
    })
}

fn discard(records: &Records, name: &ContainerName) {
    if let Err(err) = records.remove(name) {
        warn!(target: &about(&name.sandbox), "{name}: cannot remove its record: {err}");
    }
}

/// Returns whose they were.
fn kill_strays(records: &Records, known: &BTreeSet<i32>) -> io::Result<Vec<ContainerName>> {
    let mut strays = Vec::new();
    let users = fs::read_link("/proc/self/ns/user")?;
    for entry in fs::read_dir("/proc")? {
        let pid = entry?
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        let Some(pid) = pid.filter(|pid| !known.contains(pid)) else {
            continue;
        };
        // Pinned first: what is read then is of the process that is killed.
        let Some(pidfd) = pidfd::unless_gone(pidfd::open(pid))? else {
            continue;
        };
        if let Some(name) = pidfd::unless_gone(knot_of(records, &users, pid))?.flatten() {
            warn!(target: &about(&name.sandbox), "{name}: killing its knot, pid {pid}, which has no record");
            strays.push(name);
            if pidfd_send_signal(&pidfd, Signal::KILL).is_ok() {
                pidfd::wait(&pidfd)?;
            }
        }
    }
    Ok(strays)
}

/// The daemon whose knot `pid` is. Anyone can have such a command line; but
/// only a knot holds the report of our records, which nobody else can open.
fn knot_of(records: &Records, users: &Path, pid: i32) -> io::Result<Option<ContainerName>> {
    // Processes of containers are done with here. Their memory is not looked
    // into: they could make that take for ever.
    match fs::read_link(format!("/proc/{pid}/ns/user")) {
        Ok(others) if others == users => {}
        Err(err) if err.kind() != io::ErrorKind::PermissionDenied => return Err(err),
        _ => return Ok(None),
    }
    let line = fs::read(format!("/proc/{pid}/cmdline"))?;
    let mut args = line.split(|byte| *byte == 0);
    if args.next() != Some(b"lithos_knot") {
        return Ok(None);
    }
    let args = args.filter(|arg| !arg.is_empty());
    let args = args.map(|arg| String::from_utf8_lossy(arg).into_owned());
    let Ok(launch) = Launch::from_args(args) else {
        return Ok(None);
    };
    let ours = holds_report(records, &launch, pid)?;
    Ok((ours && !launch.name.command).then_some(launch.name))
}

/// Whether it holds the report that is, or was before someone removed it, in
/// the container's directory.
fn holds_report(records: &Records, launch: &Launch, pid: i32) -> io::Result<bool> {
    let path = records.container_dir(&launch.name).join("report");
    let descriptor = format!("/proc/{pid}/fd/{}", launch.report);
    let held = fs::metadata(&descriptor)?;
    if let Ok(ours) = fs::symlink_metadata(&path)
        && (held.dev(), held.ino()) == (ours.dev(), ours.ino())
    {
        return Ok(true);
    }
    let mut removed = path.into_os_string();
    removed.push(" (deleted)");
    let same_name = fs::read_link(&descriptor)?.as_os_str() == removed;
    Ok(same_name && held.nlink() == 0 && held.dev() == records.device()?)
}
