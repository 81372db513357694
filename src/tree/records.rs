//! What a later supervisor knows of an earlier one.
//!
//! ```text
//! <state-dir>/<sandbox>/<process>.<n>/record.json   the supervisor's
//! <state-dir>/<sandbox>/<process>.<n>/report        the knot's, see crate::report
//! ```
//!
//! Root only, on tmpfs, where no container can write. A record is replaced as
//! a whole, so it is old or new, never half. It is written before a knot is
//! spawned (the intent, with no process in it) and again before the knot may
//! go on; so a knot without a complete record ends by itself.
//!
//! It must never hold a plaintext: the plan in it has its tokens sealed.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::ops::Range;
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use quick_error::quick_error;
use serde::{Deserialize, Serialize};

use super::auditing::Progress;
use super::backoff::History;
use super::ending::{LastEnd, Told};
use super::machine::Ending;
use super::tally::Tally;
use crate::cause::Cause;
use crate::name::{ContainerName, Name};
use crate::privileged::Privileged;
use crate::report::Report;
use crate::resolve::plan::Plan;
use crate::sys::{pidfd, procfs};

/// The format of a record. A reader refuses any other, so it changes only when
/// an old reader would misunderstand, not when a field is added.
const VERSION: u32 = 1;
/// The supervisor's file in a container's directory.
const RECORD: &str = "record.json";
/// The knot's.
const REPORT: &str = "report";
/// As much of a report is read at once, which mostly is all of it.
const REPORT_PART: u64 = 64 * 1024;
/// As much of it is read where it has no whole line in less. None is longer: a label
/// or an outcome for each token, of which documents of 1 MiB have so many.
const REPORT_LONGEST: u64 = 4 << 20;

/// What is kept of one container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Record {
    version: u32,
    /// The boot that the process and the times belong to.
    boot_id: String,
    /// What was started last. Most of what is written, and written by itself: a plan
    /// that is being started goes out three times.
    #[serde(skip_serializing)]
    pub plan: Rc<Plan>,
    /// Its starts and failures.
    pub history: History,
    /// The knot; none: it ended, or was about to be spawned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub knot: Option<Knot>,
    /// Who runs the command; none: it is the supervisor's daemon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<Knot>,
    /// When the knot was sent SIGTERM, by the monotonic clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopping: Option<Duration>,
    /// How it ended the last time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_end: Option<LastEnd>,
    /// What was counted of it.
    #[serde(default)]
    pub tally: Tally,
    /// How much of its report the supervisor has taken into account.
    #[serde(default)]
    pub heard: Heard,
    /// What of it is in the audit log; none: it has no secrets, or was not started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<Progress>,
}

/// How far a supervisor has heard a report whose knot goes on after an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Heard {
    /// Bytes of it.
    pub bytes: u64,
    /// Whether the last of it was an end.
    pub ended: bool,
}

impl Record {
    /// Pins the knot; none if there is none any more.
    pub fn pin(&self) -> Result<Option<OwnedFd>, RecordsError> {
        let pinned = self.knot.as_ref().map_or(Ok(None), Knot::pin);
        pinned.map_err(|err| RecordsError::Pin(self.plan.name.clone(), err))
    }
}

/// Which process a knot is, and what it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Knot {
    /// Its pid on the host.
    pub pid: i32,
    /// When it was started, in clock ticks since boot.
    start_time: u64,
    /// The inode of its pidfds, where there is such a thing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pidfd_inode: Option<u64>,
    /// The numbers under which it holds the plan's sockets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sockets: Vec<RawFd>,
}

impl Knot {
    /// Notes which process this is.
    pub fn note(pid: i32, pidfd: impl AsFd, sockets: Vec<RawFd>) -> io::Result<Self> {
        Ok(Self {
            pid,
            start_time: pidfd::start_time(pid)?,
            pidfd_inode: pidfd::inode(pidfd)?,
            sockets,
        })
    }

    /// Pins the process; none if it is gone, and maybe another has its pid.
    ///
    /// # Errors
    ///
    /// That it cannot be told. To take it for gone would start a second one.
    pub fn pin(&self) -> io::Result<Option<OwnedFd>> {
        let Some(pidfd) = pidfd::unless_gone(pidfd::open(self.pid))? else {
            return Ok(None);
        };
        let start_time = pidfd::unless_gone(pidfd::start_time(self.pid))?;
        let inode = pidfd::inode(&pidfd)?;
        // Either may be unknown to the kernel that wrote or that reads this.
        let same_inode = inode.zip(self.pidfd_inode).is_none_or(|(a, b)| a == b);
        let same = start_time == Some(self.start_time) && same_inode;
        Ok(same.then_some(pidfd))
    }
}

quick_error! {
    /// Why there are no records to go by.
    #[derive(Debug)]
    pub enum RecordsError {
        /// A directory of ours cannot be made.
        Make(path: PathBuf, err: io::Error) {
            display("cannot keep records in {}: {}", path.display(), Privileged(err))
            source(err)
        }
        /// A file or directory of ours cannot be read.
        Read(path: PathBuf, err: io::Error) {
            display("cannot read the records in {}: {}", path.display(), Privileged(err))
            source(err)
        }
        /// Someone else could write there.
        NotOurs(path: PathBuf) {
            display("cannot keep records in {}: it is not a directory of ours\nhint: remove it", path.display())
        }
        /// Whether a container runs cannot be told.
        Pin(name: ContainerName, err: io::Error) {
            display("cannot tell whether {} runs: {}", name, Cause(err))
            source(err)
        }
        /// Whether containers without a record run cannot be told.
        Strays(err: io::Error) {
            display("cannot look for containers without a record: {}", Cause(err))
            source(err)
        }
        /// A record of another release.
        Version(path: PathBuf, version: u64) {
            display("cannot read {}: it has the unknown version {}\nhint: use the release of lithos that wrote it, or stop its containers with that", path.display(), version)
        }
    }
}

/// What was found in a container's directory.
#[derive(Debug)]
pub enum Found {
    /// A record of this boot.
    Record(Box<Record>),
    /// A record of another boot: nothing of it can run.
    OtherBoot(ContainerName),
    /// No record that could be read.
    Torn(ContainerName),
}

/// The plans of the daemons that run now, for programs that only look.
pub fn running(dir: &Path) -> Result<Vec<Plan>, RecordsError> {
    if !dir.exists() {
        return Ok(Vec::new());
    }
    let mut running = Vec::new();
    for found in Records::look(dir)?.read_all()? {
        if let Found::Record(record) = found
            && record.pin()?.is_some()
        {
            running.push(Plan::clone(&record.plan));
        }
    }
    Ok(running)
}

/// Where records are kept.
#[derive(Debug)]
pub struct Records {
    dir: PathBuf,
    boot_id: String,
}

impl Records {
    /// The records below `dir`, which is made if it is missing.
    pub fn open(dir: &Path) -> Result<Self, RecordsError> {
        private_dir(dir)?;
        Self::look(dir)
    }

    /// The records below `dir`, of which nothing is made or changed.
    pub fn look(dir: &Path) -> Result<Self, RecordsError> {
        let boot_id = procfs::text("/proc/sys/kernel/random/boot_id");
        let boot_id = boot_id.map_err(|err| RecordsError::Read(dir.to_owned(), err))?;
        Ok(Self {
            dir: dir.to_owned(),
            boot_id: boot_id.trim().to_owned(),
        })
    }

    /// A new record: the intent to start `plan`, which is counted in that of `before`.
    pub fn intent(&self, plan: Rc<Plan>, history: History, before: Option<Record>) -> Record {
        let mut record = self.resting(plan, history);
        if let Some(before) = before {
            (record.tally, record.last_end) = (before.tally, before.last_end);
        }
        record.tally.started(record.last_end.as_ref());
        record
    }

    /// A new record of what was not started yet.
    pub fn resting(&self, plan: Rc<Plan>, history: History) -> Record {
        Record {
            version: VERSION,
            boot_id: self.boot_id.clone(),
            plan,
            history,
            knot: None,
            caller: None,
            stopping: None,
            last_end: None,
            tally: Tally::default(),
            heard: Heard::default(),
            audit: None,
        }
    }

    /// Replaces the container's record.
    pub fn write(&self, record: &Record) -> io::Result<()> {
        self.write_with(record, &record.plan.to_json()?)
    }

    /// The same, with the JSON of its plan.
    pub fn write_with(&self, record: &Record, plan: &[u8]) -> io::Result<()> {
        let dir = self.container_dir(&record.plan.name);
        let (new, old) = (dir.join("record.new"), dir.join(RECORD));
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        // As long as most are, rather than grown to it by and by.
        let mut json = Vec::with_capacity(4096);
        json.extend_from_slice(b"{\"plan\":");
        json.extend_from_slice(plan);
        let rest = json.len();
        serde_json::to_writer(&mut json, record)?;
        json[rest] = b',';
        json.push(b'\n');
        let file = options.open(&new).or_else(|err| match err.kind() {
            io::ErrorKind::NotFound => {
                DirBuilder::new().recursive(true).mode(0o700).create(&dir)?;
                options.open(&new)
            }
            _ => Err(err),
        });
        file?.write_all(&json)?;
        fs::rename(new, old)
    }

    /// A new, empty report of the container, open for appending.
    pub fn new_report(&self, name: &ContainerName) -> io::Result<File> {
        let path = self.report(name);
        match fs::remove_file(&path) {
            Err(err) if err.kind() != io::ErrorKind::NotFound => return Err(err),
            _ => {}
        }
        let mut options = OpenOptions::new();
        options.append(true).create_new(true).mode(0o600).open(path)
    }

    /// How the container ended, by its knot's report.
    pub fn ending(&self, name: &ContainerName) -> Told {
        match self.last_report(name) {
            Some(Report::Ended {
                end,
                ran,
                out_of_memory,
                ..
            }) => Told {
                ending: Ending::Ended(end),
                ran,
                out_of_memory,
            },
            Some(Report::Failed { reason, hint, .. }) => Ending::Failed { reason, hint }.into(),
            // Its end was not seen by the knot, which was killed before.
            Some(Report::Started { .. }) | None => Ending::Unknown.into(),
        }
    }

    /// What the container's knot has told after the first `bytes` of its report,
    /// as far as it is whole lines; and how many bytes that was.
    pub fn told_after(&self, name: &ContainerName, bytes: u64) -> io::Result<(Vec<Report>, u64)> {
        let next = |length: u64, most: u64| bytes..length.min(bytes.saturating_add(most));
        let told = find(&self.report(name), next, |part| {
            let end = part.iter().rposition(|byte| *byte == b'\n')? + 1;
            Some((Report::all(&part[..end]), end as u64))
        })?;
        Ok(told.unwrap_or_default())
    }

    /// What the container's knot has told last.
    pub fn last_report(&self, name: &ContainerName) -> Option<Report> {
        let tail = |length: u64, most: u64| length.saturating_sub(most)..length;
        find(&self.report(name), tail, Report::last).ok()?
    }

    /// Removes all that is kept of the container.
    pub fn remove(&self, name: &ContainerName) -> io::Result<()> {
        let dir = self.container_dir(name);
        // What is there most likely, without looking.
        for file in [RECORD, REPORT] {
            let _ = fs::remove_file(dir.join(file));
        }
        let removed = fs::remove_dir(&dir).or_else(|err| match err.kind() {
            io::ErrorKind::NotFound => Ok(()),
            _ => fs::remove_dir_all(dir),
        });
        match removed {
            Err(err) if err.kind() != io::ErrorKind::NotFound => Err(err),
            _ => {
                // Fails while there are others in the sandbox, as it should.
                let _ = fs::remove_dir(self.dir.join(name.sandbox.as_str()));
                Ok(())
            }
        }
    }

    /// Removes the directory of all records, unless there are some.
    pub fn remove_dir(&self) {
        let _ = fs::remove_dir(&self.dir);
    }

    /// The directory of one container.
    pub fn container_dir(&self, name: &ContainerName) -> PathBuf {
        let sandbox = self.dir.join(name.sandbox.as_str());
        sandbox.join(name.within_sandbox())
    }

    /// The report of the container's knot.
    pub fn report(&self, name: &ContainerName) -> PathBuf {
        self.container_dir(name).join(REPORT)
    }

    /// The boot that they are of.
    pub fn boot_id(&self) -> &str {
        &self.boot_id
    }

    /// The file system that they are on.
    pub fn device(&self) -> io::Result<u64> {
        Ok(fs::metadata(&self.dir)?.dev())
    }

    /// All daemons of which something is kept. Commands keep their own.
    pub fn read_all(&self) -> Result<Vec<Found>, RecordsError> {
        let daemons = self.names()?.into_iter().filter(|name| !name.command);
        daemons.map(|name| self.read(name)).collect()
    }

    /// All containers of which something is kept, commands included.
    pub fn names(&self) -> Result<Vec<ContainerName>, RecordsError> {
        let mut names = Vec::new();
        for sandbox in list(&self.dir)? {
            if sandbox.parse::<Name>().is_err() {
                continue;
            }
            for container in list(&self.dir.join(&sandbox))? {
                names.extend(format!("{sandbox}/{container}").parse::<ContainerName>());
            }
        }
        Ok(names)
    }

    /// What is kept of one container.
    pub fn read(&self, name: ContainerName) -> Result<Found, RecordsError> {
        /// What every version has.
        #[derive(Deserialize)]
        #[serde(rename_all = "kebab-case")]
        struct Stamp {
            version: u64,
            #[serde(default)]
            boot_id: Option<String>,
        }
        let path = self.container_dir(&name).join("record.json");
        let json = match fs::read(&path) {
            Ok(json) => json,
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(Found::Torn(name)),
            Err(err) => return Err(RecordsError::Read(path, err)),
        };
        // Mostly it is a record of ours, and read only once.
        let record = serde_json::from_slice::<Record>(&json);
        if let Ok(record) = record
            && record.version == VERSION
            && record.boot_id == self.boot_id
        {
            return Ok(match record.plan.name == name {
                true => Found::Record(Box::new(record)),
                false => Found::Torn(name),
            });
        }
        let Ok(stamp) = serde_json::from_slice::<Stamp>(&json) else {
            return Ok(Found::Torn(name));
        };
        if stamp.boot_id.is_some_and(|boot| boot != self.boot_id) {
            return Ok(Found::OtherBoot(name));
        }
        match stamp.version == u64::from(VERSION) {
            true => Ok(Found::Torn(name)),
            false => Err(RecordsError::Version(path, stamp.version)),
        }
    }
}

/// Makes `dir`, or checks that only its owner, who is us, can look into it.
fn private_dir(dir: &Path) -> Result<(), RecordsError> {
    let failed = |err| RecordsError::Make(dir.to_owned(), err);
    let us = rustix::process::geteuid();
    let is_ours = |found: &fs::Metadata| found.is_dir() && found.uid() == us.as_raw();
    let found = fs::symlink_metadata(dir);
    if found.is_ok_and(|found| is_ours(&found) && found.mode() & 0o7777 == 0o700) {
        return Ok(());
    }
    if let Some(parent) = dir.parent() {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    match DirBuilder::new().mode(0o700).create(dir) {
        Err(err) if err.kind() == io::ErrorKind::AlreadyExists => {}
        made => return made.map_err(failed),
    }
    let found = fs::symlink_metadata(dir).map_err(failed)?;
    if found.is_dir() && found.uid() == 0 && !us.is_root() {
        return Err(failed(io::ErrorKind::PermissionDenied.into()));
    }
    if !is_ours(&found) {
        return Err(RecordsError::NotOurs(dir.to_owned()));
    }
    fs::set_permissions(dir, fs::Permissions::from_mode(0o700)).map_err(failed)
}

fn list(dir: &Path) -> Result<Vec<String>, RecordsError> {
    let failed = |err| RecordsError::Read(dir.to_owned(), err);
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_type().map_err(failed)?.is_dir() {
            names.extend(entry.file_name().into_string());
        }
    }
    names.sort();
    Ok(names)
}

/// What `look` finds in a part of a report. `part` says which, by the length of the
/// report and how much of it may be read: ever more, until something is found.
fn find<T>(
    path: &Path,
    part: impl Fn(u64, u64) -> Range<u64>,
    look: impl Fn(&[u8]) -> Option<T>,
) -> io::Result<Option<T>> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut most = REPORT_PART;
    loop {
        let Range { start, end } = part(length, most);
        let mut read = vec![0; end.saturating_sub(start) as usize];
        file.read_exact_at(&mut read, start)?;
        let found = look(&read);
        let is_all = (read.len() as u64) < most;
        if found.is_some() || is_all || most >= REPORT_LONGEST {
            return Ok(found);
        }
        most *= 8;
    }
}

#[cfg(test)]
mod tests;
