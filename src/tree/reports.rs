//! Which reports have grown, by inotify(7): those of knots that start their
//! process again by themselves, and of which nobody would know otherwise until
//! they end.

use std::collections::BTreeMap;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;

use super::poll::{Interest, Poll};
use crate::name::ContainerName;

/// The reports that are watched. Each until its file is gone.
#[derive(Debug)]
pub struct Reports {
    inotify: OwnedFd,
    number: u64,
    watched: BTreeMap<i32, ContainerName>,
}

impl Reports {
    /// Of none yet.
    pub fn new(poll: &mut Poll) -> io::Result<Self> {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let number = poll.add(&inotify, Interest::Read)?;
        Ok(Self {
            inotify,
            number,
            watched: BTreeMap::new(),
        })
    }

    /// Whether it is this that the poll means.
    pub fn is(&self, number: u64) -> bool {
        self.number == number
    }

    /// Watches the container's report as well.
    pub fn watch(&mut self, name: &ContainerName, report: &Path) -> io::Result<()> {
        let number = inotify::add_watch(&self.inotify, report, WatchFlags::MODIFY)?;
        self.watched.insert(number, name.clone());
        Ok(())
    }

    /// Whose reports have grown.
    pub fn grown(&mut self) -> Vec<ContainerName> {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = inotify::Reader::new(&self.inotify, &mut buffer);
        let mut grown = Vec::new();
        loop {
            match reader.next() {
                Ok(event) if event.events().contains(ReadFlags::QUEUE_OVERFLOW) => {
                    grown.extend(self.watched.values().cloned());
                }
                Ok(event) if event.events().contains(ReadFlags::IGNORED) => {
                    self.watched.remove(&event.wd());
                }
                Ok(event) => grown.extend(self.watched.get(&event.wd()).cloned()),
                Err(Errno::INTR) => {}
                Err(_) => return grown,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;

    use super::super::scratch::Scratch;
    use super::*;

    #[test]
    fn a_report_is_told_of_when_it_grows_until_it_is_gone() {
        let scratch = Scratch::new();
        let (signals, _other) = rustix::pipe::pipe().unwrap();
        let mut poll = Poll::new(&signals).unwrap();
        let mut reports = Reports::new(&mut poll).unwrap();
        let name: ContainerName = "shop/web.0".parse().unwrap();
        let path = scratch.path().join("report");
        let mut file = File::create(&path).unwrap();
        reports.watch(&name, &path).unwrap();
        assert_eq!(reports.grown(), []);
        file.write_all(b"line\n").unwrap();
        assert_eq!(poll.wait(None).unwrap().len(), 1);
        assert_eq!(reports.grown(), [name]);
        drop(file);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(reports.grown(), []);
        assert!(reports.watched.is_empty());
        assert!(
            reports
                .watch(&"shop/web.1".parse().unwrap(), &path)
                .is_err()
        );
    }
}
