//! `<runtime-dir>/master.pid`: which supervisor runs, and a lock that keeps a
//! second one out.
//!
//! The lock is a POSIX one: it survives the exec of a reload in place, as long
//! as this process never closes *any* descriptor of the file. So the file is
//! opened here and nowhere else.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use quick_error::quick_error;
use rustix::fs::OFlags;

use crate::privileged::Privileged;
use crate::sys::lock::{Locked, try_lock};

quick_error! {
    /// Why this supervisor cannot run.
    #[derive(Debug)]
    pub enum PidFileError {
        /// The file cannot be made or locked.
        Io(path: PathBuf, err: io::Error) {
            display("cannot lock {}: {}", path.display(), Privileged(err))
            source(err)
        }
        /// There is another one.
        Running(path: PathBuf, pid: i32) {
            display("cannot lock {}: lithos_tree already runs with pid {}\nhint: reload it with `kill -HUP {}`", path.display(), pid, pid)
        }
    }
}

/// The locked file, with our pid in it.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
    file: File,
}

impl PidFile {
    /// Locks `path`, or keeps the lock that `inherited` has across an exec.
    pub fn take(path: &Path, inherited: Option<OwnedFd>) -> Result<Self, PidFileError> {
        let failed = |err| PidFileError::Io(path.to_owned(), err);
        let mut inherited = inherited.map(File::from);
        loop {
            let file = match inherited.take() {
                Some(file) => file,
                None => open(path).map_err(failed)?,
            };
            if let Locked::By(pid) = try_lock(&file).map_err(failed)? {
                return Err(PidFileError::Running(path.to_owned(), pid));
            }
            // An exiting supervisor may have removed what we have just opened.
            if is_at(&file, path) {
                write_pid(&file).map_err(failed)?;
                let path = path.to_owned();
                return Ok(Self { path, file });
            }
        }
    }

    /// Removes the file, and with it the lock.
    pub fn remove(self) {
        let _ = fs::remove_file(&self.path);
    }
}

impl AsFd for PidFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    options.read(true).write(true).create(true).mode(0o644);
    options.custom_flags(flags.bits().cast_signed()).open(path)
}

fn is_at(file: &File, path: &Path) -> bool {
    let same = |a: fs::Metadata, b: fs::Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
    let both = file.metadata().ok().zip(fs::symlink_metadata(path).ok());
    both.is_some_and(|(a, b)| same(a, b))
}

fn write_pid(mut file: &File) -> io::Result<()> {
    io::Seek::rewind(&mut file)?;
    let line = format!("{}\n", std::process::id());
    file.write_all(line.as_bytes())?;
    file.set_len(line.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::scratch::Scratch;

    #[test]
    fn holds_our_pid_and_nothing_of_a_longer_one() {
        let scratch = Scratch::new();
        let path = scratch.path().join("master.pid");
        fs::write(&path, "1234567890\n").unwrap();
        let _file = PidFile::take(&path, None).unwrap();
        let expected = format!("{}\n", std::process::id());
        assert_eq!(fs::read_to_string(&path).unwrap(), expected);
    }

    #[test]
    fn an_inherited_file_that_was_removed_is_not_kept() {
        let scratch = Scratch::new();
        let path = scratch.path().join("master.pid");
        let old = open(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let new = PidFile::take(&path, Some(old.into())).unwrap();
        assert!(is_at(&new.file, &path));
    }

    #[test]
    fn leaves_nothing_behind() {
        let scratch = Scratch::new();
        let path = scratch.path().join("master.pid");
        PidFile::take(&path, None).unwrap().remove();
        assert!(!path.exists());
    }
}
