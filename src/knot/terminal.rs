//! A terminal of the container's own, for a command that someone runs.
//!
//! It is made on the container's devpts; its master side goes to whoever runs
//! the command. The terminal of the host never comes in here.
//!
//! Whoever leads a session without a terminal makes one its own by opening it, and
//! nobody else can have that any more. So it belongs to nobody in the container until
//! the process for which it is made has taken control of it.

use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags, Uid, fchown};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use rustix::process::ioctl_tiocsctty;
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, unlockpt};

use super::failure::{Attempt, Failure};
use super::owner::Owner;
use crate::resolve::plan::Ids;
use crate::sys::beneath::{open_beneath, open_in_root};
use crate::sys::mount;

/// That a terminal is wanted.
pub struct Request {
    /// Where its master side is sent.
    pub socket: OwnedFd,
    /// Which of 0, 1 and 2 it takes the place of.
    pub replaced: Vec<RawFd>,
}

/// The container's side of the terminal.
pub struct Terminal {
    slave: OwnedFd,
    replaced: Vec<RawFd>,
}

impl Terminal {
    /// Makes it inside the container, belonging to the owner.
    pub fn make(wanted: Request, owner: Owner) -> Result<Self, Failure> {
        let root = mount::open_directory(Path::new("/")).cannot("open", "/")?;
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let pts = open_in_root(root, Path::new("/dev/pts"), flags, Mode::empty());
        let pts = pts.cannot("open", "/dev/pts in the container")?;
        let flags = OFlags::RDWR | OFlags::NOCTTY;
        // It is never root's, whom the container may have.
        let master = owner.make(|| open_beneath(&pts, Path::new("ptmx"), flags));
        let master = master.cannot("open", "/dev/pts/ptmx in the container")?;
        unlockpt(&master).cannot("make", "a terminal")?;
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let slave = ioctl_tiocgptpeer(&master, flags).cannot("make", "a terminal")?;
        send(&wanted.socket, &master).cannot("hand over", "the terminal")?;
        Ok(Self {
            slave,
            replaced: wanted.replaced,
        })
    }

    /// Gives it to the process's user, who can open it from now on.
    pub fn give_to(&self, ids: &Ids) -> Result<(), Failure> {
        let user = Some(Uid::from_raw(ids.host_uid));
        fchown(&self.slave, user, None).cannot("give the terminal to user", ids.host_uid)
    }

    /// A copy, if it takes the place of this number.
    pub fn instead_of(&self, number: RawFd) -> Option<Result<OwnedFd, Failure>> {
        let copy = || self.slave.try_clone().cannot("pass", "the terminal");
        self.replaced.contains(&number).then(copy)
    }

    /// Makes it the controlling terminal of this process's session.
    pub fn control(&self) -> Result<(), Failure> {
        ioctl_tiocsctty(&self.slave).cannot("take control of", "the terminal")
    }
}

fn send(socket: &OwnedFd, fd: &OwnedFd) -> rustix::io::Result<()> {
    let fds = [fd.as_fd()];
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&fds));
    let byte = [rustix::io::IoSlice::new(b"!")];
    sendmsg(socket, &byte, &mut control, SendFlags::NOSIGNAL).map(drop)
}
