//! `clone3`, used like `fork`, and `clone`, used like `vfork`: neither `nix` nor
//! `rustix` has them.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// `CLONE_INTO_CGROUP`, which does not fit the type that `libc` gives it.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// The two sides of [`fork`].
#[derive(Debug)]
pub enum Side {
    /// In the new process.
    Child,
    /// In the old one.
    Parent {
        /// The child's pid as the parent sees it.
        pid: i32,
        /// A descriptor of the child, close-on-exec.
        pidfd: OwnedFd,
    },
}

/// Makes a process that is a copy of this one, in the new namespaces that
/// `flags` (`CLONE_NEW…`) name, and in `cgroup` (v2, 5.7) if one is given.
///
/// The child's end is announced by SIGCHLD, and by its pidfd becoming readable.
///
/// # Safety
///
/// The caller must have only one thread. Then the child is an ordinary process
/// with a copy of everything, and may do what it likes.
pub unsafe fn fork(flags: i32, cgroup: Option<BorrowedFd<'_>>) -> io::Result<Side> {
    let mut pidfd: i32 = -1;
    // SAFETY: clone_args is plain integers, for which zero is valid.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = (flags | libc::CLONE_PIDFD) as u64;
    args.pidfd = &raw mut pidfd as u64;
    args.exit_signal = libc::SIGCHLD as u64;
    if let Some(cgroup) = cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = cgroup.as_raw_fd() as u64;
    }
    // SAFETY: args and pidfd live across the call; without CLONE_VM the child
    // has its own copy of the stack; one thread is the caller's promise.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw mut args, size_of_val(&args)) };
    match pid {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Side::Child),
        pid => Ok(Side::Parent {
            pid: pid as i32,
            // SAFETY: on success the kernel has put a new descriptor into pidfd.
            pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) },
        }),
    }
}

/// [`fork`] for a process that has only one thread, which is asked of the
/// kernel; `EINVAL` if there are more.
pub fn fork_alone(flags: i32, cgroup: Option<BorrowedFd<'_>>) -> io::Result<Side> {
    // SAFETY: unshare takes a plain flag. Of a process with one thread it
    // unshares nothing by this one, of any other it refuses: unshare(2).
    if unsafe { libc::unshare(libc::CLONE_VM) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: there is one thread, this one, so no other can begin one.
    unsafe { fork(flags, cgroup) }
}

/// Bytes of the stack of [`vfork`]'s child, which only makes system calls.
const STACK: usize = 32 * 1024;

/// Makes a process by the `CLONE_…` of `flags`, which runs `child` with
/// `argument` on a stack of its own, but in this process's memory: nothing is copied,
/// however much that is. This process goes on when the child has executed a program
/// or ended. Returns the child's pid as this process sees it, and its pidfd.
///
/// # Safety
///
/// `child` may only make system calls, and never returns; it may write to what
/// `argument` points to, and nothing else.
pub unsafe fn vfork(
    flags: i32,
    child: extern "C" fn(*mut libc::c_void) -> i32,
    argument: *mut libc::c_void,
) -> io::Result<(i32, OwnedFd)> {
    // u128 for the alignment.
    let mut stack = Vec::<u128>::with_capacity(STACK / size_of::<u128>());
    let mut pidfd: i32 = -1;
    let flags = flags | libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD | libc::SIGCHLD;
    // SAFETY: the stack grows down from its aligned end, and outlives the child's use of
    // this memory, since the call returns only after that; pidfd lives as long.
    let pid = unsafe {
        let top = stack.as_mut_ptr().add(stack.capacity()).cast();
        libc::clone(child, top, flags, argument, &raw mut pidfd)
    };
    match pid {
        -1 => Err(io::Error::last_os_error()),
        // SAFETY: on success the kernel has put a new descriptor into pidfd.
        pid => Ok((pid, unsafe { OwnedFd::from_raw_fd(pidfd) })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_to_fork_while_there_is_another_thread() {
        let (stop, wait) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || wait.recv());
        let err = fork_alone(0, None).unwrap_err();
        assert_eq!(err.raw_os_error(), Some(libc::EINVAL));
        drop(stop);
        assert!(thread.join().unwrap().is_err());
    }
}
