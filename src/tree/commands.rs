//! The records of commands: each belongs to the `lithos_cmd` that runs it, and is
//! removed by it. Here are those removed that were left by one that was killed.

use ::log::{info, warn};

use super::auditing;
use super::log::about;
use super::records::{Found, Record, Records};
use crate::audit::log::Log;
use crate::knot::cgroup::Hierarchies;
use crate::name::ContainerName;
use crate::sys::pidfd;

/// Removes what is kept of commands that nobody runs any more. One that someone
/// may be running is never touched, and what cannot be told is left alone.
pub fn discard_stale(records: &Records, audit: &Log) {
    for name in records.names().unwrap_or_default() {
        if !name.command {
            continue;
        }
        let stale = match records.read(name.clone()) {
            Ok(Found::Record(record)) => is_stale(&record).then_some(Some(record)),
            Ok(Found::OtherBoot(_)) => Some(None),
            // It may be about to be written.
            Ok(Found::Torn(_)) => (!is_a_pid(name.number)).then_some(None),
            Err(_) => None,
        };
        if let Some(record) = stale {
            info!(target: &about(&name.sandbox), "{name}: removing its record, nobody runs it");
            discard(records, audit, &name, record.map(|record| *record));
        }
    }
}

/// Removes a command's cgroup and all that is kept of it, once it is noted which
/// secrets it was given.
pub fn discard(records: &Records, audit: &Log, name: &ContainerName, record: Option<Record>) {
    let target = about(&name.sandbox);
    if let Some(mut record) = record {
        if let (_, Err(err)) = auditing::note(audit, records, &mut record, true) {
            warn!(target: &target, "{name}: {err}");
        }
        if let Some(cgroup) = &record.plan.cgroup
            && let Err(err) = Hierarchies::find().and_then(|all| all.remove(cgroup))
        {
            return warn!(target: &target, "{name}: cannot remove its cgroup: {err}");
        }
    }
    if let Err(err) = records.remove(name) {
        warn!(target: &target, "{name}: cannot remove its record: {err}");
    }
}

/// Neither its caller nor its knot, which ends soon after its caller, is there.
fn is_stale(record: &Record) -> bool {
    let gone = |process: &Option<super::records::Knot>| match process {
        Some(process) => match process.pin() {
            Ok(None) => true,
            // Nobody may be there to reap it.
            Ok(Some(pidfd)) => pidfd::has_ended(pidfd),
            Err(_) => false,
        },
        None => true,
    };
    gone(&record.caller) && gone(&record.knot)
}

fn is_a_pid(number: u32) -> bool {
    i32::try_from(number).is_ok_and(|pid| pidfd::open(pid).is_ok())
}
