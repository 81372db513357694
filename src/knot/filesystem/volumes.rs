//! The four kinds of volumes.
//!
//! A host directory is opened beneath the sandbox's own directory, and what was
//! opened is what gets mounted.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{
    AtFlags, Dir, Mode, OFlags, RenameFlags, mkdirat, openat, renameat_with, unlinkat,
};
use rustix::io::Errno;

use super::own::own;
use super::{Attempt, Failure, Shape, Site, shape_of};
use crate::resolve::plan::{HostPath, Owner};
use crate::sys::beneath::open_beneath;
use crate::sys::mount::{self, Attributes, NODEV, NOEXEC, NOSUID, READONLY};

pub fn mount_readonly(site: &Site<'_>, target: &Path, host: &HostPath) -> Result<(), Failure> {
    let source = open(host, target, None)?;
    bind(site, source, host, target, of_host(site) | READONLY)
}

pub fn mount_persistent(
    site: &Site<'_>,
    target: &Path,
    host: &HostPath,
    make: Option<&Owner>,
) -> Result<(), Failure> {
    let source = open(host, target, make)?;
    bind(site, source, host, target, of_host(site))
}

/// What the volumes that lie on the host have in common.
fn of_host(site: &Site<'_>) -> Attributes {
    let confinement = site.plan.confinement.as_ref();
    match confinement.is_some_and(|confinement| confinement.exec_volumes) {
        true => NOSUID | NODEV,
        false => NOSUID | NODEV | NOEXEC,
    }
}

pub fn mount_tmpfs(site: &Site<'_>, target: &Path, size: u64, mode: u32) -> Result<(), Failure> {
    let (inodes, size) = (inodes(size).to_string(), size.to_string());
    let mode = format!("{mode:04o}");
    let options = [
        ("size", size.as_str()),
        ("nr_inodes", inodes.as_str()),
        ("mode", mode.as_str()),
    ];
    let tmpfs = mount::new_filesystem("tmpfs", &options, NOSUID | NODEV)
        .cannot("make a tmpfs for", target.display())?;
    site.attach(&tmpfs, target, Shape::Directory)
}

/// As many files as the pages of a tmpfs are: each takes memory of the kernel's besides
/// its size, and without a bound half of the machine's could be taken by empty ones.
fn inodes(size: u64) -> u64 {
    const PAGE: u64 = 4096;
    const LEAST: u64 = 1024;
    LEAST.max(size / PAGE)
}

pub fn mount_statedir(
    site: &Site<'_>,
    target: &Path,
    below: &Path,
    owner: &Owner,
) -> Result<(), Failure> {
    let directory = site.own.volume(below, owner);
    let directory = directory.cannot_at("make the directory of the !Statedir", target)?;
    site.attach(&directory, target, Shape::Directory)
}

fn bind(
    site: &Site<'_>,
    source: OwnedFd,
    host: &HostPath,
    target: &Path,
    attributes: Attributes,
) -> Result<(), Failure> {
    let path = host.base.join(&host.below);
    let shape = shape_of(&source).cannot_at("look at", &path)?;
    let shape = shape.ok_or_else(|| Failure::Kind {
        action: "mount",
        object: path.display().to_string(),
        fault: "it is neither a directory nor a regular file",
        hint: "a volume is a directory, or a regular file on a regular file",
    })?;
    let volume = mount::clone_of(source, attributes).cannot_at("mount", &path)?;
    site.attach(&volume, target, shape)
}

fn open(host: &HostPath, target: &Path, make: Option<&Owner>) -> Result<OwnedFd, Failure> {
    let failure = |path: &Path| {
        let (host, target) = (path.to_owned(), target.to_owned());
        move |cause| Failure::Volume {
            host,
            target,
            cause,
        }
    };
    let base = mount::open_directory(&host.base).map_err(failure(&host.base))?;
    if let Some(owner) = make {
        make_missing(&base, &host.below, owner).map_err(failure(&host.base.join(&host.below)))?;
    }
    open_beneath(&base, &host.below, OFlags::PATH).map_err(failure(&host.base.join(&host.below)))
}

/// Makes the directories of `below` that are missing, and gives only those to
/// `owner`.
fn make_missing(base: &OwnedFd, below: &Path, owner: &Owner) -> io::Result<()> {
    let mut done = PathBuf::new();
    for component in below.components() {
        let Component::Normal(name) = component else {
            return Err(Errno::XDEV.into());
        };
        let parent = open_beneath(base, &done, OFlags::PATH | OFlags::DIRECTORY)?;
        done.push(name);
        match open_beneath(base, &done, OFlags::PATH | OFlags::DIRECTORY) {
            Err(err) if err.kind() == io::ErrorKind::NotFound => {
                make_directory(&parent, Path::new(name), owner)?;
            }
            outcome => drop(outcome?),
        }
    }
    Ok(())
}

/// Gives away a directory that was just made. Whoever can write where it lies may
/// have put another in its place, so it must be empty as the new one is.
fn own_empty(directory: &OwnedFd, owner: &Owner) -> io::Result<()> {
    let nothing_else = |name: &[u8]| name == b"." || name == b"..";
    for entry in Dir::read_from(directory)? {
        if !nothing_else(entry?.file_name().to_bytes()) {
            return Err(Errno::NOTEMPTY.into());
        }
    }
    own(directory, owner)
}

/// Makes a directory with its owner and mode at once, by way of a name that
/// nobody else uses: a knot that is killed meanwhile leaves no directory of
/// the right name and the wrong owner.
fn make_directory(parent: &OwnedFd, name: &Path, owner: &Owner) -> io::Result<()> {
    let mut random = [0; 8];
    rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())?;
    let passing = format!(".lithos-{:016x}", u64::from_ne_bytes(random));
    mkdirat(parent, &passing, Mode::from_raw_mode(0o700))?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let made = openat(parent, &passing, flags, Mode::empty())
        .map_err(io::Error::from)
        .and_then(|directory| own_empty(&directory, owner))
        .and_then(|()| {
            let flags = RenameFlags::NOREPLACE;
            Ok(renameat_with(parent, &passing, parent, name, flags)?)
        });
    if made.is_err() {
        let _ = unlinkat(parent, &passing, AtFlags::REMOVEDIR);
    }
    match made {
        // Another instance has just made it.
        Err(err) if err.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        outcome => outcome,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn a_directory_that_took_the_place_of_the_new_one_is_not_given_away() {
        let base = tempfile::tempdir().unwrap();
        let (new, other) = (base.path().join("new"), base.path().join("other"));
        std::fs::create_dir_all(other.join("secrets")).unwrap();
        std::fs::create_dir(&new).unwrap();
        let found = std::fs::metadata(&other).unwrap();
        let owner = Owner {
            mode: 0o777,
            uid: found.uid(),
            gid: found.gid(),
        };
        let give = |path| own_empty(&std::fs::File::open(path)?.into(), &owner);
        give(&new).unwrap();
        assert_eq!(std::fs::metadata(&new).unwrap().mode() & 0o7777, 0o777);
        let err = give(&other).unwrap_err();
        assert_eq!(err.kind(), io::ErrorKind::DirectoryNotEmpty);
        let after = std::fs::metadata(&other).unwrap();
        assert_eq!(after.mode(), found.mode());
    }
}
