//! What is spoken at a socket: where a request ends, and within which bounds.

use std::time::Duration;

use crate::control;
use crate::tree::metrics::http;

/// What clients of a socket speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// A JSON document in each line, see [`crate::control`].
    Control,
    /// HTTP, a request in each connection, see [`metrics`](crate::tree::metrics).
    Metrics,
}

/// What is granted to the clients of one socket.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// So many at once.
    pub clients: usize,
    /// The most bytes of a request, its end included.
    pub request: usize,
    /// The time for a whole request, and that for taking the answer.
    pub patience: Duration,
    /// Whether clients of other users than our own are turned away; for Unix
    /// sockets only.
    pub own_user_only: bool,
}

/// What a client hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// As it is sent.
    pub bytes: Vec<u8>,
    /// Whether the connection ends with it.
    pub last: bool,
}

/// Why a client is parted with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Its request has more bytes than the bounds allow.
    TooLong,
    /// Its request was not whole in time.
    TooSlow,
}

impl Protocol {
    /// What is granted.
    pub fn bounds(self) -> Bounds {
        match self {
            Self::Control => Bounds {
                clients: 32,
                request: control::LONGEST_REQUEST,
                patience: Duration::from_secs(10),
                own_user_only: true,
            },
            Self::Metrics => Bounds {
                clients: 16,
                request: http::LONGEST_HEAD,
                patience: Duration::from_secs(5),
                own_user_only: false,
            },
        }
    }

    /// The length of the first request in what was received, once it is whole.
    pub fn whole(self, received: &[u8]) -> Option<usize> {
        match self {
            Self::Control => Some(received.iter().position(|byte| *byte == b'\n')? + 1),
            Self::Metrics => http::whole(received),
        }
    }

    /// The last that a client hears that is parted with.
    pub fn refusal(self, why: Refusal) -> Vec<u8> {
        match self {
            Self::Control => control::refusal(why),
            Self::Metrics => http::refusal(match why {
                Refusal::TooLong => http::Refused::TooLong,
                Refusal::TooSlow => http::Refused::TooSlow,
            }),
        }
    }
}
