//! The kernel's key rings: keyctl(2).

use std::io;
use std::ptr;

/// `KEYCTL_JOIN_SESSION_KEYRING` of `linux/keyctl.h`.
const JOIN_SESSION_KEYRING: libc::c_int = 1;

/// Leaves the session key ring that this process was started with for a new,
/// empty one, which belongs to its present user.
///
/// Where there are none (ENOSYS), or where whoever started this process keeps
/// keys from it (EPERM: a seccomp filter, since joining needs no right), there
/// is nothing to leave that it could reach.
pub fn join_new_session() -> io::Result<()> {
    // SAFETY: the name is null, for a key ring without one; nothing is written.
    let result = unsafe {
        libc::syscall(
            libc::SYS_keyctl,
            JOIN_SESSION_KEYRING,
            ptr::null::<libc::c_char>(),
        )
    };
    if result >= 0 {
        return Ok(());
    }
    let err = io::Error::last_os_error();
    match err.raw_os_error() {
        Some(libc::ENOSYS | libc::EPERM) => Ok(()),
        _ => Err(err),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::forked::in_child;

    /// The serial number of the session key ring, `KEYCTL_GET_KEYRING_ID`.
    fn session() -> io::Result<i64> {
        // SAFETY: it takes plain numbers.
        let serial = unsafe { libc::syscall(libc::SYS_keyctl, 0, -3, 1) };
        match serial {
            -1 => Err(io::Error::last_os_error()),
            serial => Ok(serial),
        }
    }

    #[test]
    fn nothing_of_the_session_before_is_left() {
        if let Err(err) = session() {
            eprintln!("SKIP: no key rings here: {err}");
            return;
        }
        let report = in_child(|| {
            let before = session().unwrap();
            let still = session().unwrap();
            join_new_session().unwrap();
            format!("{} {}", before == still, before == session().unwrap())
        });
        assert_eq!(report, "true false");
    }
}
