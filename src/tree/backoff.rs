//! How long to wait between two starts.
//!
//! Pure: the clock and the random number come from outside.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::resolve::plan::Supervision;

/// What failures in a row are doubled from, if `restart-timeout` is shorter.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// The first wait before broken files are read again.
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// The longest wait before broken files are read again.
const LAST_RETRY: Duration = Duration::from_secs(60);

/// What is remembered of a container's starts, across supervisors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct History {
    /// How often it was started.
    pub starts: u64,
    /// Failures since the last normal end or long run.
    pub failures: u32,
    /// The last start, by the monotonic clock of this boot.
    pub started: Option<Duration>,
}

impl History {
    /// Takes an end at `now` into account.
    pub fn ended(&mut self, failed: bool, now: Duration, supervision: &Supervision) {
        let ran = now.saturating_sub(self.started.unwrap_or(now));
        let before = if ran > longest(supervision) {
            0
        } else {
            self.failures
        };
        self.failures = if failed { before.saturating_add(1) } else { 0 };
    }

    /// The earliest time of the next start; `jitter` is between -1 and 1.
    pub fn next_start(&self, supervision: &Supervision, jitter: f64) -> Duration {
        match self.started {
            None => Duration::ZERO,
            Some(started) => started.saturating_add(wait(self.failures, supervision, jitter)),
        }
    }
}

/// The time between two starts with `failures` in a row between them: at least
/// `restart-timeout`; doubled by each failure but the first.
fn wait(failures: u32, supervision: &Supervision, jitter: f64) -> Duration {
    let least = supervision.restart_timeout;
    if failures == 0 {
        return least;
    }
    let first = least.max(FIRST_WAIT);
    let wait = doubled(first, failures - 1, longest(supervision).max(first));
    jittered(wait, jitter).max(least)
}

/// The wait before broken files are read for the `tries`th time again, from 0.
pub fn retry(tries: u32, jitter: f64) -> Duration {
    jittered(doubled(FIRST_RETRY, tries, LAST_RETRY), jitter)
}

fn longest(supervision: &Supervision) -> Duration {
    supervision
        .restart_timeout_max
        .max(supervision.restart_timeout)
}

fn doubled(first: Duration, times: u32, last: Duration) -> Duration {
    let factor = 1u32.checked_shl(times).unwrap_or(u32::MAX);
    first.saturating_mul(factor).min(last)
}

fn jittered(wait: Duration, jitter: f64) -> Duration {
    wait.mul_f64(1.0 + 0.1 * jitter.clamp(-1.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn supervision(restart: f64, max: u64) -> Supervision {
        Supervision {
            restart_timeout: Duration::from_secs_f64(restart),
            restart_timeout_max: Duration::from_secs(max),
            kill_timeout: Duration::from_secs(5),
            restart_process_only: false,
            normal_exit_codes: Vec::new(),
        }
    }

    fn waits(supervision: &Supervision, jitter: f64) -> Vec<f64> {
        (0..8)
            .map(|failures| wait(failures, supervision, jitter).as_secs_f64())
            .collect()
    }

    #[test]
    fn each_failure_in_a_row_doubles_the_wait_up_to_the_longest() {
        let expected = [1.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0];
        assert_eq!(waits(&supervision(1.0, 60), 0.0), expected);
    }

    #[test]
    fn failures_with_no_restart_timeout_wait_from_a_tenth_of_a_second() {
        let expected = [0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4];
        assert_eq!(waits(&supervision(0.0, 60), 0.0), expected);
    }

    #[test]
    fn the_longest_wait_is_never_below_the_restart_timeout() {
        assert_eq!(waits(&supervision(90.0, 60), 0.0), [90.0; 8]);
        assert_eq!(wait(3, &supervision(0.0, 0), 0.0), FIRST_WAIT);
    }

    #[test]
    fn jitter_is_a_tenth_and_never_undercuts_the_restart_timeout() {
        let s = supervision(1.0, 60);
        assert_eq!(wait(1, &s, -1.0), Duration::from_secs(1));
        assert_eq!(wait(3, &s, -1.0), Duration::from_millis(3600));
        assert_eq!(wait(3, &s, 1.0), Duration::from_millis(4400));
    }

    #[test]
    fn any_number_of_failures_has_a_wait() {
        assert_eq!(
            wait(u32::MAX, &supervision(1.0, 60), 0.0),
            Duration::from_secs(60)
        );
    }

    #[test]
    fn a_normal_end_forgets_failures() {
        let mut history = History {
            starts: 4,
            failures: 3,
            started: Some(Duration::ZERO),
        };
        history.ended(false, Duration::from_secs(1), &supervision(1.0, 60));
        assert_eq!(history.failures, 0);
    }

    #[test]
    fn a_run_longer_than_the_longest_wait_forgets_the_failures_before_it() {
        let mut history = History {
            starts: 4,
            failures: 3,
            started: Some(Duration::ZERO),
        };
        history.ended(true, Duration::from_secs(60), &supervision(1.0, 60));
        assert_eq!(history.failures, 4);
        history.ended(true, Duration::from_secs(61), &supervision(1.0, 60));
        assert_eq!(history.failures, 1);
    }

    #[test]
    fn broken_files_are_read_again_after_a_second_and_at_least_once_a_minute() {
        assert_eq!(retry(0, 0.0), Duration::from_secs(1));
        assert_eq!(retry(4, 0.0), Duration::from_secs(16));
        assert_eq!(retry(40, 0.0), Duration::from_secs(60));
    }
}
