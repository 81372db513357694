//! Processes, pinned by descriptors.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{fstat, fstatfs};
use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions, pidfd_open, waitid};

/// `PIDFS_MAGIC`: from 6.9 on, each process's descriptors share an inode that
/// no other process of this boot has.
const PIDFS: u64 = 0x5049_4446;

/// A close-on-exec descriptor of the process that has this pid now.
pub fn open(pid: i32) -> io::Result<OwnedFd> {
    let pid = Pid::from_raw(pid).ok_or(io::ErrorKind::InvalidInput)?;
    Ok(pidfd_open(pid, PidfdFlags::empty())?)
}

/// The pid of the process, as our own `/proc` has it; none if it is gone.
pub fn pid(pidfd: impl AsFd) -> io::Result<Option<i32>> {
    let number = std::os::fd::AsRawFd::as_raw_fd(&pidfd.as_fd());
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{number}"))?;
    let line = info.lines().find_map(|line| line.strip_prefix("Pid:"));
    let pid: Option<i32> = line.and_then(|text| text.trim().parse().ok());
    match pid {
        Some(pid) => Ok((pid > 0).then_some(pid)),
        None => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// What was learned of a process; none if the reason not to learn it is that
/// there is no process of this pid.
pub fn unless_gone<T>(learned: io::Result<T>) -> io::Result<Option<T>> {
    match learned {
        Ok(it) => Ok(Some(it)),
        Err(err) if err.raw_os_error() == Some(libc::ESRCH) => Ok(None),
        // NotFound: of its files in /proc. Both: the id is that of a thread.
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(err) if err.kind() == io::ErrorKind::InvalidInput => Ok(None),
        Err(err) => Err(err),
    }
}

/// Whether the process has ended, reaped or not.
pub fn has_ended(pidfd: impl AsFd) -> bool {
    let mut ready = [PollFd::new(&pidfd, PollFlags::IN)];
    let now = rustix::event::Timespec::default();
    matches!(poll(&mut ready, Some(&now)), Ok(1))
}

/// The process's inode, where there is such a thing.
pub fn inode(pidfd: impl AsFd) -> io::Result<Option<u64>> {
    let pidfs = u64::try_from(fstatfs(&pidfd)?.f_type).is_ok_and(|kind| kind == PIDFS);
    Ok(if pidfs {
        Some(fstat(&pidfd)?.st_ino)
    } else {
        None
    })
}

/// When the process that has this pid now was started, in clock ticks since boot.
pub fn start_time(pid: i32) -> io::Result<u64> {
    // More than all fields up to that one can take: proc_pid_stat(5).
    let mut stat = [0; 1024];
    let length = File::open(format!("/proc/{pid}/stat"))?.read(&mut stat)?;
    let stat = String::from_utf8_lossy(&stat[..length]);
    // The second field is the program's name, which may hold anything.
    let after_name = stat.rsplit_once(')').map(|(_, rest)| rest);
    let field = after_name.and_then(|rest| rest.split_ascii_whitespace().nth(19));
    let ticks = field.and_then(|text| text.parse().ok());
    ticks.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Reaps the process if it is our child and has ended; a process that is not
/// our child is left to its parent.
pub fn reap(pidfd: impl AsFd) -> io::Result<()> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
    match waitid(WaitId::PidFd(pidfd.as_fd()), options) {
        Ok(_) | Err(rustix::io::Errno::CHILD) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Waits until the process has ended, and reaps it if it is our child.
pub fn wait(pidfd: impl AsFd) -> io::Result<()> {
    let mut ready = [PollFd::new(&pidfd, PollFlags::IN)];
    rustix::io::retry_on_intr(|| poll(&mut ready, None))?;
    reap(pidfd)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_time_of_a_process_does_not_change_and_is_not_its_childs() {
        let own = std::process::id() as i32;
        let before = start_time(own).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(30));
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        assert_eq!(start_time(own).unwrap(), before);
        assert!(start_time(child.id() as i32).unwrap() > before);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn descriptors_of_one_process_have_one_inode() {
        let own = std::process::id() as i32;
        let (a, b) = (open(own).unwrap(), open(own).unwrap());
        assert_eq!(inode(a).unwrap(), inode(b).unwrap());
    }

    #[test]
    fn tells_the_pid_for_as_long_as_there_is_the_process() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let number = child.id().cast_signed();
        let pidfd = open(number).unwrap();
        assert_eq!(pid(&pidfd).unwrap(), Some(number));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(pid(&pidfd).unwrap(), None);
    }

    #[test]
    fn leaves_alone_what_is_not_our_child() {
        reap(open(1).unwrap()).unwrap();
    }
}
