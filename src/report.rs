//! What a knot tells about its container: one JSON line each, appended to the
//! `report` file of the container's record.
//!
//! A file on tmpfs rather than a pipe, so that a supervisor which was not there
//! when it happened reads the same as one that was. The knot writes, the
//! supervisor and `lithos_cmd` read.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::confinement::landlock::Level;

/// One line of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Report {
    /// The process was executed.
    Started {
        /// Seconds since 1970, UTC.
        time: u64,
        /// Its pid in the container; none: told by an older release.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pid: Option<i32>,
        /// How far Landlock restricts it; none: it is off.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        landlock: Option<Level>,
        /// The labels of the tokens that were opened, in the order of
        /// `plan::Secrets::places`; none: no secret has several.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        opened: Vec<String>,
    },
    /// The container or its process could not be started; the knot ends.
    Failed {
        /// `cannot <verb> <object>: <cause>`; never holds a value of a secret.
        reason: String,
        /// The one thing to do, if there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hint: Option<String>,
        /// What a shell would end with: 125 our own failure, 126 not
        /// executable, 127 not found.
        status: u8,
        /// Secrets that could not be delivered.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        refused: Vec<RefusedSecret>,
    },
    /// The process ended. With `restart-process-only` another `Started` may follow.
    Ended {
        /// How.
        end: End,
        /// Seconds since 1970, UTC.
        time: u64,
        /// How long it ran.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ran: Option<Duration>,
        /// What was killed for memory meanwhile: this process, if it ended by
        /// SIGKILL, or others of its container.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        out_of_memory: Option<OutOfMemory>,
    },
}

impl Report {
    /// All of these lines.
    pub fn all(lines: &[u8]) -> Vec<Self> {
        let lines = lines.split(|byte| *byte == b'\n');
        let lines = lines.filter(|line| !line.is_empty());
        let reports = lines.filter_map(|line| serde_json::from_slice(line).ok());
        reports.collect()
    }

    /// The last of these lines.
    pub fn last(lines: &[u8]) -> Option<Self> {
        let lines = lines.split(|byte| *byte == b'\n').rev();
        // What follows the last line is empty, and costs more to refuse than a line to read.
        let mut lines = lines.filter(|line| !line.is_empty());
        lines.find_map(|line| serde_json::from_slice(line).ok())
    }
}

/// A secret that could not be delivered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RefusedSecret {
    /// What it is called: a variable, or a file's path.
    pub name: String,
    /// The outcome of each of its tokens, or what is wrong with its value.
    pub outcomes: Vec<String>,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// With this exit status.
    Exited(u8),
    /// Killed by this signal.
    Signalled(i32),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(status) => write!(f, "ended with exit status {status}"),
            Self::Signalled(signal) => write!(f, "was killed by signal {signal}"),
        }
    }
}

/// How a process ended, in words, with what was killed for memory meanwhile.
#[derive(Debug)]
pub struct InWords<'a>(pub End, pub Option<&'a OutOfMemory>);

impl fmt::Display for InWords<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0, self.1) {
            (End::Signalled(9), Some(memory)) => write!(f, "was killed for memory: {memory}"),
            (end, Some(memory)) => {
                write!(f, "{end}; others in it were killed for memory: {memory}")
            }
            (end, None) => write!(f, "{end}"),
        }
    }
}

/// The kernel killed processes of a cgroup for lack of memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct OutOfMemory {
    /// Which cgroup: `<cgroup-name>/<sandbox>:<process>.<n>`.
    pub cgroup: String,
    /// Its limit in bytes. Where there is none, or the peak is well below it,
    /// memory ran out in the host or in a cgroup around it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// The most it ever had, in bytes, where the kernel tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak: Option<u64>,
}

impl fmt::Display for OutOfMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.limit {
            Some(limit) => write!(f, "limit {}", Mebibytes(limit))?,
            None => f.write_str("no limit of its own")?,
        }
        if let Some(peak) = self.peak {
            write!(f, ", peak {}", Mebibytes(peak))?;
        }
        write!(f, " (cgroup {})", self.cgroup)
    }
}

/// Bytes, to a tenth of a mebibyte.
struct Mebibytes(u64);

impl fmt::Display for Mebibytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = (u128::from(self.0) * 10 + (1 << 19)) >> 20;
        match tenths % 10 {
            0 => write!(f, "{} MiB", tenths / 10),
            tenth => write!(f, "{}.{tenth} MiB", tenths / 10),
        }
    }
}
