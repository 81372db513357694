//! Mounts by file descriptor: the mount API of 5.2, and `mount_setattr` of 5.12.
//!
//! A mount is made detached, given its attributes, and attached to a directory
//! (or file) that is open already, so that no path is resolved twice.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags,
    OpenTreeFlags, UnmountFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string, fsmount,
    fsopen, mount_change, move_mount, open_tree, unmount,
};

/// What is forbidden on a mount.
pub type Attributes = MountAttrFlags;

/// No set-user-id programs.
pub const NOSUID: Attributes = Attributes::MOUNT_ATTR_NOSUID;
/// No device files.
pub const NODEV: Attributes = Attributes::MOUNT_ATTR_NODEV;
/// No programs.
pub const NOEXEC: Attributes = Attributes::MOUNT_ATTR_NOEXEC;
/// No writing.
pub const READONLY: Attributes = Attributes::MOUNT_ATTR_RDONLY;

/// Cuts every mount of this mount namespace off from those of others: no mount
/// goes out, and none comes in.
pub fn make_all_private() -> io::Result<()> {
    let flags = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    Ok(mount_change("/", flags)?)
}

/// A new instance of a file system, detached.
pub fn new_filesystem(
    kind: &str,
    options: &[(&str, &str)],
    attributes: Attributes,
) -> io::Result<OwnedFd> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    configured(&context, options, attributes)
}

/// A new tmpfs, detached, that is never written to swap where the kernel can do
/// that (from 6.4 on).
pub fn unswappable_tmpfs(options: &[(&str, &str)], attributes: Attributes) -> io::Result<OwnedFd> {
    let context = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    match fsconfig_set_flag(&context, "noswap") {
        Ok(()) => {}
        Err(Errno::INVAL) => return new_filesystem("tmpfs", options, attributes),
        Err(err) => return Err(err.into()),
    }
    configured(&context, options, attributes)
}

fn configured(
    context: &OwnedFd,
    options: &[(&str, &str)],
    attributes: Attributes,
) -> io::Result<OwnedFd> {
    for (key, value) in options {
        fsconfig_set_string(context, *key, *value)?;
    }
    fsconfig_create(context)?;
    let flags = FsMountFlags::FSMOUNT_CLOEXEC;
    Ok(fsmount(context, flags, attributes)?)
}

/// The directory or file that `source` is open on, as a mount of its own,
/// detached. Mounts below it are not part of it.
///
/// Before 6.15 `source` must lie on a mount that is attached.
pub fn clone_of(source: impl AsFd, attributes: Attributes) -> io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH;
    let mount = open_tree(source, "", flags)?;
    restrict(&mount, attributes)?;
    Ok(mount)
}

/// Adds `attributes` to a mount.
pub fn restrict(mount: impl AsFd, attributes: Attributes) -> io::Result<()> {
    let wanted = libc::mount_attr {
        attr_set: attributes.bits().into(),
        attr_clr: 0,
        propagation: 0,
        userns_fd: 0,
    };
    // SAFETY: the path is a C string, and `wanted` lives across the call with
    // the size given.
    let status = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_fd().as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            &raw const wanted,
            size_of_val(&wanted),
        )
    };
    match status {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Attaches a detached mount to what `target` is open on. `mount` then is the
/// root of the attached mount; `target` stays what lies beneath it.
pub fn attach(mount: impl AsFd, target: impl AsFd) -> io::Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    Ok(move_mount(mount, "", target, "", flags)?)
}

/// Makes an attached mount the root and the working directory, and detaches
/// the old root with everything on it.
pub fn enter_root(root: impl AsFd) -> io::Result<()> {
    rustix::process::fchdir(root)?;
    // Both on the same directory: the old root lands on top of the new one,
    // and needs no directory in it. See pivot_root(2), "pivot_root(".", ".")".
    rustix::process::pivot_root(".", ".")?;
    unmount(".", UnmountFlags::DETACH)?;
    rustix::process::chdir("/")?;
    Ok(())
}

/// A directory of the calling process's file system, only for walking from it.
pub fn open_directory(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(openat(CWD, path, flags, Mode::empty())?)
}
