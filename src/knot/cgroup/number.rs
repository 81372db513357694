//! Numbers in the files of cgroups.

use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{Mode, OFlags, openat};

/// More than any file has in which we look.
const LONGEST: usize = 4096;

/// The number on the line that begins so; `file` is beneath `directory`.
pub fn number(directory: impl AsFd, file: impl AsRef<Path>, line: &str) -> Option<u64> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let file = openat(directory, file.as_ref(), flags, Mode::empty()).ok()?;
    let mut text = [0; LONGEST];
    // The kernel gives a file this short at once.
    let length = rustix::io::read(file, &mut text).ok()?;
    let text = std::str::from_utf8(text.get(..length)?).ok()?;
    let rest = text.lines().find_map(|found| found.strip_prefix(line))?;
    rest.trim().parse().ok()
}
