//! What a container will see at a path: the image, and the mounts over it.
//!
//! A walk, one component at a time and following no link by itself, so that it
//! cannot leave the image or a volume; links are followed the way the kernel
//! will follow them inside the container, through whatever is mounted by then.

use std::cell::OnceCell;
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

/// The image and what is mounted so far.
pub struct View {
    root: Content,
    mounts: Vec<Mounted>,
}

struct Mounted {
    /// Its mount point, links followed; none if there is none.
    at: Option<PathBuf>,
    content: Content,
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
        self.mounts.push(Mounted {
            at: known.then(|| target.path.clone()),
            content,
        });
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
        let mounted = self
            .mounts
            .iter()
            .rposition(|m| m.at.as_deref() == Some(here));
        if let Some(number) = mounted {
            return Step::Into(self.mounts[number].content.clone(), Some(number));
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
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    /// An image and a host directory, and the view of a container.
    struct Stage {
        dir: tempfile::TempDir,
    }

    impl Stage {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            for path in [
                "image/etc",
                "image/data",
                "image/dev",
                "image/proc",
                "host/sub",
            ] {
                fs::create_dir_all(dir.path().join(path)).unwrap();
            }
            fs::write(dir.path().join("image/etc/hosts"), "").unwrap();
            fs::write(dir.path().join("host/sub/file"), "").unwrap();
            fs::write(dir.path().join("outside"), "").unwrap();
            Self { dir }
        }

        fn link(&self, target: &str, link: &str) {
            symlink(target, self.dir.path().join(link)).unwrap();
        }

        fn view(&self) -> View {
            View::new(directory(&self.dir.path().join("image")).1)
        }

        fn host(&self, below: &str) -> MountSource {
            MountSource::Readonly(HostPath {
                base: self.dir.path().join("host"),
                below: below.into(),
            })
        }
    }

    fn planned(target: &str, what: MountSource) -> Planned {
        Planned {
            target: target.into(),
            what: Some(what),
        }
    }

    fn kind(sight: &Sight) -> Option<Kind> {
        match &sight.seen {
            Seen::Found(found) => Some(found.kind),
            _ => None,
        }
    }

    #[test]
    fn sees_the_image_where_nothing_is_mounted() {
        let stage = Stage::new();
        let view = stage.view();
        assert_eq!(kind(&view.look(Path::new("/"))), Some(Kind::Directory));
        let hosts = view.look(Path::new("/etc/hosts"));
        assert_eq!((kind(&hosts), hosts.mount), (Some(Kind::File), None));
        let missing = view.look(Path::new("/etc/other"));
        assert_eq!((missing.seen, missing.in_directory), (Seen::Missing, true));
        assert!(!view.look(Path::new("/nowhere/other")).in_directory);
        let below_a_file = view.look(Path::new("/etc/hosts/x")).seen;
        assert!(matches!(below_a_file, Seen::Broken(_)), "{below_a_file:?}");
    }

    #[test]
    fn links_never_lead_out_of_the_image() {
        let stage = Stage::new();
        stage.link("../outside", "image/up");
        stage.link(
            stage.dir.path().join("outside").to_str().unwrap(),
            "image/absolute",
        );
        stage.link("/etc/hosts", "image/inside");
        stage.link("loop", "image/loop");
        let view = stage.view();
        assert_eq!(view.look(Path::new("/up")).seen, Seen::Missing);
        assert_eq!(view.look(Path::new("/absolute")).seen, Seen::Missing);
        assert_eq!(
            view.look(Path::new("/inside")).path,
            Path::new("/etc/hosts")
        );
        assert!(matches!(
            view.look(Path::new("/loop")).seen,
            Seen::Broken(_)
        ));
    }

    #[test]
    fn sees_what_is_mounted_through_links_too() {
        let stage = Stage::new();
        stage.link("data/sub", "image/short");
        let mut view = stage.view();
        let facts = view.mount(&planned("/data", stage.host("")));
        assert_eq!(
            (kind(&facts.target), facts.base),
            (Some(Kind::Directory), true)
        );
        let file = view.look(Path::new("/short/file"));
        assert_eq!((kind(&file), file.mount), (Some(Kind::File), Some(0)));
        assert_eq!(file.path, Path::new("/data/sub/file"));
        view.mount(&planned(
            "/data/sub",
            MountSource::Tmpfs {
                size: 1,
                mode: 0o777,
            },
        ));
        let covered = view.look(Path::new("/short/file"));
        assert_eq!((covered.seen, covered.mount), (Seen::Missing, Some(1)));
    }

    #[test]
    fn a_link_as_mount_point_is_mounted_where_it_leads() {
        let stage = Stage::new();
        stage.link("data", "image/link");
        let mut view = stage.view();
        view.mount(&planned("/link", stage.host("sub")));
        assert_eq!(view.look(Path::new("/data/file")).mount, Some(0));
    }

    #[test]
    fn a_volume_never_leads_out_of_its_base() {
        let stage = Stage::new();
        stage.link("..", "host/up");
        stage.link("/etc", "host/absolute");
        for below in ["up", "absolute", "../image"] {
            let facts = stage.view().mount(&planned("/data", stage.host(below)));
            assert_eq!(facts.host, Some(Seen::LeadsOut), "{below}");
        }
        let missing = stage.view().mount(&planned("/data", stage.host("new")));
        assert_eq!((missing.host, missing.base), (Some(Seen::Missing), true));
    }

    #[test]
    fn a_directory_to_be_made_is_empty() {
        let stage = Stage::new();
        let MountSource::Readonly(host) = stage.host("new/deep") else {
            unreachable!()
        };
        let owner = crate::resolve::plan::Owner {
            mode: 0o755,
            uid: 0,
            gid: 0,
        };
        let make = Some(owner);
        let mut view = stage.view();
        let facts = view.mount(&planned("/data", MountSource::Persistent { host, make }));
        assert_eq!(facts.host, Some(Seen::Missing));
        assert_eq!(kind(&view.look(Path::new("/data"))), Some(Kind::Directory));
        assert_eq!(view.look(Path::new("/data/x")).seen, Seen::Missing);
    }

    #[test]
    fn knows_the_private_devices_but_not_the_processes() {
        let stage = Stage::new();
        let mut view = stage.view();
        view.mount(&planned("/proc", MountSource::Proc));
        view.mount(&planned("/dev", MountSource::PrivateDev));
        assert_eq!(
            kind(&view.look(Path::new("/dev/shm"))),
            Some(Kind::Directory)
        );
        assert_eq!(kind(&view.look(Path::new("/dev/null"))), Some(Kind::Other));
        assert_eq!(view.look(Path::new("/dev/sda")).seen, Seen::Missing);
        assert!(matches!(
            view.look(Path::new("/dev/fd/0")).seen,
            Seen::Unknown(_)
        ));
    }

    #[test]
    fn no_directory_is_made_in_the_place_of_a_link_to_nothing() {
        let stage = Stage::new();
        stage.link("nowhere", "host/link");
        let owner = Owner {
            mode: 0o755,
            uid: 0,
            gid: 0,
        };
        let seen = |below: &str| {
            let host = HostPath {
                base: stage.dir.path().join("host"),
                below: below.into(),
            };
            host_content(&host, Some(&owner)).1
        };
        assert_eq!(seen("new/one"), Some(Seen::Missing));
        assert!(matches!(seen("link/one"), Some(Seen::Broken(_))));
        assert!(matches!(seen("link"), Some(Seen::Broken(_))));
    }

    #[test]
    fn tells_which_directories_were_gone_through() {
        let stage = Stage::new();
        stage.link("/etc/hosts", "image/data/link");
        let sight = stage.view().look(Path::new("/data/link"));
        let way: Vec<_> = sight.way.iter().map(|(path, _)| path.as_path()).collect();
        assert_eq!(way, ["/", "/data", "/", "/etc"].map(Path::new));
    }
}
