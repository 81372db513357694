//! What the supervisor answers.

use serde::{Deserialize, Serialize};

use crate::name::ContainerName;
use crate::report::End;
use crate::selection::Selection;
use crate::tree::ending;
use crate::tree::holds::Holds;
use crate::tree::machine::Ending;

/// How things stand: the answer to `status`, `restart`, `hold` and `release`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Status {
    /// Who answers.
    pub supervisor: Supervisor,
    /// The daemons that were asked about, by name.
    pub containers: Vec<Container>,
    /// Sandboxes and processes whose files are broken, or may be.
    pub broken: Vec<Selection>,
    /// What is held, and what narrower is not.
    pub holds: Holds,
}

/// Who answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Supervisor {
    /// Its pid.
    pub pid: u32,
    /// Another after each start and reload.
    pub generation: u64,
    /// Whether it stops everything, and then ends.
    pub stopping: bool,
}

/// What is the case with a daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It runs, or is being set up.
    Running,
    /// It does not run, and will be started when its time comes.
    Resting,
    /// It does not run, until it is released.
    Held,
    /// It was told to end.
    Stopping,
    /// It does not run, and its files are broken.
    Broken,
}

/// One daemon.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Container {
    /// Which.
    pub name: ContainerName,
    /// What is the case.
    pub state: State,
    /// Whether its files are broken: what runs is left running.
    pub files_broken: bool,
    /// The first process of the container, as the host sees it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub knot_pid: Option<i32>,
    /// Since its last start, while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uptime_seconds: Option<f64>,
    /// Until its next start, while it rests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_start_seconds: Option<f64>,
    /// How often it was started.
    pub starts: u64,
    /// How often in a row it failed.
    pub failures: u32,
    /// How it ended the last time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_end: Option<LastEnd>,
}

/// How a daemon ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LastEnd {
    /// In words: a line.
    pub text: String,
    /// What it exited with, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_status: Option<u8>,
    /// What signal killed it, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// Whether it could not even be started.
    pub not_started: bool,
    /// Whether something in it was killed for memory.
    pub out_of_memory: bool,
    /// Whether the supervisor had told it to end.
    pub told: bool,
    /// How long it ran.
    pub ran_seconds: f64,
    /// When that was noted, in seconds since 1970, UTC.
    pub time: u64,
}

impl From<&ending::LastEnd> for LastEnd {
    fn from(last: &ending::LastEnd) -> Self {
        let (exit_status, signal) = match last.ending {
            Ending::Ended(End::Exited(status)) => (Some(status), None),
            Ending::Ended(End::Signalled(signal)) => (None, Some(signal)),
            Ending::Failed { .. } | Ending::Unknown => (None, None),
        };
        Self {
            text: last.to_string(),
            exit_status,
            signal,
            not_started: matches!(last.ending, Ending::Failed { .. }),
            out_of_memory: last.out_of_memory.is_some(),
            told: last.stopped,
            ran_seconds: last.ran.as_secs_f64(),
            time: last.time,
        }
    }
}

/// A reload is about to be tried: the answer to `reload`. What came of it tells
/// [`Outcome`], once its generation or its number of reloads is another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Begun {
    /// That of the supervisor that answers.
    pub generation: u64,
    /// The reloads that it was refused before.
    pub refused_reloads: u64,
}

/// What came of the last start or reload: the answer to `outcome`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Outcome {
    /// That of the supervisor that answers.
    pub generation: u64,
    /// The reloads that were refused since; nothing has changed by them.
    pub refused_reloads: u64,
    /// Why the last of them was refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<String>,
    /// What is wrong in the files; what an error is about is left as it was.
    pub problems: Vec<Flaw>,
    /// How many daemons are supervised.
    pub containers: usize,
}

/// Something wrong in the files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Flaw {
    /// Whether what it is about does not start.
    pub error: bool,
    /// `path:line:column: subject: message (hint)`.
    pub text: String,
}
