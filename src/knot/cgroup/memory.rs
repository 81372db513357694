//! Whether the kernel killed something in the container's cgroup for lack of
//! memory. Read through the descriptors that the knot has kept, since the
//! host's file system is gone by then.

use std::os::fd::OwnedFd;

use super::Placement;
use super::number::number;
use crate::report::OutOfMemory;
use crate::resolve::plan::Cgroup;

/// How a version of cgroups tells of it.
struct Files {
    /// The file with a line `oom_kill <number of processes killed>`.
    kills: &'static str,
    limit: &'static str,
    /// Missing before Linux 5.19 on v2.
    peak: &'static str,
}

const TWO: Files = Files {
    kills: "memory.events",
    limit: "memory.max",
    peak: "memory.peak",
};

const ONE: Files = Files {
    kills: "memory.oom_control",
    limit: "memory.limit_in_bytes",
    peak: "memory.max_usage_in_bytes",
};

/// What v1 says where there is no limit is beyond this; v2 says `max`.
const NO_LIMIT: u64 = 1 << 62;

impl Placement {
    /// How many processes in it were killed for memory so far.
    pub fn killed_for_memory(&self) -> u64 {
        self.memory().map_or(0, |(_, _, kills)| kills)
    }

    /// What there is to say if more than `before` were killed.
    pub fn out_of_memory(&self, cgroup: Option<&Cgroup>, before: u64) -> Option<OutOfMemory> {
        let (directory, files, _) = self.memory().filter(|(_, _, kills)| *kills > before)?;
        let cgroup = cgroup?;
        let limit = number(directory, files.limit, "");
        Some(OutOfMemory {
            cgroup: format!("{}/{}", cgroup.parent, cgroup.name),
            limit: limit.filter(|limit| *limit < NO_LIMIT),
            peak: number(directory, files.peak, ""),
        })
    }

    /// The cgroup with the memory controller, and how many were killed in it.
    fn memory(&self) -> Option<(&OwnedFd, &'static Files, u64)> {
        self.directories().find_map(|directory| {
            [&TWO, &ONE].into_iter().find_map(|files| {
                let kills = number(directory, files.kills, "oom_kill ")?;
                Some((directory, files, kills))
            })
        })
    }
}
