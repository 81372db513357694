//! Which images the config log still keeps. Pure: the clock comes from outside.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::config_log::Entry;

/// What of the history is kept.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Whatever was used within this time.
    pub age: Duration,
    /// Of each process at least so many images, however old.
    pub versions_min: usize,
    /// Of each process at most so many, however new; the last is always kept.
    pub versions_max: usize,
}

/// The images that the history keeps; none: it says something that nobody
/// understands, so nothing can be told.
pub fn kept(entries: &[Entry], bounds: &Bounds, now: SystemTime) -> Option<BTreeSet<String>> {
    let mut kept = BTreeSet::new();
    let mut last: BTreeMap<String, Vec<(String, SystemTime)>> = BTreeMap::new();
    for (number, entry) in entries.iter().enumerate() {
        // It was in use until another config took its place.
        let until = entries.get(number + 1).map_or(now, |next| next.time);
        for (process, image) in images(&entry.config)? {
            let used = last.entry(process).or_default();
            used.retain(|(other, _)| *other != image);
            used.push((image, until));
        }
    }
    for used in last.into_values() {
        for (rank, (image, until)) in used.into_iter().rev().enumerate() {
            let recent = now
                .duration_since(until)
                .map_or(true, |age| age <= bounds.age);
            let few = rank < bounds.versions_min.max(1);
            if few || (recent && rank < bounds.versions_max) {
                kept.insert(image);
            }
        }
    }
    // What was loaded last is used now.
    if let Some(entry) = entries.last() {
        kept.extend(images(&entry.config)?.into_iter().map(|(_, image)| image));
    }
    Some(kept)
}

/// Process and image of each entry of a process config.
fn images(config: &Value) -> Option<Vec<(String, String)>> {
    let map = match config {
        // An empty file.
        Value::Null => return Some(Vec::new()),
        config => config.as_object()?,
    };
    let image = |(name, process): (&String, &Value)| {
        let image = process.get("image")?.as_str()?;
        Some((name.clone(), image.to_owned()))
    };
    map.iter().map(image).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const DAY: Duration = Duration::from_secs(86_400);

    /// The images kept on day 100 of a process that changed on these days.
    fn kept_of(days: &[(u32, &str)], days_kept: u32, min: usize, max: usize) -> Vec<String> {
        let at = |day: u32| SystemTime::UNIX_EPOCH + DAY * day;
        let entries: Vec<_> = days
            .iter()
            .map(|(day, image)| Entry {
                time: at(*day),
                config: json!({ "web": { "image": image } }),
            })
            .collect();
        let bounds = Bounds {
            age: DAY * days_kept,
            versions_min: min,
            versions_max: max,
        };
        kept(&entries, &bounds, at(100))
            .unwrap()
            .into_iter()
            .collect()
    }

    #[test]
    fn an_image_is_used_until_another_takes_its_place() {
        // `a` was loaded long ago, but used until the day before yesterday.
        assert_eq!(kept_of(&[(1, "a"), (98, "b")], 3, 1, 9), ["a", "b"]);
        assert_eq!(kept_of(&[(1, "a"), (90, "b")], 3, 1, 9), ["b"]);
    }

    #[test]
    fn keeps_the_least_number_of_versions_however_old() {
        let days = [(1, "a"), (2, "b"), (3, "c"), (4, "d")];
        assert_eq!(kept_of(&days, 0, 3, 9), ["b", "c", "d"]);
    }

    #[test]
    fn keeps_no_more_than_the_greatest_number_of_versions() {
        let days = [(97, "a"), (98, "b"), (99, "c"), (100, "d")];
        assert_eq!(kept_of(&days, 50, 1, 2), ["c", "d"]);
    }

    #[test]
    fn the_last_is_kept_whatever_is_asked() {
        assert_eq!(kept_of(&[(1, "a"), (2, "b")], 0, 0, 0), ["b"]);
        assert_eq!(kept_of(&[(1, "b"), (2, "a"), (3, "b")], 0, 1, 1), ["b"]);
    }

    #[test]
    fn a_config_that_nobody_understands_tells_nothing() {
        for config in [
            json!([1]),
            json!({ "web": {} }),
            json!({ "web": { "image": 1 } }),
        ] {
            let entry = Entry {
                time: SystemTime::UNIX_EPOCH,
                config,
            };
            let bounds = Bounds {
                age: DAY,
                versions_min: 1,
                versions_max: 1,
            };
            assert_eq!(kept(&[entry], &bounds, SystemTime::now()), None);
        }
    }
}
