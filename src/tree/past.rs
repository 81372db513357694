//! What was counted of containers that are gone, and of earlier supervisors.
//!
//! `<runtime-dir>/counters.json`, root only. What is counted of a container that
//! is still supervised is in its own record. A process is kept for as long as it
//! has containers; all are kept in the totals. The file goes when everything has
//! been stopped.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use ::log::{error, warn};
use serde::{Deserialize, Serialize};

use super::tally::Tally;
use crate::name::{ContainerName, Name};

/// What is kept. A new field must be readable from a file that has none.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct Kept {
    boot_id: String,
    /// How often a supervisor took over from another.
    restarts: u64,
    /// Knots found that no record named.
    unknown: u64,
    /// Times that lines of the audit log could not even be kept.
    audit_lost: u64,
    /// All containers that are gone.
    total: Tally,
    /// Those of them whose process has other containers.
    processes: Vec<(Name, Name, Tally)>,
}

/// The counters of what is gone.
#[derive(Debug)]
pub struct Past {
    path: PathBuf,
    boot_id: String,
    /// How often a supervisor took over from another.
    pub restarts: u64,
    /// Knots found that no record named.
    pub unknown: u64,
    /// Times that lines of the audit log could not even be kept.
    pub audit_lost: u64,
    /// All containers that are gone.
    pub total: Tally,
    processes: BTreeMap<(Name, Name), Tally>,
    changed: bool,
}

impl Past {
    /// What earlier supervisors of this boot left; this one counts as one more.
    pub fn take(runtime_dir: &Path, boot_id: &str) -> Self {
        let path = runtime_dir.join("counters.json");
        let kept = read(&path).filter(|kept| kept.boot_id == boot_id);
        let restarts = kept.as_ref().map_or(0, |kept| kept.restarts + 1);
        let kept = kept.unwrap_or_default();
        let processes = kept.processes.into_iter();
        Self {
            path,
            boot_id: boot_id.to_owned(),
            restarts,
            unknown: kept.unknown,
            audit_lost: kept.audit_lost,
            total: kept.total,
            processes: processes.map(|(s, p, tally)| ((s, p), tally)).collect(),
            changed: true,
        }
    }

    /// Knots were found that no record named.
    pub fn found_unknown(&mut self, count: u64) {
        self.unknown += count;
        self.changed |= count > 0;
    }

    /// Lines of the audit log are lost.
    pub fn lost_audit_lines(&mut self) {
        self.audit_lost += 1;
        self.changed = true;
    }

    /// A container is gone; `last` of its process if there is no other.
    pub fn gone(&mut self, name: &ContainerName, tally: &Tally, last: bool) {
        let process = (name.sandbox.clone(), name.process.clone());
        self.total += tally;
        match last {
            true => _ = self.processes.remove(&process),
            false => *self.processes.entry(process).or_default() += tally,
        }
        self.changed = true;
    }

    /// What was counted of containers of this process that are gone.
    pub fn of(&self, sandbox: &Name, process: &Name) -> Tally {
        let process = (sandbox.clone(), process.clone());
        self.processes.get(&process).copied().unwrap_or_default()
    }

    /// Writes down what has changed. What cannot be written is lost with this
    /// supervisor; nothing stops because of it.
    pub fn keep(&mut self) {
        if !std::mem::take(&mut self.changed) {
            return;
        }
        let processes = self.processes.iter();
        let kept = Kept {
            boot_id: self.boot_id.clone(),
            restarts: self.restarts,
            unknown: self.unknown,
            audit_lost: self.audit_lost,
            total: self.total,
            processes: processes
                .map(|((s, p), tally)| (s.clone(), p.clone(), *tally))
                .collect(),
        };
        if let Err(err) = write(&self.path, &kept) {
            error!("cannot write {}: {err}", self.path.display());
        }
    }

    /// Everything has been stopped.
    pub fn forget(&self) {
        match fs::remove_file(&self.path) {
            Err(err) if err.kind() != io::ErrorKind::NotFound => {
                warn!("cannot remove {}: {err}", self.path.display());
            }
            _ => {}
        }
    }
}

/// None if there is nothing, or nothing that can be gone by.
fn read(path: &Path) -> Option<Kept> {
    let json = match fs::read(path) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => return None,
        read => read.map_err(|err| err.to_string()),
    };
    let kept = json.and_then(|json| serde_json::from_slice(&json).map_err(|err| err.to_string()));
    kept.inspect_err(|err| warn!("counting anew, cannot read {}: {err}", path.display()))
        .ok()
}

/// Old or new, never half.
fn write(path: &Path, kept: &Kept) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut json = serde_json::to_vec(kept)?;
    json.push(b'\n');
    options.open(&new)?.write_all(&json)?;
    fs::rename(new, path)
}

#[cfg(test)]
mod tests {
    use super::super::scratch::Scratch;
    use super::*;

    fn name(text: &str) -> ContainerName {
        text.parse().unwrap()
    }

    fn once() -> Tally {
        let mut tally = Tally::default();
        tally.started(None);
        tally.ended(true);
        tally
    }

    #[test]
    fn a_later_supervisor_counts_on_and_is_counted_itself() {
        let dir = Scratch::new();
        let mut past = Past::take(dir.path(), "boot");
        assert_eq!(past.restarts, 0);
        past.gone(&name("shop/web.1"), &once(), false);
        past.found_unknown(2);
        past.keep();
        let mut next = Past::take(dir.path(), "boot");
        assert_eq!((next.restarts, next.unknown, next.total), (1, 2, once()));
        let web = name("shop/web.0");
        assert_eq!(next.of(&web.sandbox, &web.process), once());
        // Killed before it wrote anything, it was not there.
        assert_eq!(Past::take(dir.path(), "boot").restarts, 1);
        next.keep();
        assert_eq!(Past::take(dir.path(), "boot").restarts, 2);
    }

    #[test]
    fn a_process_without_containers_is_kept_in_the_total_only() {
        let dir = Scratch::new();
        let mut past = Past::take(dir.path(), "boot");
        past.gone(&name("shop/web.1"), &once(), false);
        past.gone(&name("shop/web.0"), &once(), true);
        let web = name("shop/web.0");
        assert_eq!(past.of(&web.sandbox, &web.process), Tally::default());
        assert_eq!(past.total.started, 2);
    }

    #[test]
    fn another_boot_a_torn_file_and_a_full_stop_begin_anew() {
        let dir = Scratch::new();
        let mut past = Past::take(dir.path(), "boot");
        past.keep();
        assert_eq!(Past::take(dir.path(), "another").restarts, 0);
        past.forget();
        assert_eq!(Past::take(dir.path(), "boot").restarts, 0);
        fs::write(dir.path().join("counters.json"), "{").unwrap();
        assert_eq!(Past::take(dir.path(), "boot").restarts, 0);
    }
}
