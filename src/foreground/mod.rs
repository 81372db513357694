//! Standing in, on the host, for a process in a container: what `lithos_cmd` and
//! `lithos_ctl exec` have in common.
//!
//! Signals are passed on, and so is what is typed and printed where a terminal is
//! part of it (`terminal`); whoever is to pause, pauses its process first; and
//! the exit status is the process's.

mod terminal;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::sys::signal::{SigSet, Signal, raise};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use quick_error::quick_error;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{FileType, fstat};
use rustix::io::Errno;
use rustix::process::pidfd_send_signal;

use crate::cause::Cause;
use crate::report::{End, Report};
use crate::sys::pidfd;
use crate::tree::launch::{self, Launched, Standard};

use terminal::{Exchange, HostTerminal};

/// The exit status of our own failure, as container engines have it.
pub const OUR_FAILURE: u8 = 125;

/// Passed on to the process.
const PASSED_ON: [Signal; 6] = [
    Signal::SIGTERM,
    Signal::SIGINT,
    Signal::SIGHUP,
    Signal::SIGQUIT,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
];

quick_error! {
    /// Why nobody stands in.
    #[derive(Debug)]
    pub enum ForegroundError {
        /// A system call.
        System(what: &'static str, err: io::Error) {
            display("cannot {}: {}", what, Cause(err))
            source(err)
        }
        /// A directory of the host, from which everything beside it can be reached.
        Directory(what: &'static str) {
            display("cannot hand in {}: it is a directory", what)
        }
    }
}

fn system<T>(
    what: &'static str,
    result: Result<T, impl Into<io::Error>>,
) -> Result<T, ForegroundError> {
    result.map_err(|err| ForegroundError::System(what, err.into()))
}

/// The signals to be passed on, which from now on are read here.
pub fn block_signals() -> Result<SignalFd, ForegroundError> {
    let others = [Signal::SIGWINCH, Signal::SIGTSTP];
    let set: SigSet = PASSED_ON.into_iter().chain(others).collect();
    system("block signals", set.thread_block())?;
    let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
    system("block signals", SignalFd::with_flags(&set, flags))
}

/// Lets the container go on, and attends to it until its knot, or joiner, has ended.
pub fn attend(launched: Launched, signals: &SignalFd) -> Result<(), ForegroundError> {
    let (knot, _gate) = launched.release();
    system("wait for the command", wait(&knot, signals, None))
}

/// The same with our standard input and output, and a terminal of the container's
/// own in place of each that is one. `launch` is given what to hand on.
pub fn attend_interactive<E: From<ForegroundError>>(
    signals: &SignalFd,
    launch: impl FnOnce(&Standard<'_>) -> Result<Launched, E>,
) -> Result<(), E> {
    let null = system("open /dev/null", std::fs::File::open("/dev/null"))?;
    let mut host = HostTerminal::find();
    let hand_over = system("make a socket", terminal::hand_over())?;
    let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
    let replaced = host.numbers();
    let mut three = [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()];
    refuse_directories(three)?;
    for &number in &replaced {
        three[number as usize] = null.as_fd();
    }
    let standard = Standard {
        three,
        terminal: (!replaced.is_empty()).then_some(hand_over.container.as_fd()),
        replaced,
    };
    let launched = launch(&standard)?;
    let wanted = standard.terminal.is_some();
    drop(standard);
    let exchange = match wanted {
        true => hand_over
            .receive()
            .map(|master| Exchange::begin(master, &mut host)),
        false => None,
    };
    let exchange = exchange
        .transpose()
        .inspect_err(|_| launch::undo(&launched.pidfd));
    let mut exchange = system("use the terminal", exchange)?;
    let (knot, _gate) = launched.release();
    let waited = wait(&knot, signals, exchange.as_mut());
    Ok(system("wait for the command", waited)?)
}

fn refuse_directories(three: [BorrowedFd<'_>; 3]) -> Result<(), ForegroundError> {
    let names = ["standard input", "standard output", "standard error"];
    for (fd, name) in three.into_iter().zip(names) {
        let found = system("look at standard input and output", fstat(fd))?;
        if FileType::from_raw_mode(found.st_mode) == FileType::Directory {
            return Err(ForegroundError::Directory(name));
        }
    }
    Ok(())
}

/// Passes on signals, and what goes through the terminal, until the knot has
/// ended.
fn wait(
    knot: &OwnedFd,
    signals: &SignalFd,
    mut exchange: Option<&mut Exchange<'_>>,
) -> io::Result<()> {
    loop {
        let mut fds = vec![
            PollFd::new(knot, PollFlags::IN),
            PollFd::new(signals, PollFlags::IN),
        ];
        let timeout = exchange.as_ref().and_then(|exchange| {
            fds.extend(exchange.awaited());
            exchange.timeout()
        });
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let ended = !fds[0].revents().is_empty();
        drop(fds);
        while let Some(info) = signals.read_signal()? {
            match (
                Signal::try_from(info.ssi_signo.cast_signed()),
                &mut exchange,
            ) {
                (Ok(Signal::SIGTSTP), exchange) => pause(knot, exchange.as_deref_mut()),
                (Ok(Signal::SIGWINCH), Some(exchange)) => exchange.resize(),
                (Ok(Signal::SIGWINCH) | Err(_), _) => {}
                (Ok(signal), _) => pass_on(signal, knot),
            }
        }
        if let Some(exchange) = &mut exchange {
            exchange.go_on();
        }
        if ended {
            if let Some(exchange) = exchange {
                exchange.finish();
            }
            return pidfd::reap(knot);
        }
    }
}

/// Job control from outside: the process pauses, the terminal is given back, and
/// we stop, until somebody continues us.
fn pause(knot: &OwnedFd, exchange: Option<&mut Exchange<'_>>) {
    pass_on(Signal::SIGTSTP, knot);
    match exchange {
        None => stop(),
        Some(exchange) => {
            exchange.give_back();
            stop();
            exchange.take_again();
        }
    }
    pass_on(Signal::SIGCONT, knot);
}

fn stop() {
    // It cannot fail: neither the signal nor its target can be wrong.
    let _ = raise(Signal::SIGSTOP);
}

fn pass_on(signal: Signal, knot: &OwnedFd) {
    if let Some(signal) = rustix::process::Signal::from_named_raw(signal as i32) {
        // It fails only if the knot has just ended.
        let _ = pidfd_send_signal(knot, signal);
    }
}

/// What the last report comes to: the exit status, and an error if there is one to
/// be shown. None: it was not seen how it ended.
pub fn status(report: Option<Report>) -> Option<u8> {
    match report {
        Some(Report::Ended { end, .. }) => Some(match end {
            End::Exited(status) => status,
            End::Signalled(signal) => 128u8.wrapping_add(signal as u8),
        }),
        Some(Report::Failed {
            reason,
            hint,
            status,
            ..
        }) => {
            eprintln!("error: {reason}");
            if let Some(hint) = hint {
                eprintln!("hint: {hint}");
            }
            Some(status)
        }
        Some(Report::Started { .. }) | None => None,
    }
}
