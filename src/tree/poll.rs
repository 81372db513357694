//! The one place where the supervisor waits: signals, ends of knots, clients, time.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};

use crate::name::ContainerName;
use crate::sys::pidfd;

/// The number that stands for signals.
const SIGNALS: u64 = 0;

/// The kernel before 5.11 refuses to wait for more than 24 days.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Descriptors to wait for.
#[derive(Debug)]
pub struct Poll {
    epoll: OwnedFd,
    watched: BTreeMap<u64, Watch>,
    last: u64,
}

#[derive(Debug)]
enum Watch {
    Knot(ContainerName),
    Socket,
}

/// What is waited for at a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    /// Nothing but its breaking down.
    Nothing,
    /// There is something to read, or someone to accept.
    Read,
    /// There is room for writing.
    Write,
}

/// A knot whose end is waited for.
#[derive(Debug)]
pub struct Watched {
    /// The knot.
    pub pidfd: OwnedFd,
    number: u64,
}

/// What has happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ready {
    /// There are signals to read.
    Signal,
    /// The container's knot has ended.
    Ended(ContainerName),
    /// Something can be done at the socket of this number.
    Socket(u64),
}

impl Poll {
    /// Waits for signals, to begin with.
    pub fn new(signals: impl AsFd) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let data = epoll::EventData::new_u64(SIGNALS);
        epoll::add(&epoll, signals, data, epoll::EventFlags::IN)?;
        Ok(Self {
            epoll,
            watched: BTreeMap::new(),
            last: SIGNALS,
        })
    }

    /// Waits for the end of a knot as well; on failure gives it back.
    pub fn watch(
        &mut self,
        name: &ContainerName,
        pidfd: OwnedFd,
    ) -> Result<Watched, (OwnedFd, io::Error)> {
        self.last += 1;
        let number = self.last;
        let data = epoll::EventData::new_u64(number);
        match epoll::add(&self.epoll, &pidfd, data, epoll::EventFlags::IN) {
            Ok(()) => {
                self.watched.insert(number, Watch::Knot(name.clone()));
                Ok(Watched { pidfd, number })
            }
            Err(errno) => Err((pidfd, errno.into())),
        }
    }

    /// Waits for this knot no more, and reaps it if it is our child.
    pub fn forget(&mut self, knot: Watched) -> io::Result<()> {
        self.watched.remove(&knot.number);
        epoll::delete(&self.epoll, &knot.pidfd)?;
        pidfd::reap(&knot.pidfd)
    }

    /// Waits for something at a socket as well. Returns the number by which that
    /// is told, which no other has or will have.
    pub fn add(&mut self, socket: impl AsFd, interest: Interest) -> io::Result<u64> {
        self.last += 1;
        let number = self.last;
        let data = epoll::EventData::new_u64(number);
        epoll::add(&self.epoll, socket, data, interest.flags())?;
        self.watched.insert(number, Watch::Socket);
        Ok(number)
    }

    /// Waits for something else at the socket of this number.
    pub fn change(&mut self, number: u64, socket: impl AsFd, interest: Interest) -> io::Result<()> {
        let data = epoll::EventData::new_u64(number);
        Ok(epoll::modify(&self.epoll, socket, data, interest.flags())?)
    }

    /// Waits for the socket of this number no more.
    pub fn remove(&mut self, number: u64, socket: impl AsFd) {
        self.watched.remove(&number);
        // Fails only for one that is not waited for.
        let _ = epoll::delete(&self.epoll, socket);
    }

    /// What has happened; after `timeout` maybe nothing.
    pub fn wait(&self, timeout: Option<Duration>) -> io::Result<Vec<Ready>> {
        let timeout = timeout.map(|timeout| timeout.min(LONGEST));
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        let mut events = Vec::with_capacity(64);
        match epoll::wait(&self.epoll, spare_capacity(&mut events), timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let ready = |event: &epoll::Event| match event.data.u64() {
            SIGNALS => Some(Ready::Signal),
            number => self.watched.get(&number).map(|watch| match watch {
                Watch::Knot(name) => Ready::Ended(name.clone()),
                Watch::Socket => Ready::Socket(number),
            }),
        };
        Ok(events.iter().filter_map(ready).collect())
    }
}

impl Interest {
    fn flags(self) -> epoll::EventFlags {
        match self {
            Self::Nothing => epoll::EventFlags::empty(),
            Self::Read => epoll::EventFlags::IN,
            Self::Write => epoll::EventFlags::OUT,
        }
    }
}
