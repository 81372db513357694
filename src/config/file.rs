//! Getting the text of a document, whatever the path turns out to be.
//!
//! A FIFO, a device, a directory or a file of 1 GiB gives an error at once.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::string::FromUtf8Error;
use std::sync::Arc;

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::cause::Cause;
use crate::problem::place::position_of;
use crate::problem::{Place, Problem, Severity, Source};

/// The largest document, in bytes.
pub const MAX_SIZE: u64 = 1 << 20;

/// How a document is to be opened: never waiting for a FIFO's writer, never
/// getting a terminal.
pub const OPEN_FLAGS: OFlags = OFlags::RDONLY
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);

/// Reads the document at a path that the maintainer wrote.
pub fn read(path: &Path) -> Result<Arc<Source>, Problem> {
    read_plain(path, false)
}

/// Reads a secrets file at a path that the caller of a program wrote: no value
/// of it is ever shown.
pub fn read_secret(path: &Path) -> Result<Arc<Source>, Problem> {
    read_plain(path, true)
}

fn read_plain(path: &Path, secret: bool) -> Result<Arc<Source>, Problem> {
    let fd = rustix::fs::open(path, OPEN_FLAGS, Mode::empty()).map_err(|error| {
        let cause = match error {
            Errno::NOENT => "there is no such file".to_owned(),
            Errno::NXIO => "it is no regular file but a socket or device".to_owned(),
            other => cause(other),
        };
        unreadable(path, &cause)
    })?;
    read_opened(fd, path, secret)
}

/// Reads a document that was opened elsewhere, with [`OPEN_FLAGS`]: one inside
/// an image, beneath the image. `shown` is its path for people; `secret` marks
/// a secrets file, no value of which is ever shown.
pub fn read_opened(fd: OwnedFd, shown: &Path, secret: bool) -> Result<Arc<Source>, Problem> {
    let failed = |error| unreadable(shown, &cause(error));
    let stat = rustix::fs::fstat(&fd).map_err(failed)?;
    let found = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => None,
        FileType::Directory => Some("a directory"),
        FileType::Fifo => Some("a FIFO"),
        FileType::Socket => Some("a socket"),
        _ => Some("a device"),
    };
    if let Some(found) = found {
        return Err(unreadable(
            shown,
            &format!("it is {found}, no regular file"),
        ));
    }
    let too_large = || unreadable(shown, "it is larger than 1 MiB");
    if u64::try_from(stat.st_size).map_or(true, |size| size > MAX_SIZE) {
        return Err(too_large());
    }
    // One byte more, so that one read finds its end.
    let mut bytes = Vec::with_capacity(stat.st_size as usize + 1);
    let read = File::from(fd).take(MAX_SIZE + 1).read_to_end(&mut bytes);
    read.map_err(|error| unreadable(shown, &Cause(&error).to_string()))?;
    if bytes.len() as u64 > MAX_SIZE {
        return Err(too_large());
    }
    let text = String::from_utf8(bytes).map_err(|error| not_text(shown, secret, &error))?;
    Ok(Arc::new(Source {
        path: shown.to_owned(),
        text: without_mark(&text).to_owned(),
        secret,
    }))
}

/// The text without its byte order mark.
fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

fn not_text(shown: &Path, secret: bool, error: &FromUtf8Error) -> Problem {
    let bytes = error.as_bytes();
    let text = String::from_utf8_lossy(bytes);
    let good = without_mark(&text[..error.utf8_error().valid_up_to()]);
    let (line, column) = position_of(good, good.len());
    let source = Source {
        path: shown.to_owned(),
        text: without_mark(&text).to_owned(),
        // In UTF-16 no key for secrets would be known as such.
        secret: secret || bytes.contains(&0),
    };
    Problem {
        source: Some(Arc::new(source)),
        place: Place::Position { line, column },
        ..unreadable(shown, "it is not UTF-8 text")
    }
}

fn cause(error: Errno) -> String {
    Cause(&error.into()).to_string()
}

fn unreadable(path: &Path, cause: &str) -> Problem {
    Problem {
        severity: Severity::Error,
        source: None,
        place: Place::Whole,
        subject: String::new(),
        message: format!("cannot read {}: {cause}", path.display()),
        hint: None,
        status: None,
    }
}
