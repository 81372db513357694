//! Namespaces, by descriptor.

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use nix::sched::{CloneFlags, setns};
use rustix::fs::fstat;

/// Moves this thread into namespaces of these kinds: those of the process that
/// `of` is a pidfd of (5.8), all or none; or the one that `of` is open on.
///
/// A pid namespace is that of the children from now on.
pub fn join(of: impl AsFd, kinds: CloneFlags) -> io::Result<()> {
    Ok(setns(of, kinds)?)
}

/// The user namespace that is the parent of the one `namespace` is open on.
///
/// # Errors
///
/// `EPERM` if it is outside of our own.
pub fn parent(namespace: impl AsFd) -> io::Result<OwnedFd> {
    // SAFETY: NS_GET_PARENT takes no argument; ioctl_ns(2).
    match unsafe { libc::ioctl(namespace.as_fd().as_raw_fd(), libc::NS_GET_PARENT) } {
        -1 => Err(io::Error::last_os_error()),
        // SAFETY: on success it is a new descriptor, close-on-exec, that nobody owns.
        fd => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
    }
}

/// Whether both are open on the same namespace.
pub fn is_same(one: impl AsFd, other: impl AsFd) -> io::Result<bool> {
    let (one, other) = (fstat(one)?, fstat(other)?);
    Ok((one.st_dev, one.st_ino) == (other.st_dev, other.st_ino))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::forked::{as_root, in_child};
    use std::fs::File;

    fn own(kind: &str) -> File {
        File::open(format!("/proc/self/ns/{kind}")).unwrap()
    }

    #[test]
    fn a_namespace_is_the_same_however_often_it_is_opened() {
        assert!(is_same(own("user"), own("user")).unwrap());
        assert!(!is_same(own("user"), own("uts")).unwrap());
    }

    #[test]
    fn the_parent_of_a_new_user_namespace_is_the_old_one() {
        if !as_root() {
            return;
        }
        let said = in_child(|| {
            let old = own("user");
            nix::sched::unshare(CloneFlags::CLONE_NEWUSER).unwrap();
            let found = parent(own("user"));
            // From inside, what is outside cannot be had.
            let refused = found.unwrap_err().raw_os_error();
            join(&old, CloneFlags::CLONE_NEWUSER).unwrap_err();
            format!("{refused:?}")
        });
        assert_eq!(said, format!("{:?}", Some(libc::EPERM)));
        // Ours may itself be the first one.
        let child = std::process::Command::new("unshare")
            .args(["--user", "sleep", "60"])
            .spawn();
        let mut child = child.unwrap();
        let path = format!("/proc/{}/ns/user", child.id());
        let theirs = (0..3000).find_map(|_| {
            let theirs = File::open(&path).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(10));
            (!is_same(&theirs, own("user")).unwrap()).then_some(theirs)
        });
        let same = is_same(parent(theirs.unwrap()).unwrap(), own("user")).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(same);
    }
}
