//! File descriptors that cross an exec, and those that must not.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};

use rustix::io::fcntl_dupfd_cloexec;

/// Takes ownership of these descriptors that this process was started with,
/// makes them close-on-exec, and closes every other but 0, 1 and 2. A number that occurs twice, is 0, 1 or 2, or is
/// not open is refused with `EBADF`.
///
/// To be called once, before the process opens anything of its own.
pub fn adopt_inherited(numbers: &[RawFd]) -> io::Result<Vec<OwnedFd>> {
    let mut seen = BTreeSet::new();
    for &number in numbers {
        // SAFETY: fcntl of a plain number changes no memory.
        let open = unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) } == 0;
        if number <= 2 || !open || !seen.insert(number) {
            return Err(io::Error::from_raw_os_error(libc::EBADF));
        }
    }
    let mut first = 3;
    for &number in &seen {
        close_range(first, number as u32 - 1)?;
        first = number as u32 + 1;
    }
    close_range(first, u32::MAX)?;
    // SAFETY: each number is open and taken once, and it is early: none of
    // them belongs to something that the process itself has opened.
    let own = |&number| unsafe { OwnedFd::from_raw_fd(number) };
    Ok(numbers.iter().map(own).collect())
}

fn close_range(first: u32, last: u32) -> io::Result<()> {
    if first > last {
        return Ok(());
    }
    apply_to_range(first, last, 0)
}

/// Marks every open descriptor close-on-exec.
pub fn close_all_on_exec() -> io::Result<()> {
    apply_to_range(0, u32::MAX, libc::CLOSE_RANGE_CLOEXEC)
}

/// `close_range` (5.9; with a flag 5.11).
fn apply_to_range(first: u32, last: u32, flags: libc::c_uint) -> io::Result<()> {
    // SAFETY: it takes plain numbers. Where it closes, the caller knows that
    // nothing owns a descriptor in the range.
    match unsafe { libc::syscall(libc::SYS_close_range, first, last, flags) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Makes 0, 1 and 2 what `instead` is.
pub fn give_up_standard(instead: impl AsFd) -> io::Result<()> {
    rustix::stdio::dup2_stdin(&instead)?;
    rustix::stdio::dup2_stdout(&instead)?;
    Ok(rustix::stdio::dup2_stderr(&instead)?)
}

/// Puts each descriptor at its number, without close-on-exec, for the program
/// about to be executed. What was open at these numbers is closed.
///
/// Other values which own one of these numbers must not be used any more, nor
/// dropped; 0, 1 and 2 have no owner.
pub fn place(wanted: Vec<(RawFd, OwnedFd)>) -> io::Result<()> {
    // First out of the way of every number, so that none is overwritten
    // before it has been placed itself.
    let (targets, sources): (Vec<RawFd>, Vec<OwnedFd>) = wanted.into_iter().unzip();
    let above = targets.iter().map(|number| number + 1).max().unwrap_or(0);
    let moved = sources
        .iter()
        .map(|fd| Ok(fcntl_dupfd_cloexec(fd, above)?))
        .collect::<io::Result<Vec<_>>>()?;
    for (&number, fd) in targets.iter().zip(moved) {
        // SAFETY: both are plain numbers; the caller gives up what was at `number`.
        if unsafe { libc::dup2(fd.as_raw_fd(), number) } < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    for fd in sources {
        if targets.contains(&fd.as_raw_fd()) {
            // It was closed when its number was taken.
            std::mem::forget(fd);
        }
    }
    Ok(())
}
