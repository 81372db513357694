//! The supervisor's logs: its own file, and one for each sandbox.
//!
//! What is logged with [`about`] a container goes to its sandbox's log, and has
//! its level. A line is `<UTC time> <LEVEL> <name>: <message>`; control
//! characters in it are escaped, so that no text of a config or a container can
//! forge a line. Instead of files it may be stderr or syslog. A log that cannot
//! be written never stops anything: it is said once, on stderr.

mod syslog;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::SystemTime;

use log::{Level, LevelFilter, Log, Metadata, Record};

use self::syslog::Sender;
use crate::config::units::LogLevel;
use crate::name::Name;

/// What targets of lines about a sandbox begin with; no module path does.
const SANDBOX: char = '@';

/// The target for lines about something in `sandbox`.
pub fn about(sandbox: &Name) -> String {
    format!("{SANDBOX}{sandbox}")
}

/// Where lines go.
#[derive(Debug)]
pub enum Destination<'a> {
    /// All to stderr.
    Stderr,
    /// To files, of which this is the supervisor's own.
    Files(&'a Path),
    /// To the syslog daemon.
    Syslog {
        /// The facility: syslog(3).
        facility: &'a str,
        /// The supervisor's own name there.
        app_name: &'a str,
    },
}

/// Where lines of one log go.
#[derive(Debug)]
enum Sink {
    Stderr,
    Syslog(Sender),
    File {
        path: PathBuf,
        file: Option<File>,
        torn: bool,
    },
}

#[derive(Debug)]
struct Logger {
    /// `--log-level`: stands above what the configs say.
    level: Option<LevelFilter>,
    own: Mutex<(Sink, LevelFilter)>,
    sandboxes: Mutex<BTreeMap<String, (Sink, LevelFilter)>>,
    complained: OnceLock<()>,
}

static LOGGER: OnceLock<Logger> = OnceLock::new();

/// Begins to log. To be called once; later calls change nothing.
pub fn begin(to: &Destination<'_>, configured: LogLevel, level: Option<LevelFilter>) {
    let logger = LOGGER.get_or_init(|| Logger {
        level,
        own: Mutex::new((Sink::new(to), filter(configured))),
        sandboxes: Mutex::default(),
        complained: OnceLock::new(),
    });
    if log::set_logger(logger).is_ok() {
        log::set_max_level(LevelFilter::Trace);
    }
}

/// From now on, lines about `sandbox` go to its own log: `file`, if there are
/// files.
pub fn sandbox(sandbox: &Name, file: &Path, configured: LogLevel) {
    if let Some(logger) = LOGGER.get() {
        let sink = lock(&logger.own).0.of_sandbox(sandbox, file);
        lock(&logger.sandboxes).insert(about(sandbox), (sink, filter(configured)));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Off => LevelFilter::Off,
        LogLevel::Error => LevelFilter::Error,
        LogLevel::Warn => LevelFilter::Warn,
        LogLevel::Info => LevelFilter::Info,
        LogLevel::Debug => LevelFilter::Debug,
        LogLevel::Trace => LevelFilter::Trace,
    }
}

impl Log for Logger {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let write = |(sink, configured): &mut (Sink, LevelFilter)| {
            if record.level() <= self.level.unwrap_or(*configured)
                && let Err(err) = sink.write(record.level(), &record.args().to_string())
            {
                self.complain(sink, &err);
            }
        };
        if let Some(entry) = lock(&self.sandboxes).get_mut(record.target()) {
            return write(entry);
        }
        write(&mut lock(&self.own));
    }

    fn flush(&self) {}
}

impl Logger {
    fn complain(&self, sink: &Sink, err: &io::Error) {
        let what = match sink {
            Sink::Stderr => return,
            Sink::Syslog(_) => Path::new(syslog::SOCKET),
            Sink::File { path, .. } => path,
        };
        if self.complained.set(()).is_ok() {
            let _ = writeln!(io::stderr(), "cannot write {}: {err}", what.display());
        }
    }
}

impl Sink {
    fn new(to: &Destination<'_>) -> Self {
        match to {
            Destination::Stderr => Self::Stderr,
            Destination::Files(path) => Self::file(path),
            Destination::Syslog { facility, app_name } => {
                // The config knows no other facilities.
                Sender::new(facility, app_name).map_or(Self::Stderr, Self::Syslog)
            }
        }
    }

    fn file(path: &Path) -> Self {
        Self::File {
            path: path.to_owned(),
            file: None,
            torn: false,
        }
    }

    /// The sink of a sandbox's log, where this is the supervisor's.
    fn of_sandbox(&self, sandbox: &Name, file: &Path) -> Self {
        match self {
            Self::Stderr => Self::Stderr,
            Self::Syslog(own) => Self::Syslog(own.named(format!("lithos-{sandbox}"))),
            Self::File { .. } => Self::file(file),
        }
    }

    fn write(&mut self, level: Level, message: &str) -> io::Result<()> {
        let message = escape(message);
        match self {
            Self::Syslog(sender) => sender.send(Path::new(syslog::SOCKET), level, &message),
            Self::Stderr => io::stderr().write_all(line(level, &message).as_bytes()),
            Self::File { path, file, torn } => {
                let open = match file {
                    Some(open) => open,
                    None => file.insert(append(path, 0o640)?),
                };
                if *torn {
                    open.write_all(b"\n")?;
                }
                let written = open.write_all(line(level, &message).as_bytes());
                *torn = written.is_err();
                written
            }
        }
    }
}

/// Opens a log for appending; it and its directory are made if missing.
///
/// The directory keeps others out: a container of the user 0 owns the log that it
/// writes to, and could make a set-user-id program of it for an accomplice outside.
pub fn append(path: &Path, mode: u32) -> io::Result<File> {
    let open = || {
        let mut options = OpenOptions::new();
        // A FIFO without a reader is an error, not a hang.
        let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
        options.append(true).create(true).mode(mode);
        options.custom_flags(flags.bits().cast_signed()).open(path)
    };
    match (open(), path.parent()) {
        (Err(err), Some(parent)) if err.kind() == io::ErrorKind::NotFound => {
            DirBuilder::new()
                .recursive(true)
                .mode(0o750)
                .create(parent)?;
            open()
        }
        (opened, _) => opened,
    }
}

fn line(level: Level, message: &str) -> String {
    let time = humantime::format_rfc3339_millis(SystemTime::now());
    format!("{time} {level:<5} {message}\n")
}

fn escape(message: &str) -> String {
    let mut escaped = String::with_capacity(message.len());
    for c in message.chars() {
        // Not `is_control` alone: these turn or break lines as well.
        let turns = matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        match c.is_control() || turns {
            true => _ = write!(escaped, "{}", c.escape_default()),
            false => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::tree::scratch::Scratch;

    #[test]
    fn no_text_can_forge_a_line_or_colour_a_terminal() {
        let escaped = escape("shop/web.0: a\nb\r\u{1b}[31m\u{9b}\u{2028}\u{202e}é");
        let expected = "shop/web.0: a\\nb\\r\\u{1b}[31m\\u{9b}\\u{2028}\\u{202e}é";
        assert_eq!(escaped, expected);
    }

    #[test]
    fn makes_missing_directories_and_appends() {
        let scratch = Scratch::new();
        let path = scratch.path().join("a/b/shop.log");
        for message in ["one", "two"] {
            Sink::file(&path).write(Level::Warn, message).unwrap();
        }
        let text = fs::read_to_string(path).unwrap();
        let ends: Vec<_> = text
            .lines()
            .map(|line| line.split_once('Z').unwrap().1)
            .collect();
        assert_eq!(ends, [" WARN  one", " WARN  two"]);
    }

    #[test]
    fn a_full_disk_is_an_error_that_the_next_line_survives() {
        let mut sink = Sink::file(Path::new("/dev/full"));
        assert!(sink.write(Level::Warn, "lost").is_err());
        assert!(matches!(sink, Sink::File { torn: true, .. }));
    }

    #[test]
    fn a_sandbox_has_a_name_of_its_own_in_syslog() {
        let facility = "daemon";
        let app_name = "lithos";
        let own = Sink::new(&Destination::Syslog { facility, app_name });
        let Sink::Syslog(sender) = own.of_sandbox(&"shop".parse().unwrap(), Path::new("/x")) else {
            panic!("it goes elsewhere");
        };
        assert!(format!("{sender:?}").contains("\"lithos-shop\""));
    }

    #[test]
    fn a_fifo_in_place_of_a_log_does_not_hang() {
        let scratch = Scratch::new();
        let path = scratch.path().join("fifo");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(append(&path, 0o640).is_err());
    }
}
