//! What a knot tells while it runs: that it has started its process, and which
//! secrets that was given; and, where the container is kept when its process ends
//! (`restart-process-only`), that it has started it again by itself.

use ::log::warn;

use super::{Container, Tree, note_end};
use crate::name::ContainerName;
use crate::report::Report;
use crate::tree::ending::Told;
use crate::tree::log::about;
use crate::tree::machine::{Ending, Event};

impl Tree {
    /// The knot runs: hears what it has told, and what it will tell.
    pub(super) fn begin_to_hear(&mut self, name: &ContainerName) {
        let wanted = |container: &Container| {
            is_kept(container) || container.record.audit.is_some() && container.knot.is_some()
        };
        if !self.containers.get(name).is_some_and(wanted) {
            return;
        }
        let path = self.records.report(name);
        let watched = self
            .reports
            .as_mut()
            .map(|reports| reports.watch(name, &path));
        if let Some(Err(err)) = watched {
            warn!(target: &about(&name.sandbox), "{name}: cannot watch its report, what it tells is noted at its end: {err}");
        }
        self.hear(name);
    }

    /// Whether it is the reports that the poll means.
    pub(super) fn is_reports(&self, number: u64) -> bool {
        self.reports
            .as_ref()
            .is_some_and(|reports| reports.is(number))
    }

    /// Reports have grown.
    pub(super) fn hear_all(&mut self) {
        let grown = self.reports.as_mut().map(|reports| reports.grown());
        for name in grown.unwrap_or_default() {
            self.hear(&name);
        }
    }

    /// Takes into account what the container's knot has told since the last time.
    pub(super) fn hear(&mut self, name: &ContainerName) {
        self.note_secrets(name, false);
        while let Some(container) = self.containers.get_mut(name).filter(|c| is_kept(c)) {
            let heard = container.record.heard.bytes;
            let Ok((told, bytes @ 1..)) = self.records.told_after(name, heard) else {
                return;
            };
            container.record.heard.bytes += bytes;
            let mut ends = 0;
            let mut starts = 0;
            for report in told {
                match container.take_in(report) {
                    Inside::Started => starts += 1,
                    Inside::Ended => ends += 1,
                    Inside::Nothing => {}
                }
            }
            if starts > 0 {
                self.feed(Event::StartedInside(name.clone(), starts));
            } else if ends > 0 {
                self.update(name, |_| {});
            }
        }
    }
}

/// Whether it has a knot, whose report it is then, that starts its process again by
/// itself.
fn is_kept(container: &Container) -> bool {
    let record = &container.record;
    record.knot.is_some() && record.plan.supervision.restart_process_only
}

/// What a line of a report comes to.
enum Inside {
    /// The process was started again, or that was tried.
    Started,
    Ended,
    /// The first start, which is counted already.
    Nothing,
}

impl Container {
    fn take_in(&mut self, report: Report) -> Inside {
        let record = &mut self.record;
        match report {
            Report::Ended {
                end,
                ran,
                out_of_memory,
                ..
            } => {
                let ending = Ending::Ended(end);
                let told = Told {
                    ending,
                    ran,
                    out_of_memory,
                };
                note_end(record, told);
                record.heard.ended = true;
                Inside::Ended
            }
            Report::Started { .. } | Report::Failed { .. } if record.heard.ended => {
                record.heard.ended = false;
                record.tally.started(record.last_end.as_ref());
                record.history.starts += 1;
                Inside::Started
            }
            Report::Started { .. } | Report::Failed { .. } => Inside::Nothing,
        }
    }
}
