//! What of Landlock the kernel has; the `landlock` crate does the rest.

use std::io;
use std::ptr;

/// `LANDLOCK_CREATE_RULESET_VERSION` of `linux/landlock.h`.
const VERSION: u32 = 1;

/// The version of the kernel's interface; an error where there is no Landlock
/// (ENOSYS), or where it was not turned on at boot (EOPNOTSUPP).
pub fn abi() -> io::Result<u32> {
    // SAFETY: with this flag the kernel reads neither pointer nor size.
    let version = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            ptr::null::<u8>(),
            0_usize,
            VERSION,
        )
    };
    u32::try_from(version).map_err(|_| io::Error::last_os_error())
}
