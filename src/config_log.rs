//! The log of loaded process configs: which images a sandbox ran, and when.
//!
//! One file a sandbox in `config-log-dir`, one line a load: an RFC 3339 time, a
//! space, the process config as JSON. At 10 MiB the file is turned over, and ten
//! of them are kept: `shop.log`, `shop.log.1` … `shop.log.9`, the last the
//! oldest. The supervisor writes, `lithos_clean` reads.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::OFlags;
use serde_json::Value;

use crate::name::Name;

/// Bytes after which a file is turned over.
const SIZE: u64 = 10 << 20;

/// Number of files kept for each sandbox.
const FILES: u32 = 10;

/// One line of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// When the config was loaded.
    pub time: SystemTime,
    /// The process config.
    pub config: Value,
}

/// Appends a line about `sandbox`.
///
/// The line is written at once, so that two writers cannot mix theirs, and whole or not at all.
pub fn append(dir: &Path, sandbox: &Name, entry: &Entry) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    let path = file(dir, sandbox, 0);
    let line = format!(
        "{} {}\n",
        humantime::format_rfc3339_seconds(entry.time),
        entry.config
    );
    if fs::metadata(&path).is_ok_and(|found| found.len() + line.len() as u64 > SIZE) {
        turn_over(dir, sandbox)?;
    }
    let mut log = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o640)
        // A FIFO without a reader is an error, not a hang.
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)?;
    let before = log.metadata()?;
    let written = log.write_all(line.as_bytes());
    if written.is_err() && before.is_file() {
        // The disk is full: the next line begins where this one did.
        let _ = log.set_len(before.len());
    }
    written
}

/// All entries about `sandbox`, the oldest first. A line that cannot be read
/// (cut off by a full disk, say) is counted in the second value.
pub fn read(dir: &Path, sandbox: &Name) -> io::Result<(Vec<Entry>, usize)> {
    let (mut entries, mut broken) = (Vec::new(), 0);
    for number in (0..FILES).rev() {
        let log = match File::open(file(dir, sandbox, number)) {
            Ok(log) => log,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        for line in BufReader::new(log).split(b'\n') {
            match parse(&line?) {
                Some(entry) => entries.push(entry),
                None => broken += 1,
            }
        }
    }
    Ok((entries, broken))
}

fn parse(line: &[u8]) -> Option<Entry> {
    let (time, config) = std::str::from_utf8(line).ok()?.split_once(' ')?;
    Some(Entry {
        time: humantime::parse_rfc3339(time).ok()?,
        config: serde_json::from_str(config).ok()?,
    })
}

fn file(dir: &Path, sandbox: &Name, number: u32) -> PathBuf {
    match number {
        0 => dir.join(format!("{sandbox}.log")),
        number => dir.join(format!("{sandbox}.log.{number}")),
    }
}

fn turn_over(dir: &Path, sandbox: &Name) -> io::Result<()> {
    for number in (0..FILES - 1).rev() {
        match fs::rename(file(dir, sandbox, number), file(dir, sandbox, number + 1)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn entry(second: u64, size: usize) -> Entry {
        Entry {
            time: SystemTime::UNIX_EPOCH + Duration::from_secs(second),
            config: serde_json::json!({ "web": { "image": "x".repeat(size) } }),
        }
    }

    #[test]
    fn gives_back_what_was_appended_in_its_order() {
        let dir = tempfile::tempdir().unwrap();
        let shop: Name = "shop".parse().unwrap();
        for second in 0..3 {
            append(dir.path(), &shop, &entry(second, 3)).unwrap();
        }
        let (entries, broken) = read(dir.path(), &shop).unwrap();
        assert_eq!((entries.len(), broken), (3, 0));
        assert_eq!(entries[2], entry(2, 3));
    }

    #[test]
    fn keeps_ten_files_and_forgets_the_oldest() {
        let dir = tempfile::tempdir().unwrap();
        let shop: Name = "shop".parse().unwrap();
        for second in 0..12 {
            append(dir.path(), &shop, &entry(second, SIZE as usize - 100)).unwrap();
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), FILES as usize);
        let (entries, _) = read(dir.path(), &shop).unwrap();
        assert_eq!(entries.len(), FILES as usize);
        assert_eq!(entries[0].time, entry(2, 0).time);
    }

    #[test]
    fn counts_a_line_that_was_cut_off_and_reads_the_others() {
        let dir = tempfile::tempdir().unwrap();
        let shop: Name = "shop".parse().unwrap();
        append(dir.path(), &shop, &entry(1, 3)).unwrap();
        let mut log = OpenOptions::new()
            .append(true)
            .open(file(dir.path(), &shop, 0))
            .unwrap();
        log.write_all(b"2026-11-22T05:00:00Z {\"web\":\n").unwrap();
        append(dir.path(), &shop, &entry(2, 3)).unwrap();
        let (entries, broken) = read(dir.path(), &shop).unwrap();
        assert_eq!((entries.len(), broken), (2, 1));
    }

    #[test]
    fn a_fifo_in_place_of_a_log_does_not_hang() {
        let dir = tempfile::tempdir().unwrap();
        let shop: Name = "shop".parse().unwrap();
        let path = file(dir.path(), &shop, 0);
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        append(dir.path(), &shop, &entry(1, 3)).unwrap_err();
    }

    #[test]
    fn a_sandbox_without_a_log_has_no_entries() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(
            read(dir.path(), &"shop".parse().unwrap()).unwrap(),
            (vec![], 0)
        );
    }
}
