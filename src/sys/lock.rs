//! POSIX record locks, which survive exec and say who holds them.
//!
//! Such a lock belongs to the process and is lost as soon as the process closes
//! *any* descriptor of the file: open a locked file once and keep it.

use std::io;
use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

/// What came of [`try_lock`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Locked {
    /// It is ours (and may have been before).
    Ours,
    /// This process has it.
    By(i32),
}

/// Takes the exclusive lock of the whole file, or says who has it.
pub fn try_lock(file: impl AsFd) -> io::Result<Locked> {
    loop {
        match fcntl(&file, FcntlArg::F_SETLK(&whole_file())) {
            Ok(_) => return Ok(Locked::Ours),
            Err(Errno::EAGAIN | Errno::EACCES) => {}
            Err(errno) => return Err(errno.into()),
        }
        if let Some(pid) = holder(&file)? {
            return Ok(Locked::By(pid));
        }
    }
}

/// Which other process holds a lock that [`try_lock`] took, if any does.
pub fn holder(file: impl AsFd) -> io::Result<Option<i32>> {
    let mut lock = whole_file();
    fcntl(&file, FcntlArg::F_GETLK(&mut lock))?;
    let held = lock.l_type != libc::F_UNLCK as libc::c_short;
    Ok(held.then_some(lock.l_pid))
}

fn whole_file() -> libc::flock {
    libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}
