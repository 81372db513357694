//! Landlock on top: the files a process may touch, the TCP ports it may bind,
//! and, where the kernel can, no signals and no abstract sockets to the outside.
//!
//! Everything here holds a second time what mounts, namespaces and ids hold
//! already; so it is best effort by kernel, but the [`Level`] reached is always
//! told, to be logged and shown. Landlock also forbids its processes every
//! change of mounts, and to trace anybody outside.
//!
//! The first ABI (5.13) is skipped: it forbids renames and links across
//! directories, which ordinary programs need.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::ops::RangeInclusive;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, NetPort, PathBeneath, Ruleset,
    RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};
use quick_error::quick_error;
use rustix::fs::{FileType, Mode, OFlags, fstat};
use serde::{Deserialize, Serialize};

use crate::cause::Cause;
use crate::sys;
use crate::sys::beneath::open_in_root;

quick_error! {
    /// Why a process could not be restricted.
    #[derive(Debug)]
    pub enum LandlockError {
        /// A path of the rules cannot be opened.
        Open(path: PathBuf, cause: io::Error) {
            display("cannot open {}: {}", path.display(), Cause(cause))
            source(cause)
        }
        /// The kernel refused what its ABI promises.
        Kernel(cause: RulesetError) {
            display("cannot restrict by landlock: {}", cause)
            source(cause)
            from()
        }
        /// The set of rules cannot be used a second time.
        Descriptor(cause: io::Error) {
            display("cannot duplicate the landlock ruleset: {}", Cause(cause))
            source(cause)
        }
        /// The kernel enforces less than its ABI promises.
        Partial {
            display("cannot restrict by landlock: the kernel enforces only a part")
        }
    }
}

/// What a process may still do. Whatever is not named is forbidden; a right on a
/// directory holds for everything beneath it, mounts included.
#[derive(Debug)]
pub struct Rules<'a> {
    /// The root directory that all paths are looked up in, as the process will
    /// see them: no link leads out of it.
    pub root: BorrowedFd<'a>,
    /// Files and directories that may be read.
    pub read: Vec<PathBuf>,
    /// Files that may be executed.
    pub execute: Vec<PathBuf>,
    /// Files that may be read, written, made, moved and removed; devices, but no
    /// device nodes made.
    pub write: Vec<PathBuf>,
    /// Open files that may be opened again, through `/dev/stdout` and its like,
    /// although their paths are outside.
    pub reopen: Vec<BorrowedFd<'a>>,
    /// TCP ports that may be bound.
    pub bind: Bind,
}

/// TCP ports that may be bound.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bind {
    /// All.
    #[default]
    Any,
    /// These, and 0, for which the kernel chooses.
    ///
    /// Landlock has no ranges, each port is a rule of its own: 1,000 ports take
    /// 0.6 ms at each start, 10,000 take 36 ms, all of them would take 280 ms and
    /// some 8 MiB of the kernel's memory, counted to the container.
    Ports(Vec<RangeInclusive<u16>>),
}

impl Bind {
    /// The ports to make rules of; none: there is nothing to restrict.
    fn ports(&self) -> Option<BTreeSet<u16>> {
        let Self::Ports(ranges) = self else {
            return None;
        };
        let ports: BTreeSet<_> = ranges.iter().cloned().flatten().chain([0]).collect();
        (ports.len() <= usize::from(u16::MAX)).then_some(ports)
    }
}

/// What Landlock holds of some [`Rules`] on this kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Level {
    /// The kernel's ABI; 0: it has no Landlock.
    abi: u32,
    /// Whether the rules forbid some port.
    bind: bool,
}

impl Level {
    /// What this kernel will hold of rules with this `bind`.
    pub fn of_kernel(bind: &Bind) -> Self {
        Self {
            abi: sys::landlock::abi().unwrap_or(0),
            bind: bind.ports().is_some(),
        }
    }

    /// The kernel's ABI; 0: it has no Landlock.
    pub fn abi(self) -> u32 {
        self.abi
    }

    /// Files are restricted, and thereby anything at all (ABI 2, 5.19).
    pub fn files(self) -> bool {
        self.abi >= 2
    }

    /// TCP binds are restricted to ports (ABI 4, 6.7); false too if all are allowed.
    pub fn tcp_bind(self) -> bool {
        self.abi >= 4 && self.bind
    }

    /// No signals and no abstract Unix sockets to the outside (ABI 6, 6.12).
    pub fn scoped(self) -> bool {
        self.abi >= 6
    }

    /// Whether nothing is missing that this module can use.
    pub fn complete(self) -> bool {
        self.scoped()
    }

    /// The ABI whose rights are used: newer ones would deny what nobody here
    /// has thought about.
    fn used(self) -> ABI {
        ABI::from(self.abi.min(7) as i32)
    }
}

impl fmt::Display for Level {
    /// `landlock ABI 7: files, tcp bind, signals, abstract sockets`, and what
    /// this kernel is too old for.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.abi {
            0 => return f.write_str("landlock: not in this kernel"),
            1 => return f.write_str("landlock ABI 1: not used, it forbids renames"),
            abi => write!(f, "landlock ABI {abi}: files")?,
        }
        let wanted = [
            (self.bind, self.tcp_bind(), "tcp bind"),
            (true, self.scoped(), "signals"),
            (true, self.scoped(), "abstract sockets"),
        ];
        for (_, _, what) in wanted.iter().filter(|(_, held, _)| *held) {
            write!(f, ", {what}")?;
        }
        let missing = wanted.iter().filter(|(wanted, held, _)| *wanted && !held);
        let missing: Vec<_> = missing.map(|(_, _, what)| *what).collect();
        if missing.is_empty() {
            return Ok(());
        }
        write!(f, " (not in this kernel: {})", missing.join(", "))
    }
}

/// Rules whose files are found and opened: what is left to do is the restriction.
///
/// Made by whoever can reach every path, used by the process that gives up being
/// able to. It holds one descriptor, which an exec closes.
#[derive(Debug)]
pub struct Prepared {
    level: Level,
    ruleset: Option<RulesetCreated>,
}

impl Prepared {
    /// Opens the paths of `rules`, as far as the kernel can restrict to them.
    ///
    /// # Errors
    ///
    /// A path that cannot be opened, and a kernel that refuses what it claims to
    /// have.
    pub fn new(rules: &Rules<'_>) -> Result<Self, LandlockError> {
        Self::at(rules, Level::of_kernel(&rules.bind))
    }

    fn at(rules: &Rules<'_>, level: Level) -> Result<Self, LandlockError> {
        let ruleset = level.files().then(|| ruleset(rules, level)).transpose()?;
        Ok(Self { level, ruleset })
    }

    /// How far it restricts.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Restricts this thread, and what it forks and executes from now on, and
    /// says how far.
    ///
    /// Needs `no_new_privs`, or `CAP_SYS_ADMIN` in the caller's user namespace.
    /// It cannot be taken back.
    ///
    /// # Errors
    ///
    /// The caller is not restricted then, and must not go on.
    pub fn restrict_self(&self) -> Result<Level, LandlockError> {
        if let Some(ruleset) = &self.ruleset {
            let ruleset = ruleset.try_clone().map_err(LandlockError::Descriptor)?;
            let status = ruleset.no_new_privs(false).restrict_self()?;
            if status.ruleset != RulesetStatus::FullyEnforced {
                return Err(LandlockError::Partial);
            }
        }
        Ok(self.level)
    }
}

fn ruleset(rules: &Rules<'_>, level: Level) -> Result<RulesetCreated, LandlockError> {
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(level.used()))?;
    if level.tcp_bind() {
        ruleset = ruleset.handle_access(AccessNet::BindTcp)?;
    }
    if level.scoped() {
        ruleset = ruleset.scope(Scope::Signal | Scope::AbstractUnixSocket)?;
    }
    let ruleset = allow_files(ruleset.create()?, rules, level.used())?;
    match level.tcp_bind() {
        true => Ok(allow_ports(ruleset, &rules.bind)?),
        false => Ok(ruleset),
    }
}

fn allow_files(
    mut ruleset: RulesetCreated,
    rules: &Rules<'_>,
    abi: ABI,
) -> Result<RulesetCreated, LandlockError> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let nodes = AccessFs::MakeChar | AccessFs::MakeBlock;
    let write = read | (AccessFs::from_write(abi) & !nodes);
    let lists = [
        (&rules.read, read),
        (&rules.execute, AccessFs::Execute.into()),
        (&rules.write, write),
    ];
    for (paths, access) in lists {
        for path in paths {
            let (fd, directory) = find(rules.root, path)
                .map_err(|cause| LandlockError::Open(path.to_owned(), cause))?;
            let access = match directory {
                true => access,
                false => access & AccessFs::from_file(abi),
            };
            ruleset = ruleset.add_rule(PathBeneath::new(fd, access))?;
        }
    }
    let rewrite = (AccessFs::from_write(abi) | AccessFs::ReadFile) & AccessFs::from_file(abi);
    for fd in &rules.reopen {
        if has_path(*fd) {
            ruleset = ruleset.add_rule(PathBeneath::new(fd, rewrite))?;
        }
    }
    Ok(ruleset)
}

/// The file of a rule, and whether it is a directory.
fn find(root: BorrowedFd<'_>, path: &Path) -> io::Result<(OwnedFd, bool)> {
    let fd = open_in_root(root, path, OFlags::PATH, Mode::empty())?;
    let kind = FileType::from_raw_mode(fstat(&fd)?.st_mode);
    Ok((fd, kind == FileType::Directory))
}

/// Whether Landlock sees the file. It looks away from pipes and sockets, and
/// takes no rule for them.
fn has_path(fd: impl AsFd) -> bool {
    fstat(fd).is_ok_and(|stat| {
        let kind = FileType::from_raw_mode(stat.st_mode);
        matches!(kind, FileType::RegularFile | FileType::CharacterDevice)
    })
}

fn allow_ports(ruleset: RulesetCreated, bind: &Bind) -> Result<RulesetCreated, RulesetError> {
    let mut ports = bind.ports().into_iter().flatten();
    ports.try_fold(ruleset, |ruleset, port| {
        ruleset.add_rule(NetPort::new(port, AccessNet::BindTcp))
    })
}

#[cfg(test)]
mod tests;
