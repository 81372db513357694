//! Metrics: who wants them, and how far they are collected.
//!
//! What containers use is read from files of their cgroups, some thousands where
//! there are a thousand containers. So it is collected in slices, one in each
//! turn of the poll, between which everything else goes on; and whoever asks
//! during it or soon after gets the same text, so that many scrapers, or one that
//! does not tire, cost no more than one. [`http`] is how they ask,
//! [`exposition`] what they get; docs/metrics.md tells people.

pub mod exposition;
pub mod http;

use std::rc::Rc;
use std::time::Duration;

use self::exposition::Snapshot;
use self::http::Wanted;
use crate::name::ContainerName;

/// A text is given out for so long.
const FRESH: Duration = Duration::from_secs(1);
/// So many containers are looked at in one turn of the poll.
const SLICE: usize = 32;

/// Scrapers that wait, and what is collected for them.
#[derive(Debug, Default)]
pub struct Scrapes {
    waiting: Vec<(u64, Wanted)>,
    collection: Option<Collection>,
    last: Option<(Duration, Rc<str>)>,
}

/// What was collected, and of whom that is still to be done.
#[derive(Debug)]
struct Collection {
    left: std::vec::IntoIter<ContainerName>,
    snapshot: Snapshot,
}

impl Scrapes {
    /// The text, if there is one that is fresh.
    pub fn fresh(&self, now: Duration) -> Option<Rc<str>> {
        let (made, text) = self.last.as_ref()?;
        (now.saturating_sub(*made) < FRESH).then(|| Rc::clone(text))
    }

    /// This client waits for the next text, which is collected from now on if it
    /// is not already: of these containers.
    pub fn wait(&mut self, client: u64, wanted: Wanted, all: impl FnOnce() -> Vec<ContainerName>) {
        self.waiting.push((client, wanted));
        self.collection.get_or_insert_with(|| Collection {
            left: all().into_iter(),
            snapshot: Snapshot::default(),
        });
    }

    /// Whether there is something to collect in this turn.
    pub fn is_collecting(&self) -> bool {
        self.collection.is_some()
    }

    /// The next slice, and where what is found goes. Empty: that was all.
    pub fn slice(&mut self) -> (Vec<ContainerName>, Option<&mut Snapshot>) {
        let collection = self.collection.as_mut();
        collection.map_or_else(Default::default, |collection| {
            let slice = collection.left.by_ref().take(SLICE).collect();
            (slice, Some(&mut collection.snapshot))
        })
    }

    /// All is collected: what there is, without what is counted.
    pub fn collected(&mut self) -> Option<Snapshot> {
        Some(self.collection.take()?.snapshot)
    }

    /// The text is made: it is fresh from now on. Returns who waits for it.
    pub fn made(&mut self, text: Rc<str>, now: Duration) -> Vec<(u64, Wanted)> {
        self.last = Some((now, text));
        std::mem::take(&mut self.waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> Vec<ContainerName> {
        let name = |number| format!("shop/web.{number}").parse().unwrap();
        (0..count).map(name).collect()
    }

    #[test]
    fn many_scrapers_share_one_collection_in_slices() {
        let mut scrapes = Scrapes::default();
        scrapes.wait(1, Wanted::Metrics, || names(SLICE + 1));
        scrapes.wait(2, Wanted::Head, || panic!("collected twice"));
        assert_eq!(scrapes.slice().0.len(), SLICE);
        assert_eq!(scrapes.slice().0.len(), 1);
        assert_eq!(scrapes.slice().0.len(), 0);
        assert!(scrapes.collected().is_some() && !scrapes.is_collecting());
        let now = Duration::from_secs(9);
        let waited = scrapes.made("text".into(), now);
        assert_eq!(waited, [(1, Wanted::Metrics), (2, Wanted::Head)]);
        assert_eq!(scrapes.fresh(now).as_deref(), Some("text"));
        assert_eq!(scrapes.fresh(now + FRESH), None);
    }
}
