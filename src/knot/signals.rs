//! Signals and ends of processes, as events to wait for.
//!
//! The knot is pid 1 of its pid namespace: a signal that it neither blocks nor
//! handles does not reach it at all, SIGKILL and SIGSTOP from outside excepted.
//! So all are blocked, from the first moment on, and read from a descriptor.

use std::cell::Cell;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::sys::signal::SigSet;
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitOptions, kill_process, kill_process_group, wait, waitid,
};

use crate::config::process::Kind;
use crate::report::End;

/// The signals sent to this process.
pub struct Signals {
    source: SignalFd,
    heeded: Sender,
    stop: Cell<Option<Number>>,
}

/// Whose signals count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// Only of processes outside of our pid namespace.
    Outside,
    /// Of all.
    Anybody,
}

/// A signal that came from outside the container.
pub type Number = i32;

impl Signals {
    /// Blocks every signal and collects them from now on.
    pub fn block(heeded: Sender) -> io::Result<Self> {
        let all = SigSet::all();
        all.thread_block()?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        Ok(Self {
            source: SignalFd::with_flags(&all, flags)?,
            heeded,
            stop: Cell::new(None),
        })
    }

    /// The signal that has asked to stop, if one has, ever.
    pub fn stop(&self) -> Option<Number> {
        self.stop.get()
    }

    /// Waits until `other` has something to read, a signal has come, or
    /// `timeout` is over. SIGCHLD only ends the wait; see [`reap`].
    pub fn wait(
        &self,
        other: Option<BorrowedFd<'_>>,
        timeout: Option<Duration>,
    ) -> io::Result<Vec<Number>> {
        let timeout = timeout.map(|time| Timespec {
            tv_sec: time.as_secs() as i64,
            tv_nsec: time.subsec_nanos().into(),
        });
        let signals = self.source.as_fd();
        let mut fds = vec![PollFd::from_borrowed_fd(signals, PollFlags::IN)];
        fds.extend(other.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => self.pending(),
            Err(err) => Err(err.into()),
        }
    }

    /// The signals that have come, without waiting.
    pub fn pending(&self) -> io::Result<Vec<Number>> {
        let mut came = Vec::new();
        while let Some(info) = self.source.read_signal()? {
            // What is sent from within the container has its sender's pid, and
            // is none of the knot's business.
            let heeded = info.ssi_pid == 0 || self.heeded == Sender::Anybody;
            if heeded && info.ssi_signo != libc::SIGCHLD as u32 {
                let signal = info.ssi_signo as Number;
                if matches!(signal, libc::SIGTERM | libc::SIGINT) {
                    self.stop.set(Some(signal));
                }
                came.push(signal);
            }
        }
        Ok(came)
    }
}

/// What a signal to the knot means for the process: a daemon's SIGINT is SIGTERM,
/// a command that is to pause does so with the processes it has begun, and the
/// rest is passed on as it is.
pub fn pass_on(signal: Number, process: Pid, kind: Kind) {
    let Some(signal) = Signal::from_named_raw(signal) else {
        return;
    };
    let signal = match (kind, signal) {
        (Kind::Daemon, Signal::INT) => Signal::TERM,
        // SIGTSTP is ignored in its group, which has no parent in its session.
        (Kind::Command, Signal::TSTP) => return to_group(Signal::STOP, process),
        (Kind::Command, Signal::CONT) => return to_group(Signal::CONT, process),
        (_, signal) => signal,
    };
    // It fails only if the process has just ended.
    let _ = kill_process(process, signal);
}

/// Sends a signal to the process and to those of its group, whose leader it is.
///
/// To be called before it is buried: then nobody else can have its number.
pub fn to_group(signal: Signal, process: Pid) {
    // It fails only if they have all just ended.
    let _ = kill_process_group(process, signal);
}

/// Whether it has ended and is not yet buried.
pub fn has_ended(process: Pid) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    matches!(waitid(WaitId::Pid(process), options), Ok(Some(_)))
}

/// Buries every process that has ended; how `process` did, if it is among them.
pub fn reap(process: Pid) -> Option<End> {
    let mut end = None;
    while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
        if pid != process {
            continue;
        }
        end = match (status.exit_status(), status.terminating_signal()) {
            (Some(status), _) => Some(End::Exited(status as u8)),
            (_, Some(signal)) => Some(End::Signalled(signal)),
            _ => None,
        };
    }
    end
}
