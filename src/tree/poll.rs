//! The one place where the supervisor waits: signals, ends of knots, time.

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
    knots: BTreeMap<u64, ContainerName>,
    last: u64,
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
}

impl Poll {
    /// Waits for signals, to begin with.
    pub fn new(signals: impl AsFd) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let data = epoll::EventData::new_u64(SIGNALS);
        epoll::add(&epoll, signals, data, epoll::EventFlags::IN)?;
        Ok(Self {
            epoll,
            knots: BTreeMap::new(),
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
                self.knots.insert(number, name.clone());
                Ok(Watched { pidfd, number })
            }
            Err(errno) => Err((pidfd, errno.into())),
        }
    }

    /// Waits for this knot no more, and reaps it if it is our child.
    pub fn forget(&mut self, knot: Watched) -> io::Result<()> {
        self.knots.remove(&knot.number);
        epoll::delete(&self.epoll, &knot.pidfd)?;
        pidfd::reap(&knot.pidfd)
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
            number => self.knots.get(&number).cloned().map(Ready::Ended),
        };
        Ok(events.iter().filter_map(ready).collect())
    }
}
