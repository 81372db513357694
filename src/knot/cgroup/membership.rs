//! Which cgroups a running process is in, for another that is to be in the same.
//!
//! Taken from the process and not from the plan: where the supervisor's part of
//! the hierarchy begins depends on who asks. See cgroups(7).

use std::io;
use std::path::{Path, PathBuf};

use crate::sys::procfs;

/// The directories of the cgroups that the process is in and we are not.
pub fn to_join(process: i32) -> io::Result<Vec<PathBuf>> {
    let theirs = procfs::text(format!("/proc/{process}/cgroup"))?;
    let ours = procfs::text("/proc/self/cgroup")?;
    let mounts = procfs::lines_with("/proc/self/mountinfo", " - cgroup")?;
    let others = theirs
        .lines()
        .filter(|line| !ours.lines().any(|own| own == *line));
    let others = others.map(|line| {
        directory(line, &mounts).ok_or_else(|| {
            io::Error::other(format!("its cgroup {line} cannot be reached from here"))
        })
    });
    others.collect()
}

/// Where the cgroup of this line of `/proc/PID/cgroup` is.
fn directory(line: &str, mounts: &str) -> Option<PathBuf> {
    let mut fields = line.splitn(3, ':').skip(1);
    let (controllers, path) = (fields.next()?, fields.next()?);
    let mut found = mounts.lines().filter_map(mounted);
    let (root, point) = found.find_map(|(root, point, kind, options)| {
        let is_it = match controllers {
            "" => kind == "cgroup2",
            names => {
                let has = |name| options.split(',').any(|option| option == name);
                kind == "cgroup" && names.split(',').all(has)
            }
        };
        is_it.then_some((root, point))
    })?;
    let below = Path::new(path).strip_prefix(root).ok()?;
    let inside = below
        .components()
        .all(|part| matches!(part, std::path::Component::Normal(_)));
    inside.then(|| Path::new(point).join(below))
}

/// Root, mount point, kind and options of a mount: proc_pid_mountinfo(5).
fn mounted(line: &str) -> Option<(&str, &str, &str, &str)> {
    let (left, right) = line.split_once(" - ")?;
    let (mut left, mut right) = (left.split(' ').skip(3), right.split(' '));
    let (root, point) = (left.next()?, left.next()?);
    Some((root, point, right.next()?, right.nth(1)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
24 1 8:1 / / rw - ext4 /dev/sda rw
33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:3 - cgroup cgroup rw,cpu,cpuacct
34 31 0:31 /box /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw";

    fn found(line: &str) -> Option<String> {
        directory(line, MOUNTS).map(|path| path.display().to_string())
    }

    #[test]
    fn each_hierarchy_is_found_by_its_controllers() {
        for (line, path) in [
            (
                "4:cpu,cpuacct:/a/shop:web.0",
                "/sys/fs/cgroup/cpu,cpuacct/a/shop:web.0",
            ),
            ("4:cpuacct,cpu:/", "/sys/fs/cgroup/cpu,cpuacct/"),
            ("3:memory:/box/a", "/sys/fs/cgroup/memory/a"),
            ("1:name=systemd:/a", "/sys/fs/cgroup/systemd/a"),
            (
                "0::/system.slice/a:b",
                "/sys/fs/cgroup/unified/system.slice/a:b",
            ),
        ] {
            assert_eq!(found(line).as_deref(), Some(path), "{line}");
        }
    }

    #[test]
    fn what_cannot_be_reached_is_none() {
        for line in [
            "3:memory:/other",
            "0::/../outside",
            "7:rdma:/a",
            "",
            "4:cpu",
        ] {
            assert_eq!(found(line), None, "{line}");
        }
    }
}
