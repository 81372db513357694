//! `/dev`: a private tmpfs with a few harmless devices, or a directory that
//! the maintainer has prepared; in both, `pts` and `shm` of the container's own.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, chmodat, makedev, mkdirat, mknodat, symlinkat};

use super::{Attempt, Failure, Shape, Site};
use crate::resolve::plan::Ids;
use crate::sys::beneath::open_beneath;
use crate::sys::mount::{self, NODEV, NOEXEC, NOSUID, READONLY};

/// Name, major and minor number: the kernel's documentation, devices.txt.
const DEVICES: &[(&str, u32, u32)] = &[
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
    ("tty", 5, 0),
];

const LINKS: &[(&str, &str)] = &[
    ("ptmx", "pts/ptmx"),
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
];

/// How many terminals one container can have: all of them share the machine's 4096.
const TERMINALS: &str = "256";

/// The group that terminals belong to by convention.
const TTY_GROUP: u32 = 5;

pub fn mount_private(site: &Site<'_>, target: &Path) -> Result<(), Failure> {
    let options = &[("size", "64k"), ("nr_inodes", "64"), ("mode", "0755")];
    let dev = mount::new_filesystem("tmpfs", options, NOSUID | NOEXEC)
        .cannot("make a tmpfs for", target.display())?;
    populate(&dev).cannot_at("make the devices in", target)?;
    mount::restrict(&dev, READONLY).cannot_at("make read-only", target)?;
    site.attach(&dev, target, Shape::Directory)?;
    mount_own_parts(site, &dev, target)
}

pub fn mount_prepared(site: &Site<'_>, target: &Path, host: &Path) -> Result<(), Failure> {
    let source = mount::open_directory(host).cannot_at("open the devfs-dir", host)?;
    let dev = mount::clone_of(source, NOSUID | NOEXEC | READONLY)
        .cannot_at("mount the devfs-dir", host)?;
    site.attach(&dev, target, Shape::Directory)?;
    mount_own_parts(site, &dev, target)
}

fn populate(dev: &OwnedFd) -> io::Result<()> {
    for (name, major, minor) in DEVICES {
        let mode = Mode::from_raw_mode(0o666);
        mknodat(
            dev,
            *name,
            FileType::CharacterDevice,
            mode,
            makedev(*major, *minor),
        )?;
        // Whatever the umask is.
        chmodat(dev, *name, mode, AtFlags::empty())?;
    }
    for (name, content) in LINKS {
        symlinkat(*content, dev, *name)?;
    }
    for name in ["pts", "shm"] {
        mkdirat(dev, name, Mode::from_raw_mode(0o755))?;
    }
    Ok(())
}

fn mount_own_parts(site: &Site<'_>, dev: &OwnedFd, target: &Path) -> Result<(), Failure> {
    let pts = new_devpts(&site.plan.ids).cannot("make", "a devpts")?;
    mount_part(dev, "pts", &pts, target)?;
    let options = &[("size", "64m"), ("nr_inodes", "16k"), ("mode", "1777")];
    let shm = mount::new_filesystem("tmpfs", options, NOSUID | NODEV | NOEXEC)
        .cannot("make", "a tmpfs for shared memory")?;
    mount_part(dev, "shm", &shm, target)
}

fn mount_part(dev: &OwnedFd, name: &str, part: &OwnedFd, target: &Path) -> Result<(), Failure> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW;
    let point = open_beneath(dev, Path::new(name), flags);
    let point = point.map_err(|_| Failure::Kind {
        action: "mount on",
        object: target.join(name).display().to_string(),
        fault: "there is no such directory",
        hint: "the devfs-dir needs the empty directories `pts` and `shm`",
    })?;
    mount::attach(part, point).cannot_at("mount on", &target.join(name))
}

fn new_devpts(ids: &Ids) -> io::Result<OwnedFd> {
    let tty = ids.gid_map.iter().find_map(|map| {
        let offset = TTY_GROUP.checked_sub(map.inside)?;
        (offset < map.count).then(|| (map.outside + offset).to_string())
    });
    let mut options = vec![("ptmxmode", "0666"), ("mode", "0620"), ("max", TERMINALS)];
    // Where that group is not mapped, terminals get their user's own group.
    if let Some(tty) = &tty {
        options.push(("gid", tty));
    }
    mount::new_filesystem("devpts", &options, NOSUID | NOEXEC)
}
