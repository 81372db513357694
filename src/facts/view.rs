//! What a container will see at a path: the image, and the mounts over it.
//!
//! A walk, one component at a time and following no link by itself, so that it
//! cannot leave the image or a volume; links are followed the way the kernel
//! will follow them inside the container, through whatever is mounted by then.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use rustix::fs::{Mode, OFlags, ResolveFlags, fstat, openat, openat2, readlinkat};
use rustix::io::Errno;

use super::{Found, Kind, MountFacts, Planned, Seen, Sight, directory, seen};
use crate::resolve::plan::{HostPath, MountSource, Owner};

/// As many symbolic links as the kernel follows.
const LINKS_MAX: usize = 40;

/// So deep a path is looked at: what is remembered of the way grows with its square.
const DEPTH_MAX: usize = 128;

/// The image and what is mounted so far.
pub struct View {
    root: Content,
    mounts: Vec<Content>,
    /// The last mount at each mount point, links followed.
    at: HashMap<PathBuf, usize>,
}

/// What a directory holds.
#[derive(Clone)]
enum Content {
    /// A directory that can be looked into.
    Real(Rc<Directory>),
    /// Nothing: a fresh tmpfs, a directory still to be made; it is this itself.
    Empty(Found),
    /// The private `/dev`.
    Dev,
    /// That is not known.
    Unknown,
}

/// A directory that was opened, and what it is itself, which is looked at once.
struct Directory {
    fd: OwnedFd,
    seen: OnceCell<Seen>,
}

impl Directory {
    fn new(fd: OwnedFd) -> Rc<Self> {
        let seen = OnceCell::new();
        Rc::new(Self { fd, seen })
    }

    fn seen(&self) -> Seen {
        let look = || {
            let found = fstat(&self.fd).map(Found::from);
            seen(found.map(|found| found.listed(has_list(&self.fd))))
        };
        self.seen.get_or_init(look).clone()
    }
}

/// One directory on the way.
struct Level {
    name: OsString,
    content: Content,
    mount: Option<usize>,
}

impl View {
    /// The image alone; none: it cannot be looked into.
    pub fn new(root: Option<OwnedFd>) -> Self {
        let root = real(root);
        Self {
            root,
            mounts: Vec::new(),
            at: HashMap::new(),
        }
    }

    /// Looks at a mount's two ends, and mounts it.
    pub fn mount(&mut self, planned: &Planned) -> MountFacts {
        let target = self.look(&planned.target);
        let (content, host, base) = content(planned.what.as_ref());
        let is_directory = matches!(&target.seen, Seen::Found(f) if f.kind == Kind::Directory);
        // The knot makes this one where it can.
        let made = planned.what == Some(MountSource::Secrets) && target.seen == Seen::Missing;
        let known = is_directory || made || matches!(target.seen, Seen::Unknown(_));
        if known {
            self.at.insert(target.path.clone(), self.mounts.len());
        }
        self.mounts.push(content);
        MountFacts { target, host, base }
    }

    /// Looks at an absolute path inside the container.
    pub fn look(&self, path: &Path) -> Sight {
        self.open(path).0
    }

    /// Looks at an absolute path inside the container; a regular file comes
    /// with a descriptor that only names it.
    pub fn open(&self, path: &Path) -> (Sight, Option<OwnedFd>) {
        let mut way = Vec::new();
        let (mut sight, fd) = self.walk(path, &mut way);
        sight.way = way;
        (sight, fd)
    }

    fn walk(&self, path: &Path, way: &mut Vec<(PathBuf, Found)>) -> (Sight, Option<OwnedFd>) {
        let mut levels = vec![Level {
            name: OsString::from("/"),
            content: self.root.clone(),
            mount: None,
        }];
        let mut pending: Vec<OsString> = components(path);
        let mut links = 0;
        while let Some(name) = pending.pop() {
            if name == "/" {
                levels.truncate(1);
            } else if name == ".." {
                levels.truncate((levels.len() - 1).max(1));
            } else {
                let here = path_of(&levels, &name);
                if levels.len() > DEPTH_MAX {
                    return (
                        sight(&levels, here, seen(Err(Errno::NAMETOOLONG)), false),
                        None,
                    );
                }
                if let Seen::Found(found) = found(&levels[levels.len() - 1].content) {
                    way.push((here.parent().unwrap_or(&here).to_owned(), found));
                }
                match self.step(&levels, &here, &name) {
                    Step::Into(content, mount) => levels.push(Level {
                        name,
                        content,
                        mount,
                    }),
                    Step::Link(_) if links == LINKS_MAX => {
                        return (sight(&levels, here, seen(Err(Errno::LOOP)), false), None);
                    }
                    Step::Link(target) => {
                        links += 1;
                        pending.extend(components(Path::new(&target)));
                    }
                    Step::Leaf(Seen::Found(_)) | Step::File(..) if !pending.is_empty() => {
                        return (sight(&levels, here, seen(Err(Errno::NOTDIR)), false), None);
                    }
                    Step::File(found, fd) => {
                        return (sight(&levels, here, Seen::Found(found), true), Some(fd));
                    }
                    Step::Leaf(what) => {
                        return (sight(&levels, here, what, pending.is_empty()), None);
                    }
                }
            }
        }
        let here: PathBuf = levels.iter().map(|level| &level.name).collect();
        let what = found(&levels[levels.len() - 1].content);
        (sight(&levels, here, what, true), None)
    }

    /// One step from the last of `levels` to `name` in it.
    fn step(&self, levels: &[Level], here: &Path, name: &OsStr) -> Step {
        if let Some(&number) = self.at.get(here) {
            return Step::Into(self.mounts[number].clone(), Some(number));
        }
        let last = &levels[levels.len() - 1];
        match &last.content {
            Content::Real(directory) => real_step(&directory.fd, name, last.mount),
            Content::Empty(_) => Step::Leaf(Seen::Missing),
            Content::Dev => dev_step(name, last.mount),
            Content::Unknown => Step::Leaf(Seen::Unknown("it cannot be looked into".to_owned())),
        }
    }
}

enum Step {
    /// A directory, on this mount.
    Into(Content, Option<usize>),
    /// A symbolic link with this target.
    Link(OsString),
    /// A regular file, by a descriptor that only names it.
    File(Found, OwnedFd),
    /// Anything else.
    Leaf(Seen),
}

fn real_step(dir: impl AsFd, name: &OsStr, mount: Option<usize>) -> Step {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = match openat(dir, name, flags, Mode::empty()) {
        Ok(fd) => fd,
        Err(err) => return Step::Leaf(seen(Err(err))),
    };
    let stat = match fstat(&fd) {
        Ok(stat) => stat,
        Err(err) => return Step::Leaf(seen(Err(err))),
    };
    match rustix::fs::FileType::from_raw_mode(stat.st_mode) {
        rustix::fs::FileType::Directory => Step::Into(real(Some(fd)), mount),
        rustix::fs::FileType::Symlink => match readlinkat(&fd, "", Vec::new()) {
            Ok(target) => Step::Link(OsString::from_vec(target.into_bytes())),
            Err(err) => Step::Leaf(seen(Err(err))),
        },
        rustix::fs::FileType::RegularFile => {
            Step::File(Found::from(stat).listed(has_list(&fd)), fd)
        }
        _ => Step::Leaf(Seen::Found(stat.into())),
    }
}

/// Whether there is an access control list (acl(5)), through a descriptor that
/// only names the file.
fn has_list(fd: &OwnedFd) -> bool {
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let length = rustix::fs::getxattr(path, "system.posix_acl_access", &mut [0; 0][..]);
    length.is_ok_and(|length| length > 0)
}

/// The private `/dev` that the knot makes.
fn dev_step(name: &OsStr, mount: Option<usize>) -> Step {
    match name.to_str() {
        Some("shm") => Step::Into(Content::Empty(made(0o1777, 0, 0)), mount),
        Some("pts") => Step::Into(Content::Unknown, mount),
        Some("fd") => Step::Link("/proc/self/fd".into()),
        Some("null" | "zero" | "full" | "random" | "urandom" | "tty" | "ptmx") => {
            let kind = Kind::Other;
            let device = made(0o666, 0, 0);
            Step::Leaf(Seen::Found(Found { kind, ..device }))
        }
        _ => Step::Leaf(Seen::Missing),
    }
}

/// What a mount will hold, what its host directory is, and whether its base is there.
fn content(what: Option<&MountSource>) -> (Content, Option<Seen>, bool) {
    match what {
        Some(MountSource::Readonly(host)) => host_content(host, None),
        Some(MountSource::Persistent { host, make }) => host_content(host, make.as_ref()),
        Some(MountSource::HostDev(path)) => {
            let (seen, fd) = directory(path);
            let base = fd.is_some();
            (real(fd), Some(seen), base)
        }
        Some(MountSource::Tmpfs { mode, .. }) => (Content::Empty(made(*mode, 0, 0)), None, true),
        Some(MountSource::Statedir { owner, .. }) => (empty(owner), None, true),
        Some(MountSource::Secrets) => (Content::Empty(made(0o755, 0, 0)), None, true),
        Some(MountSource::PrivateDev) => (Content::Dev, None, true),
        Some(MountSource::Proc | MountSource::Sys | MountSource::CgroupView) | None => {
            (Content::Unknown, None, true)
        }
    }
}

fn empty(owner: &Owner) -> Content {
    Content::Empty(made(owner.mode, owner.uid, owner.gid))
}

/// A directory that is not there yet.
fn made(mode: u32, uid: u32, gid: u32) -> Found {
    Found {
        kind: Kind::Directory,
        mode,
        uid,
        gid,
        size: 0,
        listed: false,
    }
}

fn host_content(host: &HostPath, make: Option<&Owner>) -> (Content, Option<Seen>, bool) {
    let (base_seen, base) = directory(&host.base);
    let Some(base) = base else {
        return (Content::Unknown, Some(base_seen), false);
    };
    if host.below.as_os_str().is_empty() {
        return (real(Some(base)), Some(base_seen), true);
    }
    let what = beneath(&base, &host.below);
    let seen = seen(
        what.as_ref()
            .map_err(|err| *err)
            .and_then(|fd| fstat(fd).map(Found::from)),
    );
    let content = match (&seen, what) {
        (Seen::Found(found), Ok(fd)) if found.kind == Kind::Directory => real(Some(fd)),
        (Seen::Missing, _) => make.map_or(Content::Unknown, empty),
        _ => Content::Unknown,
    };
    let seen = match make {
        Some(_) if seen == Seen::Missing && dangles(&base, &host.below) => {
            Seen::Broken("a symbolic link on the way leads to nothing".to_owned())
        }
        _ => seen,
    };
    (content, Some(seen), true)
}

/// Whether what is missing is not the directory but what a link leads to, in
/// whose place nothing can be made.
fn dangles(base: &OwnedFd, below: &Path) -> bool {
    let mut so_far: Vec<_> = below.ancestors().filter(|a| *a != Path::new("")).collect();
    so_far.reverse();
    let missing = so_far.into_iter().find(|path| beneath(base, path).is_err());
    let there =
        |path| rustix::fs::statat(base, path, rustix::fs::AtFlags::SYMLINK_NOFOLLOW).is_ok();
    missing.is_some_and(there)
}

fn beneath(base: &OwnedFd, below: &Path) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    openat2(
        base,
        below,
        OFlags::PATH | OFlags::CLOEXEC,
        Mode::empty(),
        resolve,
    )
}

fn real(fd: Option<OwnedFd>) -> Content {
    fd.map_or(Content::Unknown, |fd| Content::Real(Directory::new(fd)))
}

/// What a directory on the way is itself.
fn found(content: &Content) -> Seen {
    match content {
        Content::Real(directory) => directory.seen(),
        Content::Empty(itself) => Seen::Found(*itself),
        Content::Dev | Content::Unknown => Seen::Found(made(0o755, 0, 0)),
    }
}

fn sight(levels: &[Level], path: PathBuf, seen: Seen, in_directory: bool) -> Sight {
    Sight {
        seen,
        path,
        mount: levels[levels.len() - 1].mount,
        in_directory,
        way: Vec::new(),
    }
}

fn path_of(levels: &[Level], name: &OsStr) -> PathBuf {
    let mut path: PathBuf = levels.iter().map(|level| &level.name).collect();
    path.push(name);
    path
}

/// The components of a path, last first; a root is `/`.
fn components(path: &Path) -> Vec<OsString> {
    path.components()
        .rev()
        .filter(|part| *part != Component::CurDir)
        .map(|part| part.as_os_str().to_owned())
        .collect()
}

#[cfg(test)]
mod tests;
