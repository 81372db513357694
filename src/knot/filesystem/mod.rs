//! The container's file system: the image, what is mounted on it, and the end
//! of the host's.
//!
//! Everything goes by file descriptor. A mount is made detached; its target is
//! opened beneath the descriptor of the new root, so that no symlink of an
//! image leads a mount, or anything written here, to the host. A mount that
//! fails, fails the start: there is no fallback that is weaker. Mounts that
//! lie below a volume's directory on the host are not part of the volume.
//!
//! [`kernel`] has `/proc` and `/sys`, [`devices`] `/dev`, [`volumes`] the four
//! kinds of volumes, [`files`] `resolv.conf` and `hosts`, [`own`] the
//! container's small tmpfs, [`secrets`] the one with the files of secrets.

mod devices;
mod files;
mod kernel;
mod own;
mod secrets;
mod volumes;

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{FileType, OFlags, fstat};

use super::cgroup::Placement;
use super::failure::{Attempt, Failure};
use crate::resolve::plan::{Mount, MountSource, Plan};
use crate::sys::beneath::{open_in_mount, open_plainly};
use crate::sys::mount::{self, NODEV, NOSUID, READONLY};

use own::OwnTmpfs;
use secrets::SecretsTmpfs;

/// Builds the plan's file system and makes it this process's root, in a mount
/// namespace of its own. Gives back the container's procfs, and the files of the
/// plan's secrets, which are still empty and can be written nowhere else.
pub fn enter(plan: &Plan, cgroup: &Placement) -> Result<(OwnedFd, Vec<OwnedFd>), Failure> {
    mount::make_all_private().cannot("make private", "the mounts of the host")?;
    let site = Site {
        own: OwnTmpfs::attach(&plan.mount_dir)?,
        secrets: SecretsTmpfs::attach(plan)?,
        root: attach_image(plan)?,
        proc: kernel::new_procfs()?,
        cgroup,
        plan,
    };
    for mount in &plan.mounts {
        site.mount(mount)?;
    }
    for file in &plan.files {
        files::make(&site, file)?;
    }
    for file in site.secrets.iter().flat_map(SecretsTmpfs::single) {
        secrets::mount_file(&site, file)?;
    }
    mount::enter_root(&site.root).cannot_at("make the root", &plan.image)?;
    let files = site.secrets.map(SecretsTmpfs::into_files);
    Ok((site.proc, files.unwrap_or_default()))
}

/// A container's file system under construction.
struct Site<'a> {
    plan: &'a Plan,
    cgroup: &'a Placement,
    own: OwnTmpfs,
    /// None: no file holds a secret.
    secrets: Option<SecretsTmpfs>,
    root: OwnedFd,
    /// Straight from the kernel, so it cannot be anything but procfs; used
    /// instead of whatever `/proc` leads to.
    proc: OwnedFd,
}

/// What a mount point must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Directory,
    File,
}

fn attach_image(plan: &Plan) -> Result<OwnedFd, Failure> {
    let (image, mount_dir) = (plan.image.as_path(), plan.mount_dir.as_path());
    let attributes = match plan.allows_set_id() {
        true => NODEV | READONLY,
        false => NOSUID | NODEV | READONLY,
    };
    let source = mount::open_directory(image).cannot_at("open the image", image)?;
    let root = mount::clone_of(source, attributes).cannot_at("mount the image", image)?;
    let target = mount::open_directory(mount_dir).cannot_at("open", mount_dir)?;
    mount::attach(&root, target).cannot_at("mount the image on", mount_dir)?;
    Ok(root)
}

impl Site<'_> {
    fn mount(&self, mount: &Mount) -> Result<(), Failure> {
        let target = mount.target.as_path();
        match &mount.what {
            MountSource::Proc => kernel::mount_proc(self, target),
            MountSource::Sys => kernel::mount_sys(self, target),
            MountSource::CgroupView => kernel::mount_cgroup_view(self, target),
            MountSource::PrivateDev => devices::mount_private(self, target),
            MountSource::HostDev(host) => devices::mount_prepared(self, target, host),
            MountSource::Readonly(host) => volumes::mount_readonly(self, target, host),
            MountSource::Persistent { host, make } => {
                volumes::mount_persistent(self, target, host, make.as_ref())
            }
            MountSource::Tmpfs { size, mode } => volumes::mount_tmpfs(self, target, *size, *mode),
            MountSource::Secrets => secrets::mount_directory(self, target),
            MountSource::Statedir { below, owner } => {
                volumes::mount_statedir(self, target, below, owner)
            }
        }
    }

    /// Opens a mount point inside the container, on top of what is mounted
    /// already, and checks its shape.
    fn target(&self, path: &Path, shape: Shape) -> Result<OwnedFd, Failure> {
        let failure = |cause| no_mount_point(path, cause);
        let fd = self.open(path, OFlags::PATH).map_err(failure)?;
        let found = shape_of(&fd).map_err(|err| failure(err.into()))?;
        if found == Some(shape) {
            return Ok(fd);
        }
        let errno = match shape {
            Shape::Directory => libc::ENOTDIR,
            Shape::File => libc::EISDIR,
        };
        Err(failure(io::Error::from_raw_os_error(errno)))
    }

    /// Opens a path on top of what is mounted already. Whoever can write a volume may have
    /// put a symlink there, so it is followed in the image only, and not out of that.
    fn open(&self, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        let around = self.plan.mounts.iter().map(|mount| mount.target.as_path());
        let around = around.filter(|target| *target != path && path.starts_with(target));
        let nearest = around.max_by_key(|target| target.components().count());
        if let Some(nearest) = nearest
            && let Ok(below) = path.strip_prefix(nearest)
        {
            return open_plainly(self.open(nearest, OFlags::PATH)?, below, flags);
        }
        match open_plainly(&self.root, path, flags) {
            Err(err) if err.raw_os_error() == Some(libc::ELOOP) => {
                open_in_mount(&self.root, path, flags)
            }
            opened => opened,
        }
    }

    fn attach(&self, mount: &OwnedFd, target: &Path, shape: Shape) -> Result<(), Failure> {
        let point = self.target(target, shape)?;
        mount::attach(mount, point).cannot_at("mount on", target)
    }
}

fn no_mount_point(path: &Path, cause: io::Error) -> Failure {
    match cause.raw_os_error() {
        Some(libc::ELOOP | libc::EXDEV) => Failure::Kind {
            action: "mount on",
            object: path.display().to_string(),
            fault: "a symbolic link in a volume, or into one, is on the way",
            hint: "a mount point is a directory or file of the image or of a volume",
        },
        _ => Failure::MountPoint {
            target: path.to_owned(),
            cause,
        },
    }
}

/// Directory or regular file; nothing else is ever mounted on, or from.
fn shape_of(fd: &OwnedFd) -> rustix::io::Result<Option<Shape>> {
    Ok(match FileType::from_raw_mode(fstat(fd)?.st_mode) {
        FileType::Directory => Some(Shape::Directory),
        FileType::RegularFile => Some(Shape::File),
        _ => None,
    })
}
