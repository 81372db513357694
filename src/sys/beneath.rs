//! Paths resolved beneath a descriptor, by `openat2` (5.6).
//!
//! No path that an image or a container can influence is resolved in any other
//! way. Magic links, those of `/proc/*/fd` and the like, are never followed.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;

/// How often a resolution is begun anew because something on its way was
/// renamed meanwhile.
const ATTEMPTS: usize = 100;

/// Opens `path` as if `root` were the root directory: `..` and absolute
/// symlinks stay inside. Close-on-exec.
pub fn open_in_root(
    root: impl AsFd,
    path: &Path,
    flags: OFlags,
    mode: Mode,
) -> io::Result<OwnedFd> {
    open(root, path, flags, mode, ResolveFlags::IN_ROOT)
}

/// Opens `path`, which must be relative, beneath `base`; one that leads out,
/// be it by `..` or by a symlink, fails with `EXDEV`. Close-on-exec.
pub fn open_beneath(base: impl AsFd, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    open(base, path, flags, Mode::empty(), ResolveFlags::BENEATH)
}

/// Opens `path` in this root, with no symlink on the way.
pub fn open_plainly(root: impl AsFd, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS;
    open(root, path, flags, Mode::empty(), resolve)
}

/// Opens `path` in this root, which is a mount's, and in no other mount.
pub fn open_in_mount(root: impl AsFd, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_XDEV;
    open(root, path, flags, Mode::empty(), resolve)
}

fn open(
    base: impl AsFd,
    path: &Path,
    flags: OFlags,
    mode: Mode,
    resolve: ResolveFlags,
) -> io::Result<OwnedFd> {
    let path = if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    };
    let flags = flags | OFlags::CLOEXEC;
    let resolve = resolve | ResolveFlags::NO_MAGICLINKS;
    for _ in 1..ATTEMPTS {
        match openat2(&base, path, flags, mode, resolve) {
            Err(Errno::AGAIN | Errno::INTR) => continue,
            outcome => return Ok(outcome?),
        }
    }
    Err(Errno::AGAIN.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    const WALK: OFlags = OFlags::PATH;

    fn tree(name: &str) -> (std::path::PathBuf, OwnedFd) {
        let base =
            std::env::temp_dir().join(format!("lithos-beneath-{name}-{}", std::process::id()));
        std::fs::create_dir_all(base.join("in/etc")).unwrap();
        std::fs::write(base.join("outside"), "").unwrap();
        std::fs::write(base.join("in/etc/passwd"), "in the image").unwrap();
        let fd = std::fs::File::open(base.join("in")).unwrap().into();
        (base, fd)
    }

    #[test]
    fn an_absolute_symlink_stays_inside_the_root() {
        let (base, root) = tree("absolute");
        symlink("/etc/passwd", base.join("in/link")).unwrap();
        let fd = open_in_root(&root, Path::new("/link"), OFlags::RDONLY, Mode::empty()).unwrap();
        let text = std::io::read_to_string(std::fs::File::from(fd)).unwrap();
        assert_eq!(text, "in the image");
        assert!(open_beneath(&root, Path::new("link"), WALK).is_err());
        std::fs::remove_dir_all(base).unwrap();
    }

    #[test]
    fn refuses_what_leads_out() {
        let (base, root) = tree("out");
        symlink("../outside", base.join("in/link")).unwrap();
        for path in ["../outside", "link", "/etc/passwd"] {
            let err = open_beneath(&root, Path::new(path), WALK).unwrap_err();
            assert_eq!(err.raw_os_error(), Some(libc::EXDEV), "{path}");
        }
        let missing = open_in_root(&root, Path::new("../outside"), WALK, Mode::empty());
        assert_eq!(missing.unwrap_err().raw_os_error(), Some(libc::ENOENT));
        std::fs::remove_dir_all(base).unwrap();
    }

    #[test]
    fn refuses_magic_links() {
        let proc = std::fs::File::open("/proc/self").unwrap();
        let err = open_in_root(&proc, Path::new("exe"), OFlags::RDONLY, Mode::empty()).unwrap_err();
        assert_eq!(err.raw_os_error(), Some(libc::ELOOP));
    }
}
