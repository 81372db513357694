//! The audit log, as far as it is the supervisor's: written when a report tells of a
//! start, and again when a disk that was full has room.

use std::time::Duration;

use ::log::{error, info, warn};

use super::{Tree, now};
use crate::audit::Entry;
use crate::audit::log::{AuditError, Log};
use crate::name::ContainerName;
use crate::resolve::paths::Home;
use crate::tree::auditing;
use crate::tree::log::about;

/// How long after a failure it is tried again.
const PAUSE: Duration = Duration::from_secs(10);

/// The log, and what became of it.
#[derive(Debug)]
pub struct Audit {
    log: Log,
    /// When it is tried again; none: nothing waits.
    again: Option<Duration>,
}

impl Audit {
    /// Of this master config; what waits is written at once.
    pub fn new(home: &Home) -> Self {
        Self {
            log: Log::of(home),
            again: Some(Duration::ZERO),
        }
    }

    /// For others who write.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// When there is something to do.
    pub fn next(&self) -> Option<Duration> {
        self.again
    }
}

impl Tree {
    /// Notes what the container was given since the last time; `ended`: nothing of
    /// it runs any more. A log that cannot be written stops nothing.
    pub(super) fn note_secrets(&mut self, name: &ContainerName, ended: bool) {
        let Some(container) = self.containers.get_mut(name) else {
            return;
        };
        let record = &mut container.record;
        let (changed, written) = auditing::note(&self.audit.log, &self.records, record, ended);
        if changed {
            self.update(name, |_| {});
        }
        self.see_to(name, written);
    }

    /// It is not known what the container was given.
    pub(super) fn note_gap(&mut self, name: &ContainerName) {
        let gap = Entry::gap(name, "its record was lost");
        let written = self.audit.log.write(&[gap]);
        self.see_to(name, written);
    }

    fn see_to(&mut self, name: &ContainerName, written: Result<(), AuditError>) {
        let Err(err) = written else { return };
        match &err {
            AuditError::Owed(..) => warn!(target: &about(&name.sandbox), "{name}: {err}"),
            AuditError::Lost(..) => {
                self.past.lost_audit_lines();
                error!(target: &about(&name.sandbox), "{name}: {err}");
            }
        }
        self.audit.again = Some(now() + PAUSE);
    }

    /// Tries again to write what waits, if it is time.
    pub(super) fn catch_up_audit(&mut self) {
        if self.audit.again.is_none_or(|at| at > now()) {
            return;
        }
        self.audit.again = match self.audit.log.catch_up() {
            Ok(caught_up) => {
                if caught_up {
                    info!("the audit log is complete again");
                }
                None
            }
            // That was said when it began.
            Err(_) => Some(now() + PAUSE),
        };
    }
}
