//! What is counted of a container, a process, or all of them. Pure; where it
//! is kept is for [`records`](super::records) and [`past`](super::past) to say.

use std::ops::AddAssign;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ending::LastEnd;
use super::machine::Ending;
use crate::knot::cgroup::Usage;
use crate::report::End;

/// Starts after an end, by what that was. Named, not numbered, so that another
/// release reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Restarts {
    /// Its process exited.
    exit: u64,
    /// A signal killed its process.
    signal: u64,
    /// The kernel killed its process for lack of memory.
    out_of_memory: u64,
    /// It could not be started before.
    start_failure: u64,
    /// It had been told to end, since its config changed or someone asked.
    stop: u64,
    /// Its knot was killed, so nobody saw its end.
    unknown: u64,
}

impl Restarts {
    /// All of them, by their names in the metrics.
    pub fn by_reason(&self) -> [(&'static str, u64); 6] {
        [
            ("exit", self.exit),
            ("signal", self.signal),
            ("out-of-memory", self.out_of_memory),
            ("start-failure", self.start_failure),
            ("stop", self.stop),
            ("unknown", self.unknown),
        ]
    }

    /// The number of starts after such an end.
    fn after(&mut self, last: &LastEnd) -> &mut u64 {
        match (&last.ending, &last.out_of_memory) {
            _ if last.stopped => &mut self.stop,
            (Ending::Ended(End::Signalled(KILL)), Some(_)) => &mut self.out_of_memory,
            (Ending::Ended(End::Signalled(_)), _) => &mut self.signal,
            (Ending::Ended(End::Exited(_)), _) => &mut self.exit,
            (Ending::Failed { .. }, _) => &mut self.start_failure,
            (Ending::Unknown, _) => &mut self.unknown,
        }
    }
}

impl AddAssign<&Self> for Restarts {
    fn add_assign(&mut self, other: &Self) {
        self.exit += other.exit;
        self.signal += other.signal;
        self.out_of_memory += other.out_of_memory;
        self.start_failure += other.start_failure;
        self.stop += other.stop;
        self.unknown += other.unknown;
    }
}

/// The number of SIGKILL, on every Linux.
const KILL: i32 = 9;

/// Numbers that only grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Tally {
    /// Starts, those that failed included.
    pub started: u64,
    /// Ends of what was started, whichever way.
    pub deaths: u64,
    /// Those of them that were failures.
    pub failures: u64,
    /// Starts after an end.
    pub restarts: Restarts,
    /// Processor time in cgroups that are gone.
    pub cpu: Duration,
    /// Processes killed for memory in cgroups that are gone.
    pub oom_kills: u64,
}

impl Tally {
    /// It was started; `last` is how it ended before, if it did.
    pub fn started(&mut self, last: Option<&LastEnd>) {
        self.started += 1;
        if let Some(last) = last {
            *self.restarts.after(last) += 1;
        }
    }

    /// It ended.
    pub fn ended(&mut self, failed: bool) {
        self.deaths += 1;
        self.failures += u64::from(failed);
    }

    /// Its cgroup, in which so much was used, is removed.
    pub fn used(&mut self, usage: Usage) {
        self.cpu += usage.cpu.unwrap_or_default();
        self.oom_kills += usage.oom_kills.unwrap_or_default();
    }
}

impl AddAssign<&Self> for Tally {
    fn add_assign(&mut self, other: &Self) {
        self.started += other.started;
        self.deaths += other.deaths;
        self.failures += other.failures;
        self.restarts += &other.restarts;
        self.cpu = self.cpu.saturating_add(other.cpu);
        self.oom_kills += other.oom_kills;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::OutOfMemory;

    fn last(ending: Ending, memory: bool, stopped: bool) -> LastEnd {
        LastEnd {
            ending,
            out_of_memory: memory.then(|| OutOfMemory {
                cgroup: String::new(),
                limit: None,
                peak: None,
            }),
            stopped,
            ran: Duration::ZERO,
            restarts: 0,
            time: 0,
        }
    }

    fn failed() -> Ending {
        Ending::Failed {
            reason: String::new(),
            hint: None,
        }
    }

    #[test]
    fn each_end_is_the_reason_of_the_start_that_follows_it() {
        let killed = || Ending::Ended(End::Signalled(9));
        for (last, expected) in [
            (last(Ending::Ended(End::Exited(0)), false, false), "exit"),
            // Only others in it were killed for memory.
            (last(Ending::Ended(End::Exited(1)), true, false), "exit"),
            (last(killed(), false, false), "signal"),
            (last(killed(), true, false), "out-of-memory"),
            (last(killed(), false, true), "stop"),
            (last(failed(), false, false), "start-failure"),
            (last(Ending::Unknown, false, false), "unknown"),
        ] {
            let mut tally = Tally::default();
            tally.started(Some(&last));
            let mut counted = tally.restarts.by_reason().to_vec();
            counted.retain(|(_, count)| *count > 0);
            assert_eq!(counted, [(expected, 1)]);
        }
    }

    #[test]
    fn the_first_start_is_no_restart() {
        let mut tally = Tally::default();
        tally.started(None);
        assert_eq!((tally.started, tally.restarts), (1, Restarts::default()));
    }

    #[test]
    fn a_tally_of_another_release_is_read_as_far_as_it_is_known() {
        let other = r#"{ "started": 3, "restarts": { "eclipse": 1 }, "naps": 4 }"#;
        let old: Tally = serde_json::from_str(other).unwrap();
        let expected = Tally {
            started: 3,
            ..Tally::default()
        };
        assert_eq!(old, expected);
    }

    #[test]
    fn tallies_add_up_field_by_field() {
        let mut one = Tally::default();
        one.started(Some(&last(failed(), false, false)));
        one.ended(true);
        one.used(Usage {
            memory: Some(1),
            cpu: Some(Duration::from_secs(2)),
            oom_kills: Some(3),
        });
        let mut sum = one;
        sum += &one;
        assert_eq!((sum.started, sum.deaths, sum.failures), (2, 2, 2));
        assert_eq!(sum.restarts.start_failure, 2);
        assert_eq!((sum.cpu, sum.oom_kills), (Duration::from_secs(4), 6));
    }
}
