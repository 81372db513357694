//! The container's cgroup: made and limited by the knot, removed by the
//! supervisor. Only the process is put in it, so that the knot's own memory is
//! not charged to the process's limit.
//!
//! v2 is used where it has the controllers, v1 where it has not. Below v2's
//! root, or the subtree that systemd has delegated to us, and below v1's
//! roots, the path is `<cgroup-name>/<sandbox>:<process>.<n>`. The files are
//! described in the kernel's documentation, admin-guide/cgroup-v1 and
//! admin-guide/cgroup-v2.rst.

mod hierarchy;
mod membership;
mod memory;
mod number;
mod usage;

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::process::{Signal, pidfd_send_signal};
use serde::{Deserialize, Serialize};

use super::failure::{Attempt, Failure};
use crate::resolve::plan::Cgroup;
use crate::sys::{mount, pidfd, procfs};

use hierarchy::{Hierarchy, Version};
pub use usage::{Meters, Usage};

/// Where the container's process is accounted.
pub enum Placement {
    /// Cgroups are turned off.
    Nowhere,
    /// In one cgroup of v2.
    Unified(OwnedFd),
    /// In a cgroup of each hierarchy, by its name.
    Split(Vec<(String, OwnedFd)>),
}

/// Makes the container's cgroup anew in every hierarchy that its controllers
/// are in, and limits it. What is left of an earlier one is removed first.
pub fn make(cgroup: &Cgroup, all: Hierarchies) -> Result<Placement, Failure> {
    let hierarchies = hierarchy::choose(all.0, &cgroup.controllers)?;
    let mut made = Vec::new();
    for hierarchy in &hierarchies {
        let path = make_in(hierarchy, cgroup)?;
        let directory = mount::open_directory(&path).cannot_at("open the cgroup", &path)?;
        made.push((hierarchy.name(), directory));
    }
    let unified = matches!(hierarchies.as_slice(), [only] if only.version == Version::Two);
    Ok(match made.pop() {
        None => Placement::Nowhere,
        Some((_, directory)) if unified => Placement::Unified(directory),
        Some(last) => {
            made.push(last);
            Placement::Split(made)
        }
    })
}

/// The cgroups that a running process is in, as far as we are in others.
///
/// Whoever is to be put there must be made by us, and so be in ours until then.
pub fn of_process(process: i32) -> Result<Placement, Failure> {
    let paths = membership::to_join(process).cannot("find", "the cgroup of the process")?;
    let open = |path: PathBuf| {
        let directory = mount::open_directory(&path).cannot_at("open the cgroup", &path)?;
        Ok((path.display().to_string(), directory))
    };
    let directories = paths.into_iter().map(open);
    Ok(Placement::Split(directories.collect::<Result<_, _>>()?))
}

impl Placement {
    /// The one cgroup that a process can be made in.
    pub fn to_be_made_in(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Placement::Unified(directory) => Some(directory.as_fd()),
            Placement::Nowhere | Placement::Split(_) => None,
        }
    }

    /// The ways into all others, for the process to be made.
    pub fn doors(&self) -> Result<Doors, Failure> {
        let Placement::Split(directories) = self else {
            return Ok(Doors(Vec::new()));
        };
        let doors = directories.iter().map(|(_, directory)| door(directory));
        let doors = doors.collect::<io::Result<_>>();
        doors
            .map(Doors)
            .cannot("open", "the list of the cgroup's processes")
    }

    /// Its directory in each hierarchy.
    fn directories(&self) -> impl Iterator<Item = &OwnedFd> {
        let (one, several) = match self {
            Placement::Nowhere => (None, &[][..]),
            Placement::Unified(directory) => (Some(directory), &[][..]),
            Placement::Split(directories) => (None, directories.as_slice()),
        };
        one.into_iter()
            .chain(several.iter().map(|(_, directory)| directory))
    }
}

/// Ways into cgroups, opened by who may, for a process that goes in by itself.
///
/// A thread that moves itself need not wait for every process that is just being made or
/// ending (`cgroup_procs_write_start` in the kernel, from 5.5 on). Moved by another, it
/// waits for that, which is 10 ms on a machine that does nothing else.
#[derive(Debug)]
pub struct Doors(Vec<fs::File>);

impl Doors {
    /// Puts this process, which has one thread, into the cgroups.
    pub fn enter(&self) -> Result<(), Failure> {
        for mut door in &self.0 {
            io::Write::write_all(&mut door, b"0").cannot("go into", "the cgroup")?;
        }
        Ok(())
    }
}

/// v1's for a thread, or v2's, which has such for threads only.
fn door(directory: &OwnedFd) -> io::Result<fs::File> {
    let open = |name| {
        openat(
            directory,
            name,
            OFlags::WRONLY | OFlags::CLOEXEC,
            Mode::empty(),
        )
    };
    let door = match open("tasks") {
        Err(Errno::NOENT) => open("cgroup.procs"),
        outcome => outcome,
    };
    Ok(door?.into())
}

/// The hierarchies that containers may have cgroups in, found once for many containers.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Hierarchies(Vec<Hierarchy>);

impl Hierarchies {
    /// Finds those that are mounted now.
    pub fn find() -> io::Result<Self> {
        hierarchy::all().map(Self)
    }

    /// Removes the container's cgroup from every hierarchy, killing what is in it.
    ///
    /// # Errors
    ///
    /// `EBUSY` if something in it has not ended yet: to be tried again later.
    pub fn remove(&self, cgroup: &Cgroup) -> io::Result<()> {
        let mut outcome = Ok(());
        for hierarchy in &self.0 {
            let path = hierarchy.base.join(&cgroup.parent).join(&cgroup.name);
            if let Err(err) = remove_tree(&path) {
                outcome = Err(err);
            }
        }
        outcome
    }

    /// Removes the common parent of the containers' cgroups where it is empty.
    pub fn remove_parent(&self, parent: &str) {
        for hierarchy in &self.0 {
            // One that is not empty, or not there, is left alone.
            let own = Path::new(parent)
                .ancestors()
                .take_while(|path| *path != Path::new(""));
            for path in own {
                let _ = fs::remove_dir(hierarchy.base.join(path));
            }
        }
    }
}

fn make_in(hierarchy: &Hierarchy, cgroup: &Cgroup) -> Result<PathBuf, Failure> {
    let mut path = hierarchy.base.clone();
    for component in Path::new(&cgroup.parent).components() {
        hierarchy
            .delegate(&path)
            .cannot_at("use the controllers in", &path)?;
        match component {
            Component::Normal(name) => path.push(name),
            _ => {
                return Err(Failure::Launch(
                    "the cgroup's parent leads out of the hierarchy",
                ));
            }
        }
        make_directory(&path).cannot_at("make the cgroup", &path)?;
    }
    hierarchy
        .delegate(&path)
        .cannot_at("use the controllers in", &path)?;
    path.push(&cgroup.name);
    make_anew(&path)?;
    for (file, value) in hierarchy.limits(cgroup) {
        let file = path.join(file);
        match write(&file, &value) {
            // A kernel that does not account swap has no such file; where there
            // is no swap it limits nothing.
            Err(err) if err.kind() == io::ErrorKind::NotFound && of_swap(&file) && !swaps() => {}
            outcome => outcome.cannot_at("set the limit", &file)?,
        }
    }
    Ok(path)
}

fn of_swap(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default();
    name == "memory.swap.max" || name == "memory.memsw.limit_in_bytes"
}

/// Whether the host swaps: a line for each area follows the title.
fn swaps() -> bool {
    let areas = procfs::text("/proc/swaps").unwrap_or_default();
    areas.lines().count() > 1
}

fn make_directory(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(err) if err.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        outcome => outcome,
    }
}

/// Makes a directory that nobody is in and nothing has been set in.
fn make_anew(path: &Path) -> Result<(), Failure> {
    match fs::create_dir(path) {
        Err(err) if err.kind() == io::ErrorKind::AlreadyExists => {
            remove_tree(path).cannot_at("remove the earlier cgroup", path)?;
            fs::create_dir(path).cannot_at("make the cgroup", path)
        }
        outcome => outcome.cannot_at("make the cgroup", path),
    }
}

/// Writes an existing file of the kernel's; a missing one is an error.
fn write(file: &Path, value: &str) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).open(file)?;
    io::Write::write_all(&mut file, value.as_bytes())
}

/// How often a removal looks whether what it killed has gone, and how long it
/// sleeps in between.
const LOOKS: u32 = 20;
const NAP: Duration = Duration::from_millis(2);

fn remove_tree(path: &Path) -> io::Result<()> {
    for _ in 0..LOOKS {
        match fs::remove_dir(path) {
            Ok(()) => return Ok(()),
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(err) if err.raw_os_error() == Some(libc::EBUSY) => {}
            Err(err) => return Err(err),
        }
        kill_inside(path);
        for child in fs::read_dir(path).into_iter().flatten().flatten() {
            if child.file_type().is_ok_and(|kind| kind.is_dir()) {
                remove_tree(&child.path())?;
            }
        }
        std::thread::sleep(NAP);
    }
    Err(io::Error::from_raw_os_error(libc::EBUSY))
}

/// Whether it worked is seen by the removal.
fn kill_inside(path: &Path) {
    if write(&path.join("cgroup.kill"), "1").is_ok() {
        return;
    }
    // v1 has no such file. Pinned first: whoever is still listed then is meant.
    let listed = || fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default();
    let pids = |list: &str| -> Vec<i32> { list.lines().flat_map(str::parse).collect() };
    let pinned = pids(&listed()).into_iter();
    let pinned: Vec<_> = pinned
        .flat_map(|pid| Some((pid, pidfd::open(pid).ok()?)))
        .collect();
    let still = pids(&listed());
    for (_, pidfd) in pinned.iter().filter(|(pid, _)| still.contains(pid)) {
        let _ = pidfd_send_signal(pidfd, Signal::KILL);
    }
}
