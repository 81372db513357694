//! The process's life: executed, waited for, and, with `restart-process-only`,
//! executed again in the kept container.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use rustix::process::Pid;
use rustix::time::{ClockId, clock_gettime};

use super::child;
use super::failure::{Attempt, Failure};
use super::notice::Notices;
use super::process::Start;
use super::signals::{Signals, pass_on, reap};
use crate::report::End;
use crate::resolve::plan::Plan;
use crate::sys::capability::{self, CapabilitySet};
use crate::sys::{descriptor, mount};
use crate::tree::backoff::History;
use crate::tree::machine::Ending;

/// What a knot that only waits needs: to signal its process.
const TO_WAIT: CapabilitySet = CapabilitySet::KILL;

/// What it needs to make another process: to map its ids, 0 among them.
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
    let process = start.process(signals)?;
    notices.started(start.confinement.landlock());
    // Key files and all else that only a start needs are closed.
    let cgroup = start.into_cgroup();
    give_up_all_but(TO_WAIT, CapabilitySet::empty())?;
    if let Some(end) = wait_for(process, plan, caller, signals)? {
        let memory = cgroup.out_of_memory(plan.cgroup.as_ref(), 0);
        notices.ended(end, Some(now() - began), memory);
    }
    Ok(())
}

/// Runs the process until the knot is told to stop. What the process has left
/// behind in the container stays, its own children included.
pub fn again_and_again(
    start: &Start<'_>,
    signals: &Signals,
    notices: &mut Notices,
) -> Result<(), Failure> {
    let supervision = &start.plan.supervision;
    let mut history = History::default();
    loop {
        let (began, killed) = (now(), start.cgroup.killed_for_memory());
        history.started = Some(began);
        let process = start.process(signals)?;
        notices.started(start.confinement.landlock());
        if history.starts == 0 {
            let granted = start.confinement.granted_by_host();
            give_up_all_but(to_start_in(start) | granted, granted)?;
        }
        history.starts += 1;
        let Some(end) = wait_for(process, start.plan, None, signals)? else {
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
    let null = || child::open_null(&root);
    let standard = vec![(0, null()?), (1, null()?), (2, null()?)];
    descriptor::place(standard).cannot("close", "standard input and output")?;
    capability::bound_to(bound).cannot("empty", "the capability bounding set")?;
    capability::keep_only(kept).cannot("drop", "the capabilities")
}

/// How the process ended; none: it outlives its caller, which ends it.
fn wait_for(
    process: Pid,
    plan: &Plan,
    mut caller: Option<OwnedFd>,
    signals: &Signals,
) -> Result<Option<End>, Failure> {
    let mut last_moment = None;
    loop {
        if let Some(end) = reap(process) {
            return Ok(Some(end));
        }
        let left = last_moment.map(|at: Duration| at.saturating_sub(now()));
        if left.is_some_and(|left| left.is_zero()) {
            return Ok(None);
        }
        let awaited = caller.as_ref().map(AsFd::as_fd);
        let came = signals.wait(awaited, left);
        for signal in came.cannot("wait for", "the process")? {
            pass_on(signal, process, plan.kind);
        }
        if caller.take_if(|caller| is_closed(caller)).is_some() {
            pass_on(libc::SIGTERM, process, plan.kind);
            last_moment = Some(now() + plan.supervision.kill_timeout);
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
