//! Lines for syslog(3), as RFC 3164 has them and local daemons read them.
//!
//! Not by the library `syslog`: it waits for a daemon that has stopped reading,
//! and this supervisor waits for nobody. A line that does not get through is
//! lost. Nothing stays open, so a daemon may come, go and be replaced. The time
//! is left to the daemon: in this format it would be local, and without a year.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use log::Level;

/// Where local daemons listen.
pub const SOCKET: &str = "/dev/log";

/// The facilities in the order of their codes; those between `ftp` and
/// `local0` have no name. RFC 3164, 4.1.1.
const FACILITIES: [&str; 12] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv",
    "ftp",
];

/// Who logs, and as what.
#[derive(Debug, Clone)]
pub struct Sender {
    facility: u8,
    app_name: String,
}

impl Sender {
    /// None if there is no such facility.
    pub fn new(facility: &str, app_name: &str) -> Option<Self> {
        let named = FACILITIES.iter().position(|name| *name == facility);
        let local = || (0..8).find(|n| facility == format!("local{n}"));
        let facility = named.or_else(|| Some(16 + local()?))?;
        Some(Self {
            facility: u8::try_from(facility).ok()?,
            app_name: app_name.to_owned(),
        })
    }

    /// The same, as another program.
    pub fn named(&self, app_name: String) -> Self {
        let facility = self.facility;
        Self { facility, app_name }
    }

    /// Sends one line, which has no control characters, to the daemon at `socket`.
    pub fn send(&self, socket: &Path, level: Level, message: &str) -> io::Result<()> {
        let sender = UnixDatagram::unbound()?;
        sender.set_nonblocking(true)?;
        let line = self.line(level, message);
        sender.send_to(line.as_bytes(), socket).map(|_| ())
    }

    fn line(&self, level: Level, message: &str) -> String {
        let severity = match level {
            Level::Error => 3,
            Level::Warn => 4,
            Level::Info => 6,
            Level::Debug | Level::Trace => 7,
        };
        let priority = self.facility * 8 + severity;
        let (app_name, pid) = (&self.app_name, std::process::id());
        format!("<{priority}>{app_name}[{pid}]: {message}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::scratch::Scratch;

    #[test]
    fn a_line_has_priority_name_and_pid() {
        let scratch = Scratch::new();
        let path = scratch.path().join("log");
        let daemon = UnixDatagram::bind(&path).unwrap();
        let sender = Sender::new("local3", "lithos").unwrap();
        let sandbox = sender.named("lithos-shop".into());
        sender.send(&path, Level::Warn, "one").unwrap();
        sandbox.send(&path, Level::Info, "two").unwrap();
        let pid = std::process::id();
        // 19 * 8 + 4, and + 6.
        for expected in [
            format!("<156>lithos[{pid}]: one"),
            format!("<158>lithos-shop[{pid}]: two"),
        ] {
            let mut line = [0; 99];
            let length = daemon.recv(&mut line).unwrap();
            assert_eq!(String::from_utf8_lossy(&line[..length]), expected);
        }
    }

    #[test]
    fn every_facility_has_its_code() {
        let code = |name| Sender::new(name, "x").map(|sender| sender.facility);
        let codes = [
            ("kern", 0),
            ("daemon", 3),
            ("ftp", 11),
            ("local0", 16),
            ("local7", 23),
        ];
        for (name, expected) in codes {
            assert_eq!(code(name), Some(expected));
        }
        assert_eq!(code("local8"), None);
    }

    #[test]
    fn nobody_is_waited_for() {
        let scratch = Scratch::new();
        let path = scratch.path().join("log");
        let sender = Sender::new("daemon", "lithos").unwrap();
        assert!(sender.send(&path, Level::Warn, "no daemon").is_err());
        let _deaf = UnixDatagram::bind(&path).unwrap();
        let full = (0..100_000).find_map(|_| sender.send(&path, Level::Warn, "x").err());
        assert_eq!(full.unwrap().kind(), io::ErrorKind::WouldBlock);
    }
}
