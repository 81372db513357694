//! When lines of the audit log are due: what of a knot's report has been noted in
//! it, kept in the container's record.
//!
//! A report is on tmpfs and is removed only with the next start, so whoever dies
//! before it has noted a start leaves that to the next: lines are written first,
//! then that they were. In between they are written twice, with the same id.

use serde::{Deserialize, Serialize};

use super::records::{Record, Records};
use crate::audit::log::{AuditError, Log};
use crate::audit::{self, Entry, Occasion, Outcome};
use crate::report::Report;
use crate::resolve::plan::Plan;

/// How far the report of a container with secrets has been noted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Progress {
    /// The id of the first start of this knot; of the others it is followed by a
    /// point and their number.
    start: String,
    /// Starts that have been noted.
    #[serde(default)]
    starts: u64,
    /// Whether the last of them has not ended.
    #[serde(default)]
    runs: bool,
    /// Bytes of the report that they are from.
    #[serde(default)]
    bytes: u64,
}

impl Progress {
    /// None noted of a container that is about to be started; none to be noted if
    /// it has no secrets.
    pub fn begin(plan: &Plan) -> Option<Self> {
        (!plan.secrets.is_empty()).then(|| Self {
            start: audit::new_start(),
            starts: 0,
            runs: false,
            bytes: 0,
        })
    }

    /// What a line of the report comes to.
    fn take(&mut self, plan: &Plan, report: &Report) -> Vec<Entry> {
        match report {
            Report::Started { time, opened, .. } => {
                self.runs = true;
                let time = *time;
                self.another(plan, Outcome::Delivered { time, opened })
            }
            // A knot's own failure while its process runs is no start.
            Report::Failed { refused, .. } if !self.runs => {
                self.another(plan, Outcome::Failed(refused))
            }
            Report::Failed { .. } | Report::Ended { .. } => {
                self.runs = false;
                Vec::new()
            }
        }
    }

    fn another(&mut self, plan: &Plan, outcome: Outcome<'_>) -> Vec<Entry> {
        let id = match self.starts {
            0 => self.start.clone(),
            number => format!("{}.{number}", self.start),
        };
        self.starts += 1;
        audit::lines(plan, &id, Occasion::Start, outcome)
    }
}

/// Notes what the container's knot has told of its secrets since the last time;
/// where nothing of it runs any more, also what it has not told. Whether the
/// record has changed, and what went wrong.
pub fn note(
    log: &Log,
    records: &Records,
    record: &mut Record,
    ended: bool,
) -> (bool, Result<(), AuditError>) {
    let Some(before) = record.audit.clone() else {
        return (false, Ok(()));
    };
    let mut progress = before.clone();
    let (mut entries, last) = read(&mut progress, records, record);
    if ended || record.knot.is_none() {
        let last = last.or_else(|| records.last_report(&record.plan.name));
        entries.extend(untold(&mut progress, last, record));
    }
    if entries.is_empty() {
        // What else was told is read again.
        return (false, Ok(()));
    }
    let written = log.write(&entries);
    record.audit = Some(progress);
    (true, written)
}

/// Without a knot the report, if there is one, is of an earlier start: none gets past
/// the gate before it is in the record.
///
/// With the last thing it has told, if that was among it.
fn read(
    progress: &mut Progress,
    records: &Records,
    record: &Record,
) -> (Vec<Entry>, Option<Report>) {
    let (mut entries, mut last) = (Vec::new(), None);
    while record.knot.is_some()
        && let Ok((told, bytes @ 1..)) = records.told_after(&record.plan.name, progress.bytes)
    {
        progress.bytes += bytes;
        for report in told {
            entries.extend(progress.take(&record.plan, &report));
            last = Some(report);
        }
    }
    (entries, last)
}

/// A start of which nothing was told, if there may have been one.
fn untold(progress: &mut Progress, last: Option<Report>, record: &Record) -> Vec<Entry> {
    let ended = matches!(last, Some(Report::Ended { .. }));
    let kept = record.plan.supervision.restart_process_only;
    let rested = kept && ended && !progress.runs && record.stopping.is_none();
    let outcome = match (progress.starts, &record.knot) {
        // It was never let go on, or was told to end before it was.
        (0, None) => Outcome::Failed(&[]),
        (0, Some(_)) if ended => Outcome::Failed(&[]),
        (0, Some(_)) => Outcome::Unknown,
        // It was about to start its process again, and told nothing of that.
        (_, Some(_)) if rested => Outcome::Unknown,
        _ => return Vec::new(),
    };
    progress.runs = true;
    progress.another(&record.plan, outcome)
}

#[cfg(test)]
mod tests;
