//! Why a container ended: what is kept of it in its record, and its line in the
//! log.

use std::fmt;
use std::time::Duration;

use ::log::Level;
use serde::{Deserialize, Serialize};

use super::machine::Ending;
use crate::report::{InWords, OutOfMemory};

/// What a knot's report says of the end of its container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// How.
    pub ending: Ending,
    /// How long its process ran, if it did.
    pub ran: Option<Duration>,
    /// What was killed for memory meanwhile.
    pub out_of_memory: Option<OutOfMemory>,
}

impl From<Ending> for Told {
    fn from(ending: Ending) -> Self {
        Self {
            ending,
            ran: None,
            out_of_memory: None,
        }
    }
}

/// How and when a container ended the last time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LastEnd {
    /// How.
    pub ending: Ending,
    /// What was killed for memory meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub out_of_memory: Option<OutOfMemory>,
    /// Whether the supervisor had told it to end.
    pub stopped: bool,
    /// How long it ran.
    pub ran: Duration,
    /// How often it had been started again.
    pub restarts: u64,
    /// When this was noted, in seconds since 1970, UTC.
    pub time: u64,
}

impl LastEnd {
    /// How worthy of note it is, where it was a failure or not.
    pub fn level(&self, failed: bool) -> Level {
        match (&self.ending, self.stopped || !failed) {
            (Ending::Failed { .. }, _) => Level::Error,
            (_, true) => Level::Info,
            (_, false) => Level::Warn,
        }
    }
}

impl fmt::Display for LastEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.ending {
            Ending::Ended(end) => write!(f, "{}", InWords(*end, self.out_of_memory.as_ref()))?,
            Ending::Unknown => f.write_str("its knot was killed")?,
            Ending::Failed { reason, hint } => {
                write!(f, "cannot start: {reason}")?;
                hint.iter().try_for_each(|hint| write!(f, " ({hint})"))?;
            }
        }
        if self.stopped {
            f.write_str(", told to end")?;
        }
        let plural = if self.restarts == 1 { "" } else { "s" };
        let (ran, restarts) = (self.ran.as_secs_f64(), self.restarts);
        write!(f, ", after {ran:.1} s, {restarts} restart{plural}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::End;

    fn last(ending: Ending) -> LastEnd {
        LastEnd {
            ending,
            out_of_memory: None,
            stopped: false,
            ran: Duration::from_millis(12_340),
            restarts: 3,
            time: 0,
        }
    }

    fn memory(limit: Option<u64>) -> Option<OutOfMemory> {
        Some(OutOfMemory {
            cgroup: "lithos.slice/shop:web.0".to_owned(),
            limit,
            peak: Some(67_000_000),
        })
    }

    #[test]
    fn says_why_it_ended_with_uptime_and_restarts() {
        let killed = last(Ending::Ended(End::Signalled(9)));
        let cases = [
            (
                last(Ending::Ended(End::Exited(3))),
                "ended with exit status 3, after 12.3 s, 3 restarts",
            ),
            (
                LastEnd {
                    stopped: true,
                    restarts: 1,
                    ..last(Ending::Ended(End::Signalled(15)))
                },
                "was killed by signal 15, told to end, after 12.3 s, 1 restart",
            ),
            (
                killed.clone(),
                "was killed by signal 9, after 12.3 s, 3 restarts",
            ),
            (
                LastEnd {
                    out_of_memory: memory(Some(64 << 20)),
                    ..killed.clone()
                },
                "was killed for memory: limit 64 MiB, peak 63.9 MiB (cgroup \
                 lithos.slice/shop:web.0), after 12.3 s, 3 restarts",
            ),
            (
                LastEnd {
                    out_of_memory: memory(None),
                    ..killed
                },
                "was killed for memory: no limit of its own, peak 63.9 MiB (cgroup \
                 lithos.slice/shop:web.0), after 12.3 s, 3 restarts",
            ),
            (
                LastEnd {
                    out_of_memory: memory(Some(64 << 20)),
                    ..last(Ending::Ended(End::Exited(1)))
                },
                "ended with exit status 1; others in it were killed for memory: limit 64 MiB, \
                 peak 63.9 MiB (cgroup lithos.slice/shop:web.0), after 12.3 s, 3 restarts",
            ),
            (
                last(Ending::Failed {
                    reason: "cannot open the image /i: no such file or directory".to_owned(),
                    hint: Some("look".to_owned()),
                }),
                "cannot start: cannot open the image /i: no such file or directory (look), after \
                 12.3 s, 3 restarts",
            ),
        ];
        for (last, expected) in cases {
            assert_eq!(last.to_string(), expected);
        }
    }
}
