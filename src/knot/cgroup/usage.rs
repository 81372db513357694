//! What containers use, by their cgroups, seen from the host.
//!
//! Where the files are is found once; then each is opened beneath the
//! descriptor of its hierarchy, so that a look at a container costs three short
//! reads.

use std::fmt::Write;
use std::os::fd::OwnedFd;
use std::time::Duration;

use super::hierarchy::{self, Hierarchy, Version};
use super::number::number;
use crate::resolve::plan::Cgroup;
use crate::sys::mount;

/// What a container uses. None: nobody accounts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Bytes now, with those of the file cache that are charged to it.
    pub memory: Option<u64>,
    /// Processor time since its cgroup was made.
    pub cpu: Option<Duration>,
    /// Processes in it that were killed for memory since then.
    pub oom_kills: Option<u64>,
}

impl Usage {
    /// With what `other` knows where this knows nothing.
    pub fn or(self, other: Self) -> Self {
        Self {
            memory: self.memory.or(other.memory),
            cpu: self.cpu.or(other.cpu),
            oom_kills: self.oom_kills.or(other.oom_kills),
        }
    }
}

/// The hierarchies of this host in which containers are accounted.
#[derive(Debug)]
pub struct Meters {
    two: Option<OwnedFd>,
    memory: Option<OwnedFd>,
    cpuacct: Option<OwnedFd>,
}

impl Meters {
    /// Finds those that this process gives to containers.
    pub fn find() -> Self {
        Self::of(hierarchy::all().unwrap_or_default())
    }

    /// Finds those of a supervisor, or of a knot of it, by its `/proc/PID/cgroup`.
    pub fn find_for(own: &str) -> Self {
        Self::of(hierarchy::all_for(own).unwrap_or_default())
    }

    /// One that cannot be opened is as good as none.
    fn of(all: Vec<Hierarchy>) -> Self {
        let open = |hierarchy: &Hierarchy| mount::open_directory(&hierarchy.base).ok();
        let one = |controller: &str| {
            let has = |h: &&Hierarchy| h.version == Version::One && h.has(controller);
            all.iter().find(has).and_then(open)
        };
        let two = all.iter().find(|h| h.version == Version::Two);
        Self {
            two: two.and_then(open),
            memory: one("memory"),
            cpuacct: one("cpuacct"),
        }
    }

    /// What is used in the container's cgroup now.
    pub fn read(&self, cgroup: &Cgroup) -> Usage {
        let mut path = format!("{}/{}/", cgroup.parent, cgroup.name);
        let own = path.len();
        let mut look = |base: &Option<OwnedFd>, file: &str, line: &str| {
            path.truncate(own);
            let _ = path.write_str(file);
            number(base.as_ref()?, &path, line)
        };
        let memory = look(&self.two, "memory.current", "");
        let kills = look(&self.two, "memory.events", "oom_kill ");
        let cpu = look(&self.two, "cpu.stat", "usage_usec ").map(Duration::from_micros);
        Usage {
            memory: memory.or_else(|| look(&self.memory, "memory.usage_in_bytes", "")),
            oom_kills: kills.or_else(|| look(&self.memory, "memory.oom_control", "oom_kill ")),
            cpu: cpu.or_else(|| look(&self.cpuacct, "cpuacct.usage", "").map(Duration::from_nanos)),
        }
    }
}
