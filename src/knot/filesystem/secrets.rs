//! The tmpfs with the files of secrets.
//!
//! They are made here with their owners and modes, and empty; only the process
//! that is about to execute the program opens secrets and fills them, through
//! descriptors. What the container sees are read-only mounts of them. The
//! writable one leaves with the host's file system, so that nobody can write
//! there once those descriptors are closed.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Component, Path};

use rustix::fs::{Gid, Mode, OFlags, Uid, fchmod, fchown, mkdirat, openat};
use rustix::io::Errno;

use super::{Attempt, Failure, Shape, Site, no_mount_point};
use crate::config::secret::DIRECTORY;
use crate::resolve::plan::{Owner, Plan};
use crate::sys::mount::{self, NODEV, NOEXEC, NOSUID, READONLY};

/// What keeps a config from filling the machine's memory with it.
const OPTIONS: &[(&str, &str)] = &[("size", "16m"), ("nr_inodes", "16k"), ("mode", "0755")];

/// The directory of it that holds what is below [`DIRECTORY`].
const BELOW: &str = "below";

const WALK: OFlags = OFlags::PATH
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// See the [module](self).
pub struct SecretsTmpfs {
    below: OwnedFd,
    files: Vec<OwnedFd>,
    /// Those that are mounted one by one: the path, and what names the file.
    single: Vec<(std::path::PathBuf, OwnedFd)>,
}

impl SecretsTmpfs {
    /// Makes the tmpfs and the files in it; none if there are none. It is attached
    /// to the plan's `mount_dir`, since parts of it can be mounted elsewhere only
    /// then.
    pub fn attach(plan: &Plan) -> Result<Option<Self>, Failure> {
        if plan.secrets.files.is_empty() {
            return Ok(None);
        }
        let attributes = NOSUID | NODEV | NOEXEC;
        let top = mount::unswappable_tmpfs(OPTIONS, attributes)
            .cannot("make", "the tmpfs for secrets")?;
        let target = mount::open_directory(&plan.mount_dir).cannot_at("open", &plan.mount_dir)?;
        mount::attach(&top, target).cannot_at("mount a tmpfs on", &plan.mount_dir)?;
        let below = make_directory(&top, Path::new(BELOW));
        let mut made = Self {
            below: below.cannot("lay out", "the tmpfs for secrets")?,
            files: Vec::new(),
            single: Vec::new(),
        };
        for (number, file) in plan.secrets.files.iter().enumerate() {
            let make = match file.path.strip_prefix(DIRECTORY) {
                Ok(path) => make_file(&made.below, path, &file.owner).map(|fd| made.files.push(fd)),
                Err(_) => {
                    let name = number.to_string();
                    make_file(&top, Path::new(&name), &file.owner).and_then(|fd| {
                        let named =
                            openat(&top, &name, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
                        made.single.push((file.path.clone(), named));
                        made.files.push(fd);
                        Ok(())
                    })
                }
            };
            make.cannot_at("make the file of the secret", &file.path)?;
        }
        Ok(Some(made))
    }

    /// The files to be mounted one by one.
    pub fn single(&self) -> &[(std::path::PathBuf, OwnedFd)] {
        &self.single
    }

    /// The files, in the order of the plan, to be written.
    pub fn into_files(self) -> Vec<OwnedFd> {
        self.files
    }
}

/// Mounts what is below [`DIRECTORY`].
pub fn mount_directory(site: &Site<'_>, target: &Path) -> Result<(), Failure> {
    let Some(secrets) = &site.secrets else {
        return Err(Failure::Launch("it mounts secrets and has no file of any"));
    };
    make_mount_point(site, target, Shape::Directory)?;
    let directory = mount::clone_of(&secrets.below, READONLY);
    let directory = directory.cannot_at("mount the secrets of", target)?;
    site.attach(&directory, target, Shape::Directory)
}

/// Mounts one file.
pub fn mount_file(
    site: &Site<'_>,
    (target, file): &(std::path::PathBuf, OwnedFd),
) -> Result<(), Failure> {
    make_mount_point(site, target, Shape::File)?;
    let file = mount::clone_of(file, READONLY).cannot_at("mount the secret", target)?;
    site.attach(&file, target, Shape::File)
}

/// Makes what is missing of a mount point. The image is read-only, so this can
/// succeed on a volume only; which ones is for `resolve` to say.
fn make_mount_point(site: &Site<'_>, target: &Path, shape: Shape) -> Result<(), Failure> {
    let found = site.open(target, OFlags::PATH);
    if !matches!(&found, Err(err) if err.kind() == io::ErrorKind::NotFound) {
        return Ok(());
    }
    let failure = |cause| no_mount_point(target, cause);
    let parent = target.parent().unwrap_or(Path::new("/"));
    if parent != Path::new("/") {
        make_mount_point(site, parent, Shape::Directory)?;
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    let parent = site.open(parent, flags).map_err(failure)?;
    let name = Path::new(target.file_name().unwrap_or_default());
    let made = match shape {
        Shape::Directory => make_directory(&parent, name).map(drop),
        Shape::File => new_file(&parent, name, 0o444).map(drop),
    };
    // Where nothing can be made, nothing is there.
    made.map_err(|err| match err.raw_os_error() {
        Some(libc::EROFS) => failure(io::ErrorKind::NotFound.into()),
        _ => failure(err),
    })
}

/// Makes a file with its owner, in directories that everybody may look into.
fn make_file(top: &OwnedFd, path: &Path, owner: &Owner) -> io::Result<OwnedFd> {
    let mut directory = openat(top, ".", WALK, Mode::empty())?;
    for component in path.parent().into_iter().flat_map(Path::components) {
        match component {
            Component::Normal(name) => directory = make_directory(&directory, Path::new(name))?,
            _ => return Err(Errno::XDEV.into()),
        }
    }
    let file = new_file(
        &directory,
        Path::new(path.file_name().unwrap_or_default()),
        0,
    )?;
    let (uid, gid) = (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid));
    fchown(&file, Some(uid), Some(gid))?;
    fchmod(&file, Mode::from_raw_mode(owner.mode))?;
    Ok(file)
}

fn new_file(directory: &OwnedFd, name: &Path, mode: u32) -> io::Result<OwnedFd> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    Ok(openat(directory, name, flags, Mode::from_raw_mode(mode))?)
}

/// Opens a directory, making it if it is missing.
fn make_directory(parent: &OwnedFd, name: &Path) -> io::Result<OwnedFd> {
    match mkdirat(parent, name, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => Ok(openat(parent, name, WALK, Mode::empty())?),
        Err(err) => Err(err.into()),
    }
}
