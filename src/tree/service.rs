//! The service manager that started us, if one did: systemd, spoken to by
//! sd_notify(3).
//!
//! It is told what we are about, that the poll loop is alive, and it keeps the
//! listening sockets in its descriptor store, from which the next supervisor
//! gets them, whatever becomes of this one. Without a service manager nothing
//! here does anything; what cannot be told never stops anything.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{BorrowedFd, RawFd};
use std::time::Duration;

use ::log::{debug, warn};
use sd_notify::NotifyState;

use crate::name::Name;

/// What of our environment is about descriptors that were passed to us; to be
/// kept from whatever is executed next, where the numbers mean something else.
pub const PASSED: [&str; 3] = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"];

/// Everything is taken over and loaded; also the end of a reload.
pub fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// A reload begins, at this time of the monotonic clock.
pub fn reloading(now: Duration) {
    let now = i128::try_from(now.as_micros()).unwrap_or_default();
    tell(&[NotifyState::Reloading, NotifyState::MonotonicUsec(now)]);
}

/// The supervisor is about to end.
pub fn stopping(status: &str) {
    tell(&[NotifyState::Stopping, NotifyState::Status(status)]);
}

/// Has the socket kept for the next supervisor.
pub fn keep(sandbox: &Name, address: SocketAddr, socket: BorrowedFd<'_>) {
    let name = name(sandbox, address);
    let state = [NotifyState::FdStore, NotifyState::FdName(&name)];
    if let Err(err) = sd_notify::notify_with_fds(&state, &[socket]) {
        warn!("cannot store the socket {name}: {err}");
    }
}

/// Has the socket kept no longer, which would keep it open.
pub fn give_up(sandbox: &Name, address: SocketAddr) {
    give_up_named(&name(sandbox, address));
}

/// Has everything of this name kept no longer.
pub fn give_up_named(name: &str) {
    tell(&[NotifyState::FdStoreRemove, NotifyState::FdName(name)]);
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(err) = sd_notify::notify(state) {
        debug!("cannot notify the service manager: {err}");
    }
}

/// The descriptors that were passed to this process, with their names.
pub fn passed() -> Vec<(RawFd, String)> {
    // Something else than that is nothing that we have stored.
    sd_notify::listen_fds_with_names().map_or_else(|_: io::Error| Vec::new(), Iterator::collect)
}

/// What a socket is called in the store: `SANDBOX/IP/PORT`, with `_` for the
/// `:` that systemd.service(5) forbids. Well below its 255 bytes, since a
/// sandbox's name has 200 at most.
fn name(sandbox: &Name, address: SocketAddr) -> String {
    let ip = address.ip().to_string().replace(':', "_");
    format!("{sandbox}/{ip}/{}", address.port())
}

/// Whose socket a stored one is, by its name.
pub fn parse(name: &str) -> Option<(Name, SocketAddr)> {
    let mut parts = name.split('/');
    let (sandbox, ip, port) = (parts.next()?, parts.next()?, parts.next()?);
    let ip: IpAddr = ip.replace('_', ":").parse().ok()?;
    let address = SocketAddr::new(ip, port.parse().ok()?);
    let none_left = parts.next().is_none();
    none_left.then_some((sandbox.parse().ok()?, address))
}

/// The poll loop's proof of life, if the service manager wants one.
#[derive(Debug)]
pub struct Watchdog {
    interval: Option<Duration>,
    due: Duration,
}

impl Watchdog {
    /// As the service manager asks; the first proof is due at once.
    pub fn from_environment() -> Self {
        Self::every(sd_notify::watchdog_enabled().map(|limit| limit / 2))
    }

    fn every(interval: Option<Duration>) -> Self {
        let due = Duration::ZERO;
        Self { interval, due }
    }

    /// Gives the proof if it is due. Returns when it is due next.
    pub fn alive(&mut self, now: Duration) -> Option<Duration> {
        let interval = self.interval?;
        if now >= self.due {
            tell(&[NotifyState::Watchdog]);
            self.due = now + interval;
        }
        Some(self.due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_stored_sockets_suit_systemd_and_are_read_back() {
        let longest = "s".repeat(Name::MAX);
        for sandbox in ["shop", "my_shop-2", &longest] {
            for address in [
                "0.0.0.0:80",
                "[::]:443",
                "[2001:db8::1]:65535",
                "[::ffff:1.2.3.4]:1",
            ] {
                let (sandbox, address) = (sandbox.parse().unwrap(), address.parse().unwrap());
                let name = name(&sandbox, address);
                // systemd's fdname_is_valid().
                assert!(name.len() <= 255, "{name}");
                assert!(
                    name.bytes().all(|b| (b' '..127).contains(&b) && b != b':'),
                    "{name}"
                );
                assert_eq!(parse(&name), Some((sandbox, address)));
            }
        }
    }

    #[test]
    fn a_name_that_is_not_ours_is_nobodys_socket() {
        for name in [
            "stored",
            "a/b",
            "shop/1.2.3.4/99999",
            "shop/1.2.3/80",
            "sh op/1.2.3.4/80",
            "shop/1.2.3.4/80/x",
        ] {
            assert_eq!(parse(name), None, "{name}");
        }
    }

    #[test]
    fn a_proof_of_life_is_due_at_half_the_limit_and_not_sooner() {
        let second = Duration::from_secs(1);
        let mut watchdog = Watchdog::every(Some(15 * second));
        assert_eq!(watchdog.alive(100 * second), Some(115 * second));
        assert_eq!(watchdog.alive(114 * second), Some(115 * second));
        assert_eq!(watchdog.alive(116 * second), Some(131 * second));
        assert_eq!(Watchdog::every(None).alive(second), None);
    }
}
