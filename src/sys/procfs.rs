//! Files of a procfs, which are asked whether they are such before anything is
//! written to them: an image could have something else in their place.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags, PROC_SUPER_MAGIC, ResolveFlags, fstatfs, openat2};

/// Opens a file of the procfs that `root` is open on: through no symlink, and on
/// no other mount. Close-on-exec.
pub fn open(root: impl AsFd, path: impl AsRef<Path>, flags: OFlags) -> io::Result<File> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    let flags = flags | OFlags::NOCTTY | OFlags::CLOEXEC;
    // Asked before, since to open something else can have effects. What is beneath, and
    // on no other mount, is of the same file system.
    verify(&root)?;
    let file: OwnedFd = openat2(root, path.as_ref(), flags, Mode::empty(), resolve)?;
    Ok(file.into())
}

/// All of a file of the kernel's that is not told how long it is: in as few reads as can
/// be, since the kernel puts its text together for each.
pub fn text(path: impl AsRef<Path>) -> io::Result<String> {
    let mut text = String::with_capacity(8 * 1024);
    File::open(path)?.read_to_string(&mut text)?;
    Ok(text)
}

/// The lines of such a file that have `part` in them, without ever holding the others:
/// a host can have thousands of mounts.
pub fn lines_with(path: impl AsRef<Path>, part: &str) -> io::Result<String> {
    let mut file = BufReader::with_capacity(8 * 1024, File::open(path)?);
    let (mut kept, mut line) = (String::new(), Vec::new());
    // Whoever may mount something can give its place a name that is no text.
    while file.read_until(b'\n', &mut line)? > 0 {
        let text = String::from_utf8_lossy(&line);
        if text.contains(part) {
            kept.push_str(&text);
        }
        line.clear();
    }
    Ok(kept)
}

/// Refuses what is not on a procfs.
pub fn verify(file: impl AsFd) -> io::Result<()> {
    match fstatfs(file)?.f_type == PROC_SUPER_MAGIC {
        true => Ok(()),
        false => Err(io::Error::other("it is not on a procfs")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::mount::open_directory;

    #[test]
    fn opens_what_is_on_a_procfs() {
        let proc = open_directory(Path::new("/proc")).unwrap();
        let own = format!("{}/comm", std::process::id());
        let name = io::read_to_string(open(&proc, own, OFlags::RDONLY).unwrap()).unwrap();
        assert!(!name.is_empty());
    }

    #[test]
    fn reads_what_is_longer_than_is_read_at_once() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let lines: String = (0..5000).map(|n| format!("line {n}\n")).collect();
        std::fs::write(&file, &lines).unwrap();
        assert_eq!(text(file.path()).unwrap(), lines);
        let found = lines_with(file.path(), " 499").unwrap();
        assert_eq!(found.lines().count(), 11);
        assert!(found.starts_with("line 499\nline 4990\n"), "{found}");
        assert!(found.ends_with("line 4999\n"), "{found}");
        assert_eq!(lines_with(file.path(), "none").unwrap(), "");
    }

    #[test]
    fn a_line_that_is_no_text_hides_no_other() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, b"/mnt/\xff - fuse\n/sys - cgroup\n").unwrap();
        assert_eq!(
            lines_with(file.path(), " - cgroup").unwrap(),
            "/sys - cgroup\n"
        );
    }

    #[test]
    fn refuses_what_only_looks_like_one() {
        let fake = tempfile::tempdir().unwrap();
        std::fs::create_dir(fake.path().join("2")).unwrap();
        let file = fake.path().join("2/uid_map");
        std::fs::write(&file, "").unwrap();
        let root = open_directory(fake.path()).unwrap();
        let err = open(&root, "2/uid_map", OFlags::WRONLY | OFlags::TRUNC).unwrap_err();
        assert_eq!(err.to_string(), "it is not on a procfs");
    }

    #[test]
    fn refuses_links_and_what_leads_out() {
        let proc = open_directory(Path::new("/proc")).unwrap();
        for path in ["self/comm", "../proc/version", "/proc/version"] {
            assert!(open(&proc, path, OFlags::RDONLY).is_err(), "{path}");
        }
    }
}
