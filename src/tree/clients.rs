//! Programs that ask the supervisor something over a socket.
//!
//! Nothing that a client does or leaves undone keeps the supervisor from its
//! work: it may be slow or silent, never end its request, never read its answer,
//! or come a thousand times. For that,
//!
//! - no call here waits: sockets are non-blocking and belong to the one poll;
//! - each turn of the poll takes at most one request of a client, so that they
//!   take turns with each other, with signals and with ends of containers;
//! - clients of a socket, the bytes of a request and of an answer are bounded, see
//!   [`Bounds`]. Who comes while it is full waits in the kernel's queue;
//! - a client has so long for a whole request, and so long to take its answer,
//!   however many bytes it trickles meanwhile. Only while there are clients is there
//!   a deadline: without them the poll sleeps.
//!
//! What is said is the business of a [`Protocol`], which knows where a request
//! ends; the answer is made by [`run`](super::run), at once:
//!
//! ```text
//! ready() ─▶ Asked { protocol, request } ─▶ run makes the answer ─▶ answer()
//! ```
//!
//! A further protocol is a variant of `Protocol` and one of `run`'s match. A
//! connection goes on with the next request unless its answer says otherwise.

mod connection;
pub mod protocol;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use ::log::{debug, warn};
use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with, sockopt};

use self::connection::{Connection, Turn};
pub use self::protocol::{Answer, Bounds, Protocol, Refusal};
use super::poll::{Interest, Poll};

/// So many are taken in one turn of the poll.
const ACCEPTS_PER_TURN: usize = 16;
/// The pause after there was no descriptor for a client.
const PAUSE: Duration = Duration::from_secs(1);

/// All clients, and the sockets that they come to.
#[derive(Debug, Default)]
pub struct Clients {
    listeners: BTreeMap<u64, Listener>,
    connections: BTreeMap<u64, Open>,
    /// When a client's time is over, or a listener's pause.
    deadlines: BTreeSet<(Duration, u64)>,
}

#[derive(Debug)]
struct Listener {
    socket: OwnedFd,
    protocol: Protocol,
    clients: usize,
    /// Until then nobody is taken.
    paused: Option<Duration>,
}

#[derive(Debug)]
struct Open {
    connection: Connection,
    listener: u64,
    deadline: Duration,
    interest: Interest,
}

/// A whole request.
#[derive(Debug)]
pub struct Asked {
    /// Who waits for the answer.
    pub client: u64,
    /// How it is to be understood.
    pub protocol: Protocol,
    /// As it came.
    pub request: Vec<u8>,
}

impl Clients {
    /// Takes clients from a socket that listens and does not block.
    pub fn listen(
        &mut self,
        poll: &mut Poll,
        socket: OwnedFd,
        protocol: Protocol,
    ) -> io::Result<()> {
        let number = poll.add(&socket, Interest::Read)?;
        let listener = Listener {
            socket,
            protocol,
            clients: 0,
            paused: None,
        };
        self.listeners.insert(number, listener);
        Ok(())
    }

    /// When [`expire`](Self::expire) has something to do; none while there is
    /// nobody.
    pub fn next_deadline(&self) -> Option<Duration> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// Something can be done for the socket of this number, which the poll has
    /// said. A request that is returned waits for [`answer`](Self::answer).
    pub fn ready(&mut self, poll: &mut Poll, number: u64, now: Duration) -> Option<Asked> {
        if self.listeners.contains_key(&number) {
            self.accept(poll, number, now);
            return None;
        }
        let open = self.connections.get_mut(&number)?;
        match open.connection.turn() {
            Turn::Asked(request) => {
                let protocol = open.connection.protocol();
                return Some(Asked {
                    client: number,
                    protocol,
                    request,
                });
            }
            Turn::Waits => {}
            Turn::Began => self.extend(number, now),
            Turn::Ended => self.close(poll, number),
        }
        self.attend(poll, number);
        None
    }

    /// Answers a request.
    pub fn answer(&mut self, poll: &mut Poll, client: u64, answer: Answer, now: Duration) {
        let Some(open) = self.connections.get_mut(&client) else {
            return;
        };
        open.connection.answer(answer);
        self.extend(client, now);
        // Most answers are taken at once.
        if let Some(open) = self.connections.get_mut(&client)
            && open.connection.turn() == Turn::Ended
        {
            return self.close(poll, client);
        }
        self.attend(poll, client);
    }

    /// Parts with those whose time is over.
    pub fn expire(&mut self, poll: &mut Poll, now: Duration) {
        while let Some(&(at, number)) = self.deadlines.first() {
            if at > now {
                return;
            }
            if let Some(open) = self.connections.get_mut(&number) {
                open.connection.give_up();
                self.close(poll, number);
            } else {
                self.deadlines.pop_first();
                if let Some(listener) = self.listeners.get_mut(&number) {
                    listener.paused = None;
                    listener.attend(poll, number);
                }
            }
        }
    }

    fn accept(&mut self, poll: &mut Poll, number: u64, now: Duration) {
        for _ in 0..ACCEPTS_PER_TURN {
            let Some(listener) = self.listeners.get_mut(&number) else {
                return;
            };
            if listener.clients >= listener.protocol.bounds().clients {
                break;
            }
            match listener.accept() {
                Ok(Some(socket)) => self.welcome(poll, number, socket, now),
                Ok(None) => break,
                // As if it had never come.
                Err(Errno::CONNABORTED | Errno::INTR) => {}
                Err(err) => {
                    warn!("cannot take a client: {err}");
                    let until = now + PAUSE;
                    listener.paused = Some(until);
                    self.deadlines.insert((until, number));
                    break;
                }
            }
        }
        if let Some(listener) = self.listeners.get_mut(&number) {
            listener.attend(poll, number);
        }
    }

    fn welcome(&mut self, poll: &mut Poll, listener: u64, socket: OwnedFd, now: Duration) {
        let Some(from) = self.listeners.get_mut(&listener) else {
            return;
        };
        let protocol = from.protocol;
        if protocol.bounds().own_user_only && !is_our_user(&socket) {
            return debug!("refused a client of another user");
        }
        let number = match poll.add(&socket, Interest::Read) {
            Ok(number) => number,
            Err(err) => return warn!("cannot take a client: {err}"),
        };
        from.clients += 1;
        let deadline = now + protocol.bounds().patience;
        self.deadlines.insert((deadline, number));
        let open = Open {
            connection: Connection::new(socket, protocol),
            listener,
            deadline,
            interest: Interest::Read,
        };
        self.connections.insert(number, open);
    }

    /// The client has all its time anew.
    fn extend(&mut self, number: u64, now: Duration) {
        if let Some(open) = self.connections.get_mut(&number) {
            self.deadlines.remove(&(open.deadline, number));
            open.deadline = now + open.connection.protocol().bounds().patience;
            self.deadlines.insert((open.deadline, number));
        }
    }

    /// Has the poll wait for what the connection waits for.
    fn attend(&mut self, poll: &mut Poll, number: u64) {
        let Some(open) = self.connections.get_mut(&number) else {
            return;
        };
        let interest = open.connection.interest();
        if interest == open.interest {
            return;
        }
        open.interest = interest;
        if let Err(err) = poll.change(number, open.connection.socket(), interest) {
            warn!("cannot wait for a client: {err}");
            self.close(poll, number);
        }
    }

    fn close(&mut self, poll: &mut Poll, number: u64) {
        let Some(open) = self.connections.remove(&number) else {
            return;
        };
        self.deadlines.remove(&(open.deadline, number));
        poll.remove(number, open.connection.socket());
        if let Some(listener) = self.listeners.get_mut(&open.listener) {
            listener.clients -= 1;
            listener.attend(poll, open.listener);
        }
    }
}

impl Listener {
    fn accept(&self) -> Result<Option<OwnedFd>, Errno> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        match accept_with(&self.socket, flags) {
            Ok(socket) => Ok(Some(socket)),
            Err(Errno::AGAIN) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    /// Has the poll tell of clients if there is room for one.
    fn attend(&self, poll: &mut Poll, number: u64) {
        let full = self.clients >= self.protocol.bounds().clients;
        let interest = match full || self.paused.is_some() {
            true => Interest::Nothing,
            false => Interest::Read,
        };
        if let Err(err) = poll.change(number, &self.socket, interest) {
            warn!("cannot wait for clients: {err}");
        }
    }
}

/// By what the kernel says of the other end of a Unix socket.
fn is_our_user(socket: impl AsFd) -> bool {
    let ours = rustix::process::geteuid();
    sockopt::socket_peercred(socket).is_ok_and(|peer| peer.uid == ours)
}

#[cfg(test)]
mod tests;
