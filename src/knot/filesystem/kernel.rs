//! The kernel's own file systems: `/proc`, `/sys`, and the view of the
//! container's cgroup.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Dir, Mode, OFlags, mkdirat};

use super::{Attempt, Failure, Shape, Site, shape_of};
use crate::knot::cgroup::Placement;
use crate::resolve::plan::{
    MASKED_FROM_ROOT, MASKED_IN_PROC, MASKED_IN_SYS, MASKED_OF_PROCESSOR, READONLY_IN_PROC,
};
use crate::sys::beneath::open_beneath;
use crate::sys::mount::{self, NODEV, NOEXEC, NOSUID, READONLY};
use crate::sys::procfs;

/// A procfs of this pid namespace, detached.
pub fn new_procfs() -> Result<OwnedFd, Failure> {
    let made = mount::new_filesystem("proc", &[], NOSUID | NODEV | NOEXEC);
    let proc = made.cannot("make", "a procfs")?;
    procfs::verify(&proc).cannot("use", "the new procfs")?;
    Ok(proc)
}

pub fn mount_proc(site: &Site<'_>, target: &Path) -> Result<(), Failure> {
    site.attach(&site.proc, target, Shape::Directory)?;
    for path in READONLY_IN_PROC {
        restrict(&site.proc, path, target)?;
    }
    let from_root = match site.plan.may_be_root() {
        true => MASKED_FROM_ROOT,
        false => &[],
    };
    for path in MASKED_IN_PROC.iter().chain(from_root) {
        mask(site, &site.proc, path, target)?;
    }
    Ok(())
}

pub fn mount_sys(site: &Site<'_>, target: &Path) -> Result<(), Failure> {
    let attributes = NOSUID | NODEV | NOEXEC | READONLY;
    let sys = mount::new_filesystem("sysfs", &[], attributes).cannot("make", "a sysfs")?;
    site.attach(&sys, target, Shape::Directory)?;
    for path in MASKED_IN_SYS {
        mask(site, &sys, path, target)?;
    }
    let processors = of_processors(&sys, Path::new(PROCESSORS));
    for path in processors.cannot("look at", "the processors in the sysfs")? {
        mask(site, &sys, &path, target)?;
    }
    Ok(())
}

/// Where the processors' directories are in a sysfs.
const PROCESSORS: &str = "devices/system/cpu";

/// The paths to be hidden of each processor; none if the first has none.
fn of_processors(sys: &OwnedFd, below: &Path) -> io::Result<Vec<String>> {
    let path = |name: &str| format!("{}/{name}/{MASKED_OF_PROCESSOR}", below.display());
    let first = open_beneath(sys, Path::new(&path("cpu0")), OFlags::PATH);
    if first.is_err_and(|err| err.kind() == io::ErrorKind::NotFound) {
        return Ok(Vec::new());
    }
    let all = open_beneath(sys, below, OFlags::RDONLY | OFlags::DIRECTORY)?;
    let mut paths = Vec::new();
    for entry in Dir::read_from(all)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy();
        let number = name.strip_prefix("cpu").unwrap_or_default();
        if number.parse::<u32>().is_ok() {
            paths.push(path(&name));
        }
    }
    Ok(paths)
}

/// Hides `path` of a file system behind nothing, if it is there at all.
fn mask(site: &Site<'_>, top: &OwnedFd, path: &str, of: &Path) -> Result<(), Failure> {
    let Some(point) = open_if_there(top, path, of)? else {
        return Ok(());
    };
    let object = of.join(path);
    let shape = shape_of(&point).cannot_at("look at", &object)?;
    let nothing = site.own.mask(shape.unwrap_or(Shape::File));
    let nothing = nothing.cannot_at("make a mask of", &object)?;
    mount::attach(nothing, point).cannot_at("mask", &object)
}

/// Makes `path` of a file system read-only, if it is there at all.
fn restrict(top: &OwnedFd, path: &str, of: &Path) -> Result<(), Failure> {
    let Some(point) = open_if_there(top, path, of)? else {
        return Ok(());
    };
    let object = of.join(path);
    let same = mount::clone_of(&point, READONLY).cannot_at("make read-only", &object)?;
    mount::attach(same, point).cannot_at("make read-only", &object)
}

fn open_if_there(top: &OwnedFd, path: &str, of: &Path) -> Result<Option<OwnedFd>, Failure> {
    match open_beneath(top, Path::new(path), OFlags::PATH | OFlags::NOFOLLOW) {
        Ok(fd) => Ok(Some(fd)),
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(err) => Err(err).cannot_at("open", &of.join(path)),
    }
}

/// The container's own cgroup, so that runtimes which size themselves by it see
/// its limits. Without cgroups there is nothing to show.
pub fn mount_cgroup_view(site: &Site<'_>, target: &Path) -> Result<(), Failure> {
    let attributes = NOSUID | NODEV | NOEXEC | READONLY;
    match site.cgroup {
        Placement::Nowhere => Ok(()),
        Placement::Unified(cgroup) => {
            let view = mount::clone_of(cgroup, attributes).cannot("show", "the cgroup")?;
            site.attach(&view, target, Shape::Directory)
        }
        Placement::Split(cgroups) => {
            let top = mount::new_filesystem(
                "tmpfs",
                &[("size", "64k"), ("nr_inodes", "64"), ("mode", "0755")],
                attributes - READONLY,
            )
            .cannot("make a tmpfs for", target.display())?;
            for (name, _) in cgroups {
                mkdirat(&top, name, Mode::from_raw_mode(0o755)).cannot("show the cgroup", name)?;
            }
            site.attach(&top, target, Shape::Directory)?;
            for (name, cgroup) in cgroups {
                let view = mount::clone_of(cgroup, attributes).cannot("show the cgroup", name)?;
                let point = open_beneath(&top, Path::new(name), OFlags::PATH)
                    .cannot("show the cgroup", name)?;
                mount::attach(view, point).cannot("show the cgroup", name)?;
            }
            mount::restrict(&top, READONLY).cannot_at("make read-only", target)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heat_of_every_processor_is_hidden() {
        let base = tempfile::tempdir().unwrap();
        let sys = OwnedFd::from(std::fs::File::open(base.path()).unwrap());
        let found = || {
            let mut found = of_processors(&sys, Path::new("cpus")).unwrap();
            found.sort();
            found
        };
        for name in ["cpu0", "cpu1", "cpu12", "cpufreq", "cpuidle"] {
            std::fs::create_dir_all(base.path().join("cpus").join(name)).unwrap();
        }
        assert_eq!(found(), Vec::<String>::new());
        std::fs::create_dir(base.path().join("cpus/cpu0/thermal_throttle")).unwrap();
        let all = ["cpu0", "cpu1", "cpu12"].map(|cpu| format!("cpus/{cpu}/thermal_throttle"));
        assert_eq!(found(), all);
    }
}
