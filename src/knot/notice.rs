//! What a knot tells: lines of the report for the supervisor, and lines of the
//! stdio log for people.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use humantime::format_rfc3339_seconds;
use rustix::process::Pid;

use super::failure::{Attempt, Failure};
use crate::confinement::landlock::Level;
use crate::name::ContainerName;
use crate::report::{End, InWords, OutOfMemory, Report};

/// Where a knot tells it.
pub struct Notices {
    name: ContainerName,
    report: File,
    stdio: File,
}

impl Notices {
    /// To `report` and `stdio`, both open for appending.
    pub fn new(name: ContainerName, report: OwnedFd, stdio: OwnedFd) -> Self {
        let (report, stdio) = (report.into(), stdio.into());
        Self {
            name,
            report,
            stdio,
        }
    }

    /// The stdio log, for the process.
    pub fn stdio(&self) -> Result<OwnedFd, Failure> {
        let log = self.stdio.as_fd().try_clone_to_owned();
        log.cannot("pass", "the stdio log")
    }

    /// The process was executed, restricted so far by Landlock, if at all; it has
    /// opened the tokens with these labels.
    pub fn started(&mut self, process: Pid, landlock: Option<Level>, opened: Vec<String>) {
        let now = SystemTime::now();
        self.report(&Report::Started {
            time: seconds(now),
            pid: Some(process.as_raw_nonzero().get()),
            landlock,
            opened,
        });
        match landlock {
            Some(level) => self.log(now, &format!("started, {level}")),
            None => self.log(now, "started"),
        }
    }

    /// The process ended.
    pub fn ended(&mut self, end: End, ran: Option<Duration>, memory: Option<OutOfMemory>) {
        let now = SystemTime::now();
        let what = InWords(end, memory.as_ref()).to_string();
        self.report(&Report::Ended {
            end,
            time: seconds(now),
            ran,
            out_of_memory: memory,
        });
        self.log(now, &what);
    }

    /// Tells a failure, if that is what it came to. Gives our own exit status.
    pub fn conclude(&mut self, outcome: Result<(), Failure>) -> ExitCode {
        match outcome {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => {
                self.report(&failure.report());
                ExitCode::FAILURE
            }
        }
    }

    /// Appends a line to the report. There is nobody to tell if it cannot be
    /// written: the supervisor then finds the knot gone without one.
    fn report(&mut self, report: &Report) {
        let mut line = serde_json::to_vec(report).expect("a report is always JSON");
        line.push(b'\n');
        let _ = self.report.write_all(&line);
    }

    /// The log is a convenience: a full disk stops nothing.
    fn log(&mut self, time: SystemTime, what: &str) {
        let line = format!(
            "{} lithos: {} {what}\n",
            format_rfc3339_seconds(time),
            self.name
        );
        let _ = self.stdio.write_all(line.as_bytes());
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
