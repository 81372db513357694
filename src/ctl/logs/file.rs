//! A log file as it grows, is cut short and replaced.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::io::Errno;

/// As much is read at once.
const CHUNK: usize = 64 * 1024;
/// As much of the end is looked at for the last lines.
const LONGEST_TAIL: u64 = 64 * 1024 * 1024;

/// An open log.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    file: File,
    position: u64,
    buffer: Vec<u8>,
    /// What has come in its place.
    next: Option<File>,
    /// What is to be said of it.
    anew: Option<&'static str>,
}

/// What there is to read.
#[derive(Debug, PartialEq, Eq)]
pub enum Looked<'a> {
    /// This.
    Bytes(&'a [u8]),
    /// What follows is not the continuation of what went before.
    Anew(&'static str),
    /// Nothing, for now.
    Nothing,
}

impl Log {
    /// Opens a regular file; anything else could keep us for ever.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            file: open(path)?,
            position: 0,
            buffer: vec![0; CHUNK],
            next: None,
            anew: None,
        })
    }

    /// Leaves out all but the last lines.
    pub fn skip_to_last(&mut self, lines: usize) -> io::Result<()> {
        let length = self.file.metadata()?.len();
        let first = length.saturating_sub(LONGEST_TAIL);
        let (mut position, mut left) = (length, lines);
        while position > first {
            let start = first.max(position.saturating_sub(CHUNK as u64));
            let chunk = &mut self.buffer[..usize::try_from(position - start).unwrap_or(CHUNK)];
            self.file.read_exact_at(chunk, start)?;
            for (index, byte) in chunk.iter().enumerate().rev() {
                let at = start + index as u64 + 1;
                // The last line's own end does not count.
                if *byte == b'\n' && at < length {
                    left = left.saturating_sub(1);
                }
                if left == 0 && (lines > 0 || at == length) {
                    self.position = at;
                    return Ok(());
                }
            }
            position = start;
        }
        self.position = first;
        Ok(())
    }

    /// What has been written since.
    pub fn read(&mut self) -> io::Result<Looked<'_>> {
        if let Some(anew) = self.anew.take() {
            return Ok(Looked::Anew(anew));
        }
        self.skip_hole()?;
        self.file.seek(SeekFrom::Start(self.position))?;
        let read = self.file.read(&mut self.buffer)?;
        if read > 0 {
            self.position += read as u64;
            return Ok(Looked::Bytes(&self.buffer[..read]));
        }
        // Only now, so that nothing of the old one is lost.
        Ok(match self.next.take() {
            Some(next) => {
                (self.file, self.position) = (next, 0);
                Looked::Anew("was replaced")
            }
            None => Looked::Nothing,
        })
    }

    /// Looks whether the file was cut short or replaced.
    pub fn look_again(&mut self) -> io::Result<()> {
        let length = self.file.metadata()?.len();
        if length < self.position {
            (self.position, self.anew) = (0, Some("was truncated"));
        }
        match fs::symlink_metadata(&self.path) {
            Ok(found) if !is_same(&found, &self.file.metadata()?) => match open(&self.path) {
                Ok(next) => self.next = Some(next),
                // It is being replaced just now.
                Err(err) if err.kind() == io::ErrorKind::NotFound => {}
                Err(err) => return Err(err),
            },
            Ok(_) => {}
            Err(err) if err.kind() == io::ErrorKind::NotFound => {}
            Err(err) => return Err(err),
        }
        Ok(())
    }

    /// Someone may have made the file long without writing anything.
    fn skip_hole(&mut self) -> io::Result<()> {
        match rustix::fs::seek(&self.file, rustix::fs::SeekFrom::Data(self.position)) {
            Ok(data) => self.position = data,
            // There is no more of it.
            Err(Errno::NXIO) => self.position = self.position.max(self.file.metadata()?.len()),
            Err(Errno::INVAL) => {}
            Err(errno) => return Err(errno.into()),
        }
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let mut options = OpenOptions::new();
    let options = options.read(true).custom_flags(flags.bits().cast_signed());
    let file = options.open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::other("it is no regular file")),
    }
}

fn is_same(a: &Metadata, b: &Metadata) -> bool {
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// All that can be read now; what is said of it in brackets.
    fn all(log: &mut Log) -> String {
        let mut all = String::new();
        loop {
            match log.read().unwrap() {
                Looked::Bytes(bytes) => all += &String::from_utf8_lossy(bytes),
                Looked::Anew(what) => all += &format!("[{what}]"),
                Looked::Nothing => return all,
            }
        }
    }

    fn append(path: &Path, text: &str) {
        let file = OpenOptions::new().append(true).create(true).open(path);
        file.unwrap().write_all(text.as_bytes()).unwrap();
    }

    fn scene(text: &str) -> (tempfile::TempDir, PathBuf, Log) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("shop.log");
        append(&path, text);
        let log = Log::open(&path).unwrap();
        (dir, path, log)
    }

    #[test]
    fn follows_a_file_that_grows_is_cut_short_and_replaced() {
        let (_dir, path, mut log) = scene("one\n");
        assert_eq!(all(&mut log), "one\n");
        append(&path, "two\n");
        log.look_again().unwrap();
        assert_eq!(all(&mut log), "two\n");
        OpenOptions::new()
            .write(true)
            .truncate(true)
            .open(&path)
            .unwrap();
        append(&path, "3\n");
        log.look_again().unwrap();
        assert_eq!(all(&mut log), "[was truncated]3\n");
        fs::rename(&path, path.with_extension("1")).unwrap();
        append(&path.with_extension("1"), "late\n");
        log.look_again().unwrap();
        append(&path, "new\n");
        log.look_again().unwrap();
        assert_eq!(all(&mut log), "late\n[was replaced]new\n");
    }

    #[test]
    fn shows_the_last_lines() {
        for (lines, text, expected) in [
            (0, "a\nb\n", ""),
            (1, "a\nb\n", "b\n"),
            (1, "a\nb", "b"),
            (2, "a\nb\n", "a\nb\n"),
            (9, "a\nb\n", "a\nb\n"),
            (1, "\n\n", "\n"),
            (1, "", ""),
        ] {
            let (_dir, _path, mut log) = scene(text);
            log.skip_to_last(lines).unwrap();
            assert_eq!(all(&mut log), expected, "the last {lines} of {text:?}");
        }
    }

    #[test]
    fn finds_the_last_lines_across_chunks() {
        let text = "x".repeat(CHUNK) + "\n" + &"y".repeat(CHUNK) + "\nz\n";
        let (_dir, _path, mut log) = scene(&text);
        log.skip_to_last(2).unwrap();
        assert_eq!(all(&mut log).len(), CHUNK + 3);
    }

    #[test]
    fn a_hole_of_any_length_is_skipped() {
        let (_dir, path, mut log) = scene("one\n");
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        file.set_len(1 << 42).unwrap();
        append(&path, "two\n");
        let shown = all(&mut log);
        assert!(shown.len() < 100_000 && shown.starts_with("one\n"));
        assert!(shown.ends_with("two\n"));
        log.skip_to_last(5).unwrap();
        assert!(all(&mut log).ends_with("two\n"));
    }

    #[test]
    fn what_is_no_regular_file_is_not_opened() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Log::open(dir.path()).is_err());
        let link = dir.path().join("link");
        std::os::unix::fs::symlink("/dev/zero", &link).unwrap();
        assert!(Log::open(&link).is_err());
        let fifo = dir.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(Log::open(&fifo).is_err());
    }
}
