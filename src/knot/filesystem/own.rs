//! The container's own small tmpfs: its `!Statedir` volumes, the files made
//! for it, and what is mounted over paths it must not see.
//!
//! It is never visible as a whole; each of its directories is a tree apart, so
//! that no volume can hold, or clash with, what is not its own.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Component, Path};

use rustix::fs::{Gid, Mode, OFlags, Uid, fchmod, fchown, mkdirat, openat};
use rustix::io::Errno;

use super::{Attempt, Failure, Shape};
use crate::resolve::plan::Owner;
use crate::sys::mount::{self, NODEV, NOEXEC, NOSUID, READONLY};

/// What keeps a process from filling the machine's memory with it.
const OPTIONS: &[(&str, &str)] = &[("size", "16m"), ("nr_inodes", "16k"), ("mode", "0755")];

const WALK: OFlags = OFlags::PATH
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// See the [module](self).
pub struct OwnTmpfs {
    volumes: OwnedFd,
    files: OwnedFd,
    empty_directory: OwnedFd,
    empty_file: OwnedFd,
}

impl OwnTmpfs {
    /// Makes it and attaches it to `mount_dir`, since parts of it can be
    /// mounted elsewhere only then. The image comes on top of it, and both
    /// leave with the old root.
    pub fn attach(mount_dir: &Path) -> Result<Self, Failure> {
        let attributes = NOSUID | NODEV | NOEXEC;
        let top = mount::new_filesystem("tmpfs", OPTIONS, attributes)
            .cannot("make", "the container's own tmpfs")?;
        let target = mount::open_directory(mount_dir).cannot_at("open", mount_dir)?;
        mount::attach(&top, target).cannot_at("mount a tmpfs on", mount_dir)?;
        Self::lay_out(&top).cannot("lay out", "the container's own tmpfs")
    }

    fn lay_out(top: &OwnedFd) -> io::Result<Self> {
        let create = OFlags::CREATE | OFlags::EXCL | OFlags::RDONLY | OFlags::CLOEXEC;
        Ok(Self {
            volumes: make_directory(top, Path::new("volumes"))?,
            files: make_directory(top, Path::new("files"))?,
            empty_directory: make_directory(top, Path::new("empty-directory"))?,
            empty_file: openat(top, "empty-file", create, Mode::from_raw_mode(0o444))?,
        })
    }

    /// A directory for a `!Statedir` volume, made with its parents.
    pub fn volume(&self, below: &Path, owner: &Owner) -> io::Result<OwnedFd> {
        let mut directory = openat(&self.volumes, ".", WALK, Mode::empty())?;
        for component in below.components() {
            match component {
                Component::Normal(name) => {
                    directory = make_directory(&directory, Path::new(name))?;
                }
                Component::CurDir | Component::RootDir => {}
                _ => return Err(Errno::XDEV.into()),
            }
        }
        own(&directory, owner)?;
        mount::clone_of(directory, mount::Attributes::empty())
    }

    /// A read-only file holding `content`.
    pub fn file(&self, name: &str, content: &[u8]) -> io::Result<OwnedFd> {
        let create = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        let mut file = std::fs::File::from(openat(
            &self.files,
            name,
            create,
            Mode::from_raw_mode(0o644),
        )?);
        io::Write::write_all(&mut file, content)?;
        mount::clone_of(file, READONLY)
    }

    /// Nothing, to be mounted over something.
    pub fn mask(&self, shape: Shape) -> io::Result<OwnedFd> {
        let source = match shape {
            Shape::Directory => &self.empty_directory,
            Shape::File => &self.empty_file,
        };
        mount::clone_of(source, READONLY)
    }
}

/// Opens a directory, making it if it is missing.
fn make_directory(parent: &OwnedFd, name: &Path) -> io::Result<OwnedFd> {
    match mkdirat(parent, name, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => Ok(openat(parent, name, WALK, Mode::empty())?),
        Err(err) => Err(err.into()),
    }
}

/// Gives a directory to `owner`.
pub fn own(directory: &OwnedFd, owner: &Owner) -> io::Result<()> {
    // The descriptor may be one that only names the directory.
    let directory = openat(
        directory,
        ".",
        OFlags::RDONLY | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    let (uid, gid) = (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid));
    fchown(&directory, Some(uid), Some(gid))?;
    fchmod(&directory, Mode::from_raw_mode(owner.mode))?;
    Ok(())
}
