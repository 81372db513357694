//! What the supervisor is told by signals, as a descriptor to poll.
//!
//! The signals are blocked, so none is lost across the exec of a reload in
//! place: it stays pending for the new program.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// Something asked for by a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// SIGTERM, SIGINT: stop every container, then exit.
    Stop,
    /// SIGUSR1: exit, and leave the containers running.
    Detach,
    /// SIGHUP, SIGQUIT: reload in place.
    Reload,
}

const REQUESTS: [(Signal, Request); 5] = [
    (Signal::SIGTERM, Request::Stop),
    (Signal::SIGINT, Request::Stop),
    (Signal::SIGUSR1, Request::Detach),
    (Signal::SIGHUP, Request::Reload),
    (Signal::SIGQUIT, Request::Reload),
];

/// The blocked signals.
#[derive(Debug)]
pub struct Signals(SignalFd);

impl Signals {
    /// Blocks the signals; from now on they are read here.
    pub fn block() -> io::Result<Self> {
        let set: SigSet = REQUESTS.iter().map(|(signal, _)| *signal).collect();
        set.thread_block()?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        Ok(Self(SignalFd::with_flags(&set, flags)?))
    }

    /// The next request, if there is one.
    pub fn next(&self) -> io::Result<Option<Request>> {
        let info = self.0.read_signal()?;
        Ok(info.and_then(|info| {
            let is_it = |signal: Signal| i32::try_from(info.ssi_signo) == Ok(signal as i32);
            let found = REQUESTS.iter().find(|(signal, _)| is_it(*signal));
            found.map(|(_, request)| *request)
        }))
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
