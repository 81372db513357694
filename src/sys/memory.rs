//! Memory that does not get to swap.

use std::io;

/// Locks all memory that this process has now, and, with `future`, what it
/// will get. An exec ends it.
///
/// Pages that nothing has been written to or read from yet are locked when that
/// happens (4.4), so that no time is lost with those of the program that are never
/// used.
///
/// With `future`, memory beyond RLIMIT_MEMLOCK is refused from now on.
pub fn lock_all(future: bool) -> io::Result<()> {
    let flags = libc::MCL_CURRENT | libc::MCL_ONFAULT | if future { libc::MCL_FUTURE } else { 0 };
    // SAFETY: it takes plain flags and changes no memory.
    match unsafe { libc::mlockall(flags) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
