//! Listing and removing image directories, by descriptors: no symlink is
//! followed, and no other file system entered.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, fstat, openat2, statat, unlinkat,
};
use rustix::io::Errno;

/// So deep directories of an image may be nested that are removed: each takes a
/// descriptor and a part of the stack on the way down.
const DEEPEST: usize = 512;

/// An image directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Relative to the `image-dir`.
    pub name: PathBuf,
    /// When it, or what is directly in it, was changed last.
    pub changed: SystemTime,
}

/// Every directory at this depth.
pub fn list(image_dir: &Path, levels: u32) -> io::Result<Vec<Found>> {
    let dir = open_top(image_dir)?;
    let mut found = Vec::new();
    descend(&dir, Path::new(""), levels, &mut found)?;
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// Removes the image directory with everything in it; not to be there is no error.
/// With something mounted in it nothing of it is removed.
pub fn remove(image_dir: &Path, name: &Path) -> io::Result<()> {
    let top = open_top(image_dir)?;
    let parent = match name.parent() {
        Some(parent) if parent != Path::new("") => open_directory(&top, parent)?,
        _ => top,
    };
    let last = name.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let last = Path::new(last);
    match refuse_mounts(&parent, last, DEEPEST).and_then(|()| remove_tree(&parent, last)) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}

/// The `image-dir` is the maintainer's own, and may be a symlink.
fn open_top(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?)
}

fn open_directory(parent: &OwnedFd, name: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    Ok(openat2(parent, name, flags, Mode::empty(), resolve)?)
}

fn descend(dir: &OwnedFd, below: &Path, levels: u32, found: &mut Vec<Found>) -> io::Result<()> {
    for (name, kind) in entries(dir)? {
        if kind != FileType::Directory {
            continue;
        }
        let path = below.join(&name);
        match open_directory(dir, &name) {
            Ok(child) if levels > 1 => descend(&child, &path, levels - 1, found)?,
            Ok(child) => {
                let changed = changed(&child)?;
                found.push(Found {
                    name: path,
                    changed,
                });
            }
            // A mount is no image that is ours to remove.
            Err(err) if err.raw_os_error() == Some(libc::EXDEV) => {}
            Err(err) => return Err(err),
        }
    }
    Ok(())
}

/// By the inode, which says when the directory was put here, whatever time an
/// archive gave it.
fn changed(dir: &OwnedFd) -> io::Result<SystemTime> {
    let found = fstat(dir)?;
    let latest = found.st_mtime.max(found.st_ctime);
    let since = Duration::from_secs(u64::try_from(latest).unwrap_or_default());
    Ok(UNIX_EPOCH + since)
}

/// Names and kinds, without `.` and `..`.
fn entries(dir: &OwnedFd) -> io::Result<Vec<(PathBuf, FileType)>> {
    use std::os::unix::ffi::OsStrExt;
    let mut entries = Vec::new();
    for entry in Dir::read_from(dir)? {
        let entry = entry?;
        let name = std::ffi::OsStr::from_bytes(entry.file_name().to_bytes());
        if name == "." || name == ".." {
            continue;
        }
        let kind = match entry.file_type() {
            FileType::Unknown => {
                let found = statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
                FileType::from_raw_mode(found.st_mode)
            }
            kind => kind,
        };
        entries.push((PathBuf::from(name), kind));
    }
    Ok(entries)
}

/// Fails with `EXDEV` where a directory or a file in it is a mount, and where they are
/// nested deeper than [`DEEPEST`].
fn refuse_mounts(parent: &OwnedFd, name: &Path, depth: usize) -> io::Result<()> {
    let left = depth.checked_sub(1);
    let left = left.ok_or_else(|| io::Error::other("its directories are nested too deep"))?;
    let dir = open_directory(parent, name)?;
    for (name, kind) in entries(&dir)? {
        if kind == FileType::Directory {
            refuse_mounts(&dir, &name, left)?;
            continue;
        }
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_XDEV;
        openat2(&dir, &name, flags, Mode::empty(), resolve)?;
    }
    Ok(())
}

fn remove_tree(parent: &OwnedFd, name: &Path) -> io::Result<()> {
    let dir = open_directory(parent, name)?;
    for (name, kind) in entries(&dir)? {
        if kind == FileType::Directory {
            remove_tree(&dir, &name)?;
        } else {
            gone(unlinkat(&dir, &name, AtFlags::empty()))?;
        }
    }
    gone(unlinkat(parent, name, AtFlags::REMOVEDIR))
}

fn gone(removed: rustix::io::Result<()>) -> io::Result<()> {
    match removed {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}
