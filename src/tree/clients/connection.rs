//! One client's connection: bytes in, bytes out, and no waiting.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown};

use super::protocol::{Answer, Protocol, Refusal};
use crate::tree::poll::Interest;

/// As much is read in one turn.
const CHUNK: usize = 8 * 1024;
/// As much of what nobody wants to hear any more is read before the end.
const DISCARDED: usize = 1024 * 1024;

/// A client.
#[derive(Debug)]
pub struct Connection {
    socket: OwnedFd,
    protocol: Protocol,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Its request, as far as it is there; never more than one.
    Asking(Vec<u8>),
    /// Its request waits for an answer.
    Asked,
    /// Its answer, as far as it was not taken.
    Answering(Answer, usize),
    /// It was told the last; so many bytes are still read, without which the
    /// other end of a TCP connection might lose what it was told.
    Ending(usize),
}

/// What came of a turn.
#[derive(Debug, PartialEq, Eq)]
pub enum Turn {
    /// A request is whole.
    Asked(Vec<u8>),
    /// Nothing new: the poll says when to go on.
    Waits,
    /// It has taken its answer, and may ask again or is about to end.
    Began,
    /// Nothing more comes of it.
    Ended,
}

impl Connection {
    /// With a non-blocking socket.
    pub fn new(socket: OwnedFd, protocol: Protocol) -> Self {
        let state = State::Asking(Vec::new());
        Self {
            socket,
            protocol,
            state,
        }
    }

    /// What is spoken.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// What the poll is to look at.
    pub fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// What it waits for.
    pub fn interest(&self) -> Interest {
        match self.state {
            State::Asking(_) | State::Ending(_) => Interest::Read,
            State::Asked => Interest::Nothing,
            State::Answering(..) => Interest::Write,
        }
    }

    /// Reads or writes once, if that can be done now.
    pub fn turn(&mut self) -> Turn {
        let done = match &mut self.state {
            State::Asking(_) => self.read(),
            State::Asked => Ok(Turn::Waits),
            State::Answering(..) => self.write(),
            State::Ending(left) => discard(&self.socket, left),
        };
        match done {
            Ok(turn) => turn,
            Err(Errno::AGAIN | Errno::INTR) => Turn::Waits,
            Err(_) => Turn::Ended,
        }
    }

    /// Begins to answer.
    pub fn answer(&mut self, answer: Answer) {
        self.state = State::Answering(answer, 0);
    }

    /// Says why, if it was asking.
    pub fn give_up(&mut self) {
        if let State::Asking(received) = &self.state
            && !received.is_empty()
        {
            let bytes = self.protocol.refusal(Refusal::TooSlow);
            self.answer(Answer { bytes, last: true });
            self.turn();
        }
    }

    /// Takes no more than one request out of the kernel's buffer: the poll tells
    /// that there is more.
    fn read(&mut self) -> Result<Turn, Errno> {
        let State::Asking(received) = &mut self.state else {
            return Ok(Turn::Waits);
        };
        let (before, longest) = (received.len(), self.protocol.bounds().request);
        received.resize(before + CHUNK.min(longest - before), 0);
        let peeked = recv(&self.socket, &mut received[before..], RecvFlags::PEEK);
        let (peeked, _) = peeked.inspect_err(|_| received.truncate(before))?;
        received.truncate(before + peeked);
        if peeked == 0 {
            return Ok(Turn::Ended);
        }
        let whole = self.protocol.whole(received);
        let length = whole.unwrap_or(received.len());
        recv(
            &self.socket,
            &mut received[before..length],
            RecvFlags::empty(),
        )?;
        received.truncate(length);
        if whole.is_some() {
            let request = std::mem::take(received);
            self.state = State::Asked;
            return Ok(Turn::Asked(request));
        }
        if length < longest {
            return Ok(Turn::Waits);
        }
        let bytes = self.protocol.refusal(Refusal::TooLong);
        self.answer(Answer { bytes, last: true });
        self.write()
    }

    fn write(&mut self) -> Result<Turn, Errno> {
        let State::Answering(answer, sent) = &mut self.state else {
            return Ok(Turn::Waits);
        };
        *sent += send(&self.socket, &answer.bytes[*sent..], SendFlags::NOSIGNAL)?;
        if *sent < answer.bytes.len() {
            return Ok(Turn::Waits);
        }
        self.state = match answer.last {
            false => State::Asking(Vec::new()),
            true => {
                shutdown(&self.socket, Shutdown::Write)?;
                State::Ending(DISCARDED)
            }
        };
        Ok(Turn::Began)
    }
}

fn discard(socket: &OwnedFd, left: &mut usize) -> Result<Turn, Errno> {
    let mut chunk = [0; CHUNK];
    let (read, _) = recv(socket, &mut chunk, RecvFlags::empty())?;
    *left = left.saturating_sub(read);
    match read == 0 || *left == 0 {
        true => Ok(Turn::Ended),
        false => Ok(Turn::Waits),
    }
}
