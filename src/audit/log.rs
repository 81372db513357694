//! Writing the audit log, and keeping what cannot be written yet.
//!
//! The log is opened anew each time, so it may be moved away at any moment. What
//! does not get onto its disk waits in a file beside the records, on tmpfs, for
//! whoever writes next: the supervisor, `lithos_cmd` or `lithos_ctl`. A line
//! may come twice, when one of them was killed in between; none is lost.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use quick_error::quick_error;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::Entry;
use crate::cause::Cause;
use crate::resolve::paths::Home;
use crate::tree::log::append;

/// So many bytes wait at most.
const MOST_OWED: u64 = 8 << 20;

/// How often it is tried to lock a file, and how long to pause in between.
const LOOKS: u32 = 25;
const PAUSE: Duration = Duration::from_millis(2);

/// Where lines go.
#[derive(Debug, Clone)]
pub struct Log {
    path: PathBuf,
    owed: PathBuf,
}

quick_error! {
    /// Why lines are not in the log.
    #[derive(Debug)]
    pub enum AuditError {
        /// They wait to be written.
        Owed(path: PathBuf, err: io::Error) {
            display("cannot write {}, its lines are kept until that can be done: {}", path.display(), Cause(err))
        }
        /// They can be kept nowhere.
        Lost(path: PathBuf, err: io::Error) {
            display("cannot write {}, and lines of it are lost: {}", path.display(), Cause(err))
        }
    }
}

impl Log {
    /// The log of this master config.
    pub fn of(home: &Home) -> Self {
        Self::at(home.audit_log(), home.runtime_dir.join("audit.owed"))
    }

    /// The log at `path`, and what waits for it.
    pub fn at(path: PathBuf, owed: PathBuf) -> Self {
        Self { path, owed }
    }

    /// Appends these, after what waits.
    ///
    /// # Errors
    ///
    /// [`AuditError`]; nothing is left to be done about it.
    pub fn write(&self, entries: &[Entry]) -> Result<(), AuditError> {
        let bytes = to_bytes(entries);
        let written = match self.catch_up() {
            Err(err) if err.kind() != io::ErrorKind::WouldBlock => Err(err),
            _ => append_whole(&self.path, &bytes),
        };
        let Err(err) = written else { return Ok(()) };
        Err(match self.keep(entries, &bytes) {
            Ok(()) => AuditError::Owed(self.path.clone(), err),
            Err(err) => AuditError::Lost(self.path.clone(), err),
        })
    }

    /// Writes what waits. Whether there was something.
    pub fn catch_up(&self) -> io::Result<bool> {
        let mut owed = match OpenOptions::new().read(true).write(true).open(&self.owed) {
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(false),
            opened => opened?,
        };
        lock(&owed)?;
        let mut bytes = Vec::new();
        owed.read_to_end(&mut bytes)?;
        if bytes.is_empty() {
            return Ok(false);
        }
        append_whole(&self.path, &bytes)?;
        owed.set_len(0)?;
        Ok(true)
    }

    /// How many lines wait.
    pub fn count_owed(&self) -> usize {
        let bytes = std::fs::read(&self.owed).unwrap_or_default();
        bytes.iter().filter(|byte| **byte == b'\n').count()
    }

    /// Once there is too much of it, it is only said whose lines are missing, and
    /// not even that for ever.
    fn keep(&self, entries: &[Entry], bytes: &[u8]) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(0o600);
        let mut owed = options.open(&self.owed)?;
        lock(&owed)?;
        let before = owed.seek(SeekFrom::End(0))?;
        let full = || Err(io::Error::from(io::ErrorKind::QuotaExceeded));
        let written = match entries.first() {
            None => Ok(()),
            Some(_) if before + (bytes.len() as u64) < MOST_OWED => owed.write_all(bytes),
            Some(first) if before < MOST_OWED + MOST_OWED / 8 => {
                let gap = Entry::gap(first.container(), "too many lines waited to be written");
                owed.write_all(&to_bytes(&[gap])).and_then(|()| full())
            }
            Some(_) => full(),
        };
        if let Err(err) = &written
            && err.kind() != io::ErrorKind::QuotaExceeded
        {
            // Whole or not at all.
            owed.set_len(before)?;
        }
        written
    }
}

/// Keeps others from this file, who need it for an instant only. One of them may
/// have been stopped in it, for whom nobody waits long.
fn lock(file: &File) -> io::Result<()> {
    for _ in 0..LOOKS {
        match flock(file, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => sleep(PAUSE),
            // Not every file system can do that, nor is it needed then for much.
            _ => return Ok(()),
        }
    }
    Err(io::ErrorKind::WouldBlock.into())
}

fn to_bytes(entries: &[Entry]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in entries {
        serde_json::to_writer(&mut bytes, entry).expect("a line is always JSON");
        bytes.push(b'\n');
    }
    bytes
}

/// All of it or nothing, without lines of others in between.
fn append_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if bytes.is_empty() {
        return Ok(());
    }
    let mut log = append(path, 0o600)?;
    lock(&log)?;
    let found = log.metadata()?;
    // Whoever wrote last was killed in it, or the machine was.
    let torn = found.is_file() && found.len() > 0 && last_byte(path, found.len())? != b'\n';
    let written = match torn {
        true => log.write_all(&[b"\n", bytes].concat()),
        false => log.write_all(bytes),
    };
    if written.is_err() && found.is_file() {
        // It is tried again, and should not fill what room there is with its beginning.
        let _ = log.set_len(found.len());
    }
    written
}

fn last_byte(path: &Path, length: u64) -> io::Result<u8> {
    let mut last = [0];
    File::open(path)?.read_exact_at(&mut last, length - 1)?;
    Ok(last[0])
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::tree::scratch::Scratch;

    fn log(scratch: &Scratch, path: &str) -> Log {
        Log {
            path: scratch.path().join(path),
            owed: scratch.path().join("audit.owed"),
        }
    }

    fn entry(why: &str) -> Entry {
        Entry::gap(&"shop/web.0".parse().unwrap(), why)
    }

    fn gaps(path: PathBuf) -> Vec<String> {
        let text = fs::read_to_string(path).unwrap();
        let lines = text.lines().filter_map(|line| {
            let found: Entry = serde_json::from_str(line).ok()?;
            match found {
                Entry::Gap(gap) => Some(gap.gap),
                Entry::Secret(_) => None,
            }
        });
        lines.collect()
    }

    #[test]
    fn the_log_is_made_for_root_alone_and_made_anew_when_it_was_moved() {
        let scratch = Scratch::new();
        let log = log(&scratch, "deep/audit.log");
        log.write(&[entry("one")]).unwrap();
        let mode = fs::metadata(&log.path).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
        let moved = scratch.path().join("audit.log.1");
        fs::rename(&log.path, &moved).unwrap();
        log.write(&[entry("two")]).unwrap();
        assert_eq!(gaps(moved), ["one"]);
        assert_eq!(gaps(log.path), ["two"]);
    }

    #[test]
    fn what_a_full_disk_does_not_take_waits_and_comes_before_what_follows() {
        let scratch = Scratch::new();
        let full = Log {
            path: "/dev/full".into(),
            ..log(&scratch, "")
        };
        for why in ["one", "two"] {
            let err = full.write(&[entry(why)]).unwrap_err();
            assert!(matches!(err, AuditError::Owed(..)), "{err}");
        }
        assert_eq!(full.count_owed(), 2);
        let log = log(&scratch, "audit.log");
        log.write(&[entry("three")]).unwrap();
        assert_eq!(gaps(log.path.clone()), ["one", "two", "three"]);
        assert_eq!(log.count_owed(), 0);
        assert!(!log.catch_up().unwrap());
    }

    #[test]
    fn a_torn_line_spoils_no_other() {
        let scratch = Scratch::new();
        let log = log(&scratch, "audit.log");
        fs::write(&log.path, "{\"time\":\"20").unwrap();
        log.write(&[entry("whole")]).unwrap();
        assert_eq!(gaps(log.path), ["whole"]);
    }

    #[test]
    fn what_cannot_wait_is_lost_with_an_error() {
        let scratch = Scratch::new();
        let nowhere = Log {
            path: "/dev/full".into(),
            owed: scratch.path().join("none/audit.owed"),
        };
        let err = nowhere.write(&[entry("lost")]).unwrap_err();
        assert!(matches!(err, AuditError::Lost(..)), "{err}");
    }

    #[test]
    fn whoever_is_stopped_while_holding_what_waits_stops_nobody() {
        let scratch = Scratch::new();
        let log = log(&scratch, "audit.log");
        let held = File::create(&log.owed).unwrap();
        lock(&held).unwrap();
        log.write(&[entry("one")]).unwrap();
        assert_eq!(gaps(log.path.clone()), ["one"]);
        let full = Log {
            path: "/dev/full".into(),
            ..log
        };
        let err = full.write(&[entry("lost")]).unwrap_err();
        assert!(matches!(err, AuditError::Lost(..)), "{err}");
    }

    #[test]
    fn too_much_that_waits_is_replaced_by_saying_so() {
        let scratch = Scratch::new();
        let full = Log {
            path: "/dev/full".into(),
            ..log(&scratch, "")
        };
        let much = "x".repeat(3 << 20);
        full.write(&[entry(&much)]).unwrap_err();
        full.write(&[entry(&much)]).unwrap_err();
        let err = full.write(&[entry(&much)]).unwrap_err();
        assert!(matches!(err, AuditError::Lost(..)), "{err}");
        assert_eq!(full.count_owed(), 3);
        let last = gaps(full.owed).pop().unwrap();
        assert_eq!(last, "too many lines waited to be written");
    }
}
