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

use self::exposition::Used;
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
    /// When it is tried again to listen.
    pub listen_again: Option<Duration>,
}

/// What was collected, and of whom that is still to be done.
#[derive(Debug)]
struct Collection {
    left: std::vec::IntoIter<ContainerName>,
    used: Vec<Used>,
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
            used: Vec::new(),
        });
    }

    /// When there is something to do: at once, while there is something to collect.
    pub fn next(&self) -> Option<Duration> {
        match self.collection {
            Some(_) => Some(Duration::ZERO),
            None => self.listen_again,
        }
    }

    /// Has a slice of the containers looked at. Returns what was collected once
    /// there is none left.
    pub fn collect(
        &mut self,
        mut look: impl FnMut(ContainerName) -> Option<Used>,
    ) -> Option<Vec<Used>> {
        let Collection { left, used } = self.collection.as_mut()?;
        used.extend(left.take(SLICE).filter_map(&mut look));
        match left.as_slice() {
            [] => self.collection.take().map(|collection| collection.used),
            _ => None,
        }
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
    use crate::knot::cgroup::Usage;
    use crate::tree::tally::Tally;

    fn names(count: usize) -> Vec<ContainerName> {
        let name = |number| format!("shop/web.{number}").parse().unwrap();
        (0..count).map(name).collect()
    }

    #[test]
    fn many_scrapers_share_one_collection_in_slices() {
        let mut scrapes = Scrapes::default();
        scrapes.wait(1, Wanted::Metrics, || names(SLICE + 1));
        scrapes.wait(2, Wanted::Head, || panic!("collected twice"));
        let mut seen = 0;
        let mut look = |name| {
            seen += 1;
            Some((name, Usage::default(), Tally::default()))
        };
        assert_eq!(scrapes.collect(&mut look), None);
        assert_eq!(scrapes.next(), Some(Duration::ZERO));
        assert_eq!(scrapes.collect(&mut look).unwrap().len(), SLICE + 1);
        assert_eq!(scrapes.next(), None);
        assert_eq!(scrapes.collect(&mut look), None);
        assert_eq!(seen, SLICE + 1);
        let now = Duration::from_secs(9);
        let waited = scrapes.made("text".into(), now);
        assert_eq!(waited, [(1, Wanted::Metrics), (2, Wanted::Head)]);
        assert_eq!(scrapes.fresh(now).as_deref(), Some("text"));
        assert_eq!(scrapes.fresh(now + FRESH), None);
    }
}
