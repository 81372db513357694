//! The process's life: executed, waited for, and, with `restart-process-only`,
//! executed again in the kept container.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal};
use rustix::time::{ClockId, clock_gettime};

use super::child;
use super::failure::{Attempt, Failure};
use super::notice::Notices;
use super::process::{Start, Started};
use super::signals::{Signals, has_ended, pass_on, reap, to_group};
use crate::report::End;
use crate::resolve::plan::Plan;
use crate::sys::capability::{self, CapabilitySet};
use crate::sys::{descriptor, mount};
use crate::tree::backoff::History;
use crate::tree::machine::Ending;

/// What a knot that only waits needs: to signal its process.
const TO_WAIT: CapabilitySet = CapabilitySet::KILL;

/// What it needs to make another process: to map its ids, 0 among them, and to change
/// its own while it does.
const TO_START: CapabilitySet = TO_WAIT
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETFCAP);

/// Runs the process once; with a `caller`, for no longer than that holds the
/// other end of this pipe, and `kill-timeout` besides.
pub fn once(
    start: Start<'_>,
    caller: Option<OwnedFd>,
    signals: &Signals,
    notices: &mut Notices,
) -> Result<(), Failure> {
    let (began, plan) = (now(), start.plan);
    // Of what was killed in the container before, a command knows nothing.
    let killed = start.cgroup.killed_for_memory();
    let joined = start.joined.is_some();
    let Started {
        pid: process,
        opened,
    } = start.process(signals)?;
    notices.started(process, start.confinement.landlock(), opened);
    // Key files and all else that only a start needs are closed.
    let cgroup = start.into_cgroup();
    give_up_all_but(TO_WAIT, CapabilitySet::empty())?;
    let awaited = Awaited {
        process,
        plan,
        joined,
    };
    if let Some(end) = awaited.wait_for_end(caller, signals)? {
        let memory = cgroup.out_of_memory(plan.cgroup.as_ref(), killed);
        notices.ended(end, Some(now() - began), memory);
    }
    Ok(())
}

/// Runs the process until the knot is told to stop. What the process has left
/// behind in the container stays, its own children included.
pub fn again_and_again(
    mut start: Start<'_>,
    signals: &Signals,
    notices: &mut Notices,
) -> Result<(), Failure> {
    let supervision = &start.plan.supervision;
    let mut history = History::default();
    loop {
        let (began, killed) = (now(), start.cgroup.killed_for_memory());
        history.started = Some(began);
        let Started {
            pid: process,
            opened,
        } = start.process(signals)?;
        notices.started(process, start.confinement.landlock(), opened);
        if history.starts == 0 {
            // Nobody writes them a second time.
            start.secret_files.clear();
            let granted = start.confinement.granted_by_host();
            give_up_all_but(to_start_in(&start) | granted, granted)?;
        }
        history.starts += 1;
        let awaited = Awaited {
            process,
            plan: start.plan,
            joined: false,
        };
        let Some(end) = awaited.wait_for_end(None, signals)? else {
            return Ok(());
        };
        let cgroup = start.plan.cgroup.as_ref();
        let memory = start.cgroup.out_of_memory(cgroup, killed);
        notices.ended(end, Some(now() - began), memory);
        let failed = Ending::Ended(end).is_failure(supervision);
        history.ended(failed, now(), supervision);
        rest_until(history.next_start(supervision, jitter()), signals)?;
        if signals.stop().is_some() {
            return Ok(());
        }
    }
}

/// In the host's user namespace the process needs more for a cgroup namespace.
fn to_start_in(start: &Start<'_>) -> CapabilitySet {
    match start.plan.ids.user_namespace {
        true => TO_START,
        false => TO_START | CapabilitySet::SYS_ADMIN,
    }
}

/// Gives up every capability but those in `kept`, of which only those in
/// `bound` can be passed on, and the host's files behind 0, 1 and 2.
fn give_up_all_but(kept: CapabilitySet, bound: CapabilitySet) -> Result<(), Failure> {
    let root = mount::open_directory(Path::new("/")).cannot("open", "/")?;
    let null = child::open_null(&root)?;
    descriptor::give_up_standard(&null).cannot("close", "standard input and output")?;
    capability::bound_to(bound).cannot("empty", "the capability bounding set")?;
    capability::keep_only(kept).cannot("drop", "the capabilities")
}

/// A process that runs.
struct Awaited<'a> {
    process: Pid,
    plan: &'a Plan,
    /// It does not take its container along.
    joined: bool,
}

impl Awaited<'_> {
    /// How it ended; none: it has outlived its caller, and what there is of it
    /// ends with us or has been killed.
    fn wait_for_end(
        &self,
        mut caller: Option<OwnedFd>,
        signals: &Signals,
    ) -> Result<Option<End>, Failure> {
        let mut last_moment = None;
        loop {
            if last_moment.is_some() && has_ended(self.process) {
                self.kill_the_rest();
            }
            if let Some(end) = reap(self.process) {
                return Ok(Some(end));
            }
            let left = last_moment.map(|at: Duration| at.saturating_sub(now()));
            if left.is_some_and(|left| left.is_zero()) {
                self.kill_the_rest();
                return Ok(None);
            }
            let awaited = caller.as_ref().map(AsFd::as_fd);
            let came = signals.wait(awaited, left);
            for signal in came.cannot("wait for", "the process")? {
                pass_on(signal, self.process, self.plan.kind);
            }
            if caller.take_if(|caller| is_closed(caller)).is_some() {
                self.ask_to_end();
                last_moment = Some(now() + self.plan.supervision.kill_timeout);
            }
        }
    }

    /// Nobody waits for it any more. It may have been paused.
    fn ask_to_end(&self) {
        match self.joined {
            true => to_group(Signal::TERM, self.process),
            false => pass_on(libc::SIGTERM, self.process, self.plan.kind),
        }
        to_group(Signal::CONT, self.process);
    }

    /// Kills what would not end with us: the container goes on.
    fn kill_the_rest(&self) {
        if self.joined {
            to_group(Signal::KILL, self.process);
        }
    }
}

/// Whether nobody holds the other end of this non-blocking pipe.
fn is_closed(pipe: &OwnedFd) -> bool {
    matches!(rustix::io::read(pipe, &mut [0; 1]), Ok(0))
}

/// Waits until `time`, or until the knot is told to stop.
fn rest_until(time: Duration, signals: &Signals) -> Result<(), Failure> {
    while signals.stop().is_none() {
        let left = time.saturating_sub(now());
        if left.is_zero() {
            break;
        }
        signals
            .wait(None, Some(left))
            .cannot("wait for", "the next start")?;
    }
    Ok(())
}

fn now() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

/// Between -1 and 1.
fn jitter() -> f64 {
    let mut random = [0; 4];
    // Without random numbers the starts are just not spread.
    let _ = rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty());
    f64::from(i32::from_ne_bytes(random)) / f64::from(i32::MAX)
}
