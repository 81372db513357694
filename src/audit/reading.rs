//! Reading the audit log: when each secret was used last.
//!
//! It reads what was rotated too, as far as it is not compressed. What is no line
//! of ours, as one that a full disk has torn, is counted and left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Serialize;

use super::{Entry, Gap, Line};
use crate::name::ContainerName;
use crate::resolve::plan::Form;

/// What the log says.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Uses {
    /// Every secret in every place, the one that was used last first.
    pub secrets: Vec<Use>,
    /// Where lines are missing.
    pub gaps: Vec<Gap>,
    /// Lines that cannot be read.
    pub unreadable_lines: u64,
    /// Files that are not read: they are compressed.
    pub left_out: Vec<PathBuf>,
}

/// A secret in a place.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Use {
    /// When it was delivered last.
    pub last_delivered: Option<String>,
    /// How often it was.
    pub deliveries: usize,
    /// What the log says of it last.
    pub last: Line,
    #[serde(skip)]
    starts: BTreeSet<String>,
}

/// A secret of a container, delivered somewhere.
type Key = (ContainerName, String, Form, Option<String>);

/// What of the log at `path` is about containers that are `wanted`.
///
/// # Errors
///
/// That a file cannot be read; not that there is none.
pub fn read(path: &Path, wanted: impl Fn(&ContainerName) -> bool) -> io::Result<Uses> {
    let mut uses = Uses::default();
    let mut found = BTreeMap::new();
    for file in files(path)? {
        if is_compressed(&file) {
            uses.left_out.push(file);
            continue;
        }
        for line in BufReader::new(File::open(&file)?).split(b'\n') {
            match serde_json::from_slice(&line?) {
                Ok(entry) => {
                    let entry: Entry = entry;
                    if !wanted(entry.container()) {
                        continue;
                    }
                    match entry {
                        Entry::Secret(line) => take(&mut found, line),
                        Entry::Gap(gap) => uses.gaps.push(gap),
                    }
                }
                Err(_) => uses.unreadable_lines += 1,
            }
        }
    }
    uses.secrets = found.into_values().collect();
    // Times are written so that they sort as text.
    uses.secrets.sort_by(|one, two| {
        let by_time = |of: &Use| (of.last_delivered.clone(), of.last.time.clone());
        by_time(two).cmp(&by_time(one))
    });
    Ok(uses)
}

fn take(found: &mut BTreeMap<Key, Use>, line: Line) {
    let key = (
        line.container.clone(),
        line.secret.clone(),
        line.delivery,
        line.path.clone(),
    );
    let place = found.entry(key).or_insert_with(|| Use {
        last_delivered: None,
        deliveries: 0,
        last: line.clone(),
        starts: BTreeSet::new(),
    });
    if line.outcome == "delivered" {
        // Some lines come twice.
        place.starts.insert(line.start.clone());
        place.deliveries = place.starts.len();
        place.last_delivered = Some(line.time.clone()).max(place.last_delivered.take());
    }
    if line.time >= place.last.time {
        place.last = line;
    }
}

/// The log and what was rotated, the oldest first.
fn files(path: &Path) -> io::Result<Vec<PathBuf>> {
    let (dir, name) = (path.parent(), path.file_name());
    let (dir, name) = (dir.unwrap_or(Path::new("/")), name.unwrap_or_default());
    let entries = match fs::read_dir(dir) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut files: Vec<(SystemTime, PathBuf)> = Vec::new();
    for entry in entries {
        let entry = entry?;
        let (found, name) = (entry.file_name(), name.to_string_lossy());
        let rest = found.to_string_lossy();
        let Some(rest) = rest.strip_prefix(name.as_ref()) else {
            continue;
        };
        let metadata = entry.metadata()?;
        if metadata.is_file() && (rest.is_empty() || rest.starts_with(['.', '-'])) {
            files.push((metadata.modified()?, entry.path()));
        }
    }
    files.sort();
    Ok(files.into_iter().map(|(_, path)| path).collect())
}

fn is_compressed(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    ending.is_some_and(|ending| ["gz", "bz2", "xz", "zst"].contains(&ending))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::scratch::Scratch;

    fn line(time: &str, start: &str, secret: &str, outcome: &str) -> String {
        format!(
            r#"{{"time":"{time}","container":"shop/web.0","start":"{start}","occasion":"start","secret":"{secret}","delivery":"variable","outcome":"{outcome}"}}"#
        ) + "\n"
    }

    #[test]
    fn secrets_are_listed_by_their_last_use_over_rotated_files() {
        let scratch = Scratch::new();
        let path = scratch.path().join("audit.log");
        let old = line("2026-01-01T00:00:00Z", "a", "OLD", "delivered")
            + &line("2026-01-01T00:00:00Z", "a", "BOTH", "delivered");
        fs::write(scratch.path().join("audit.log.1"), old).unwrap();
        fs::write(scratch.path().join("audit.log.2.gz"), "x").unwrap();
        fs::write(scratch.path().join("audit.logic"), "x").unwrap();
        let twice = line("2026-01-03T00:00:00Z", "b", "BOTH", "delivered");
        let refused = line("2026-01-02T00:00:00Z", "c", "OLD", "key-mismatch");
        let gap = r#"{"time":"2026-01-02T00:00:00Z","container":"shop/web.0","gap":"why"}"#;
        let new = [
            refused.as_str(),
            &twice,
            &twice,
            "{\"time\":\"2026\n",
            gap,
            "\n",
        ]
        .concat();
        fs::write(&path, new).unwrap();
        let uses = read(&path, |_| true).unwrap();
        let found: Vec<_> = uses
            .secrets
            .iter()
            .map(|of| (of.last.secret.as_str(), of.deliveries, &*of.last.outcome))
            .collect();
        assert_eq!(
            found,
            [("BOTH", 2, "delivered"), ("OLD", 1, "key-mismatch")]
        );
        assert_eq!((uses.gaps.len(), uses.unreadable_lines), (1, 1));
        assert_eq!(uses.left_out, [scratch.path().join("audit.log.2.gz")]);
        assert!(read(&path, |_| false).unwrap().secrets.is_empty());
    }

    #[test]
    fn no_log_is_an_empty_one() {
        let scratch = Scratch::new();
        let uses = read(&scratch.path().join("none/audit.log"), |_| true).unwrap();
        assert!(uses.secrets.is_empty());
    }
}
