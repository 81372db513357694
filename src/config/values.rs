//! How each kind of value is read: numbers, paths, ids, lists of them.
//!
//! Rules about one value live here, so that the same value has the same rules in
//! each document.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use lithos_crypt::Namespace;

use super::reader::{Value, closest};
use super::units::{self, Cores, IdMap, LogLevel, Range, UnitError};

/// The last id there is: the one after it means "no id" to the kernel.
const LAST_ID: u32 = u32::MAX - 1;
/// How many lines the kernel takes in an id map.
const MOST_ID_MAPS: usize = 340;

pub(super) fn boolean(value: &Value<'_>) -> Option<bool> {
    let what = "`true` or `false`";
    match value.plain(what)? {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => value.refuse(format!("expected {what}"), None),
    }
}

fn unit<T>(
    value: &Value<'_>,
    what: &str,
    parse: impl FnOnce(&str) -> Result<T, UnitError>,
) -> Option<T> {
    match parse(value.scalar(what)?) {
        Ok(parsed) => Some(parsed),
        Err(error) => value.refuse(format!("expected {what}, but {error}"), error.hint()),
    }
}

/// An integer within these bounds, both included.
pub(super) fn integer(least: u64, most: u64) -> impl Fn(&Value<'_>) -> Option<u64> {
    move |value| {
        let number = unit(value, "an integer", units::integer)?;
        if (least..=most).contains(&number) {
            return Some(number);
        }
        let bound = match (number < least, most) {
            (true, _) => format!("at least {least}"),
            (false, _) => format!("at most {most}"),
        };
        value.refuse(format!("this must be {bound}"), None)
    }
}

/// Like [`integer`], of 32 bits.
pub(super) fn small(least: u32, most: u32) -> impl Fn(&Value<'_>) -> Option<u32> {
    move |value| integer(least.into(), most.into())(value).and_then(|n| n.try_into().ok())
}

pub(super) fn id(value: &Value<'_>) -> Option<u32> {
    small(0, LAST_ID)(value)
}

pub(super) fn mode(value: &Value<'_>) -> Option<u32> {
    unit(value, "a mode such as 0o755", units::mode)
}

pub(super) fn duration(value: &Value<'_>) -> Option<Duration> {
    unit(
        value,
        "a number of seconds, or a duration such as 1m30s",
        units::duration,
    )
}

/// The least is what the kernel takes: 1 ms of each period of 100 ms.
pub(super) fn cores(value: &Value<'_>) -> Option<Cores> {
    let cores = unit(value, "a number of cores such as 1.5", units::cores)?;
    match cores.0 {
        0..10 => value.refuse("this must be at least 0.01", None),
        10..=10_000_000 => Some(cores),
        _ => value.refuse("this must be at most 10000", None),
    }
}

pub(super) fn network(value: &Value<'_>) -> Option<super::ip_network::IpNetwork> {
    unit(value, "a network such as 10.1.0.0/16", units::network)
}

pub(super) fn address(value: &Value<'_>) -> Option<IpAddr> {
    let parsed = value.scalar("an IP address")?.parse();
    parsed
        .ok()
        .or_else(|| value.refuse("this is no IP address", None))
}

/// A text; a number or truth value is taken as it is written.
pub(super) fn text(value: &Value<'_>) -> Option<String> {
    value.scalar("a text").map(str::to_owned)
}

pub(super) fn texts(value: &Value<'_>) -> Option<Vec<String>> {
    list("a list of texts", text)(value)
}

/// As many entries as a list or mapping may have of which each is compared with the
/// others, or looked for on the host.
pub(super) const MOST_ENTRIES: usize = 1000;

/// The same value, unless it has more than [`MOST_ENTRIES`].
pub(super) fn few<T>(read: impl Fn(&Value<'_>) -> Option<T>) -> impl Fn(&Value<'_>) -> Option<T> {
    move |value| match value.length() {
        0..=MOST_ENTRIES => read(value),
        _ => value.refuse(format!("there are more than {MOST_ENTRIES} of them"), None),
    }
}

/// A list; none if any of its items has a problem.
pub(super) fn list<T>(
    what: &'static str,
    item: impl Fn(&Value<'_>) -> Option<T>,
) -> impl Fn(&Value<'_>) -> Option<Vec<T>> {
    move |value| {
        let read: Vec<_> = value.items(what)?.iter().map(&item).collect();
        read.into_iter().collect()
    }
}

/// A mapping with keys of the user's; none if any of its entries has a problem.
///
/// Two keys that are written differently and mean the same are refused.
pub(super) fn mapping<K: Ord, V>(
    what: &'static str,
    key: impl Fn(&str, &Value<'_>) -> Option<K>,
    read: impl Fn(&Value<'_>) -> Option<V>,
) -> impl Fn(&Value<'_>) -> Option<BTreeMap<K, V>> {
    move |value| {
        let mut map = BTreeMap::new();
        let mut broken = false;
        for (written, value) in value.entries(what)? {
            match (key(written, &value), read(&value)) {
                (Some(key), _) if map.contains_key(&key) => {
                    broken = true;
                    value.refuse_key("this is given twice", None)
                }
                (Some(key), Some(read)) => map.insert(key, read).map(drop),
                _ => {
                    broken = true;
                    None
                }
            };
        }
        (!broken).then_some(map)
    }
}

/// One of these words.
pub(super) fn word<T: Copy>(
    words: &'static [(&'static str, T)],
) -> impl Fn(&Value<'_>) -> Option<T> {
    move |value| {
        let names = || words.iter().map(|(word, _)| *word);
        let known = names().collect::<Vec<_>>().join(", ");
        let written = value.scalar(&format!("one of {known}"))?;
        match words.iter().find(|(word, _)| *word == written) {
            Some((_, meaning)) => Some(*meaning),
            None => {
                let hint = closest(written, names()).map(|word| format!("did you mean {word}?"));
                value.refuse(format!("expected one of {known}"), hint.as_deref())
            }
        }
    }
}

pub(super) fn log_level(value: &Value<'_>) -> Option<LogLevel> {
    word(&[
        ("error", LogLevel::Error),
        ("warn", LogLevel::Warn),
        ("info", LogLevel::Info),
        ("debug", LogLevel::Debug),
        ("trace", LogLevel::Trace),
        ("off", LogLevel::Off),
    ])(value)
}

/// Any path but the empty one.
pub(super) fn path(value: &Value<'_>) -> Option<PathBuf> {
    let written = value.scalar("a path")?;
    match too_long(written) {
        _ if written.is_empty() => value.refuse("a path cannot be empty", None),
        Some(why) => value.refuse(why, None),
        None => Some(written.into()),
    }
}

/// An absolute path without `..`.
pub(super) fn absolute(value: &Value<'_>) -> Option<PathBuf> {
    let written = value.scalar("an absolute path")?;
    match not_absolute(written) {
        None => Some(written.into()),
        Some(why) => value.refuse(why, None),
    }
}

/// Like [`absolute`], of what is no directory.
pub(super) fn absolute_file(value: &Value<'_>) -> Option<PathBuf> {
    let path = absolute(value)?;
    match path.as_os_str().as_encoded_bytes().ends_with(b"/") {
        false => Some(path),
        true => value.refuse("a file's path cannot end with `/`", None),
    }
}

/// Like [`absolute`], for a key.
pub(super) fn absolute_key(written: &str, value: &Value<'_>) -> Option<PathBuf> {
    match not_absolute(written) {
        None => Some(written.into()),
        Some(why) => value.refuse_key(why, None),
    }
}

fn not_absolute(path: &str) -> Option<&'static str> {
    match path {
        _ if !path.starts_with('/') => Some("this path must be absolute"),
        _ if path.split('/').any(|part| part == "..") => Some("a path cannot hold `..` here"),
        _ => too_long(path),
    }
}

/// Why the kernel takes no such path (`PATH_MAX`, `NAME_MAX`).
fn too_long(path: &str) -> Option<&'static str> {
    if path.len() >= 4096 {
        Some("a path has at most 4095 bytes")
    } else if path.split('/').any(|part| part.len() > 255) {
        Some("a part of a path has at most 255 bytes")
    } else {
        None
    }
}

/// A relative path that leads to something inside: without `..`, and not `.`.
pub(super) fn below(value: &Value<'_>) -> Option<PathBuf> {
    let written = value.scalar("a relative path")?;
    let mut parts = written.split('/');
    if written.starts_with('/') {
        value.refuse("this path must be relative", None)
    } else if parts.any(|part| part == "..") {
        value.refuse("a path cannot hold `..` here", None)
    } else if written.split('/').all(|part| matches!(part, "" | ".")) {
        value.refuse("this path names nothing", None)
    } else if let Some(why) = too_long(written) {
        value.refuse(why, None)
    } else {
        Some(written.into())
    }
}

/// Why this is no relative path, written plainly, to a file.
pub(super) fn not_below(written: &str) -> Option<&'static str> {
    let strange = |part| matches!(part, "" | "." | "..");
    match written.split('/').any(strange) {
        true => Some("a file's path holds no `.`, `..` and empty parts"),
        false => too_long(written),
    }
}

/// A path that an image's name is made of: relative, each component a name.
pub(super) fn components(value: &Value<'_>) -> Option<PathBuf> {
    let written = value.scalar("an image's name")?;
    let strange = |part| matches!(part, "" | "." | "..");
    match too_long(written) {
        _ if written.split('/').any(strange) => value.refuse(
            "an image's name is a relative path without `.`, `..` and empty components",
            None,
        ),
        Some(why) => value.refuse(why, None),
        None => Some(written.into()),
    }
}

/// Ranges of ids.
pub(super) fn id_ranges(value: &Value<'_>) -> Option<Vec<Range>> {
    ranges(value, "a list of ids and ranges of ids", 0, LAST_ID)
}

/// Ranges of ports.
pub(super) fn port_ranges(value: &Value<'_>) -> Option<Vec<Range>> {
    ranges(value, "a list of ports and ranges of ports", 1, 65535)
}

fn ranges(value: &Value<'_>, what: &'static str, least: u32, most: u32) -> Option<Vec<Range>> {
    list(what, |item| {
        let range = unit(item, "a number or a range such as 1000-2000", units::range)?;
        match range.first >= least && range.last <= most {
            true => Some(range),
            false => item.refuse(format!("this must lie within {least}-{most}"), None),
        }
    })(value)
}

/// The lines of an id map.
pub(super) fn id_maps(value: &Value<'_>) -> Option<Vec<IdMap>> {
    let items = value.items("a list of { inside, outside, count }")?;
    if items.len() > MOST_ID_MAPS {
        return value.refuse(
            format!("the kernel takes at most {MOST_ID_MAPS} lines"),
            None,
        );
    }
    let mut maps: Vec<IdMap> = Vec::new();
    let mut broken = false;
    for item in &items {
        match id_map(item, &maps) {
            Some(map) => maps.push(map),
            None => broken = true,
        }
    }
    (!broken).then_some(maps)
}

fn id_map(value: &Value<'_>, others: &[IdMap]) -> Option<IdMap> {
    let mut map = value.map("{ inside, outside, count }")?;
    let inside = map.required("inside", id);
    let outside = map.required("outside", id);
    let count = map.required("count", small(1, u32::MAX));
    map.finish();
    let (inside, outside, count) = (inside?, outside?, count?);
    let end = |first: u32| u64::from(first) + u64::from(count);
    if end(inside.max(outside)) > u64::from(LAST_ID) + 1 {
        return value.refuse("this range ends beyond the last id", None);
    }
    for other in others {
        let meets = |first: u32, other_first: u32| {
            u64::from(first) < u64::from(other_first) + u64::from(other.count)
                && u64::from(other_first) < end(first)
        };
        if meets(inside, other.inside) || meets(outside, other.outside) {
            return value.refuse("this range overlaps one before it", None);
        }
    }
    Some(IdMap {
        inside,
        outside,
        count,
    })
}

pub(super) fn namespaces(value: &Value<'_>) -> Option<Vec<Namespace>> {
    list("a list of namespaces", |item| {
        match item.scalar("a namespace")?.parse() {
            Ok(namespace) => Some(namespace),
            Err(_) => item.refuse(
                "a namespace holds only letters, digits, `_`, `.` and `-`",
                None,
            ),
        }
    })(value)
}
