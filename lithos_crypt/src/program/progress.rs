//! How far a long work has come, on a terminal only.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Shorter work shows nothing.
const PATIENCE: Duration = Duration::from_millis(500);

/// One line that is written over again and again.
pub struct Progress {
    what: &'static str,
    done: usize,
    all: usize,
    /// When to show it next; never, without a terminal.
    next: Option<Instant>,
    is_shown: bool,
}

impl Progress {
    /// Nothing done yet, of `all`.
    pub fn new(what: &'static str, all: usize) -> Progress {
        let on_terminal = std::io::stderr().is_terminal();
        Progress {
            what,
            done: 0,
            all,
            next: on_terminal.then(|| Instant::now() + PATIENCE),
            is_shown: false,
        }
    }

    /// One more is done.
    pub fn step(&mut self) {
        self.done += 1;
        let Some(next) = self.next else { return };
        let now = Instant::now();
        if now >= next {
            let _ = write!(
                std::io::stderr(),
                "\r{} of {} {}",
                self.done,
                self.all,
                self.what
            );
            self.next = Some(now + PATIENCE / 5);
            self.is_shown = true;
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_shown {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
