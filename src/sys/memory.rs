//! Memory that does not get to swap.

use std::io;

/// Locks all memory that this process has now, and, with `future`, what it
/// will get. An exec ends it.
///
/// With `future`, memory beyond RLIMIT_MEMLOCK is refused from now on.
pub fn lock_all(future: bool) -> io::Result<()> {
    let flags = libc::MCL_CURRENT | if future { libc::MCL_FUTURE } else { 0 };
    // SAFETY: it takes plain flags and changes no memory.
    match unsafe { libc::mlockall(flags) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
