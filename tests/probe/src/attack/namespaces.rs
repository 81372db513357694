//! Mounts and namespaces: undoing what the container is made of.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;

use nix::libc;
use nix::sched::{CloneFlags, setns, unshare};
use rustix::fs::CWD;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MountPropagationFlags, MoveMountFlags,
    OpenTreeFlags, fsconfig_create, fsmount, fsopen, mount, mount_change, move_mount, open_tree,
};
use serde_json::Value;

use super::raw::Argument::{Memory, Number};
use super::raw::{self, call};
use super::{Outcome, done, text};

pub fn perform(verb: &str, object: &str) -> Outcome {
    let result = match verb {
        "mount" => mount_of_kind("tmpfs", object, ""),
        "mount-proc" => mount_of_kind("proc", object, ""),
        "bind" => done(rustix::mount::mount_bind("/", object)),
        "share-mounts" => done(mount_change(
            object,
            MountPropagationFlags::SHARED | MountPropagationFlags::REC,
        )),
        "new-mount" => new_mount(object),
        "clone-tree" => done(open_tree(CWD, object, tree_flags())),
        "move-tree" => move_tree(object),
        "lift-read-only" => lift_read_only(object),
        "pivot-root" => done(rustix::process::pivot_root(object, object)),
        "chroot" => done(rustix::process::chroot(object)),
        "chroot-and-climb" => chroot_and_climb(object),
        "climb" => climb(),
        "enter" => enter(object),
        "unshare" => done(unshare(kind(object))),
        "clone" => done(raw::clone(kind(object).bits())),
        "clone3" => done(raw::clone3(kind(object).bits() as u64)),
        "mount-in-user-namespace" => mount_in_user_namespace(object),
        "mount-cgroup-in-user-namespace" => mount_cgroup(),
        "uncover" => uncover(object, CloneFlags::CLONE_NEWNS),
        "uncover-in-user-namespace" => {
            uncover(object, CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWUSER)
        }
        "host-name" => done(rustix::system::sethostname(b"hostile")),
        _ => return None,
    };
    Some(result)
}

fn kind(name: &str) -> CloneFlags {
    match name {
        "user" => CloneFlags::CLONE_NEWUSER,
        "mount" => CloneFlags::CLONE_NEWNS,
        "net" => CloneFlags::CLONE_NEWNET,
        "pid" => CloneFlags::CLONE_NEWPID,
        "ipc" => CloneFlags::CLONE_NEWIPC,
        "uts" => CloneFlags::CLONE_NEWUTS,
        "cgroup" => CloneFlags::CLONE_NEWCGROUP,
        _ => CloneFlags::empty(),
    }
}

fn mount_of_kind(kind: &str, target: &str, options: &str) -> io::Result<Value> {
    let options = std::ffi::CString::new(options)?;
    done(mount(
        "probe",
        target,
        kind,
        MountFlags::empty(),
        options.as_c_str(),
    ))
}

/// The same by the new calls.
fn new_mount(target: &str) -> io::Result<Value> {
    let context = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(&context)?;
    let made = fsmount(
        &context,
        FsMountFlags::FSMOUNT_CLOEXEC,
        MountAttrFlags::empty(),
    )?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    done(move_mount(made, "", CWD, target, flags))
}

fn tree_flags() -> OpenTreeFlags {
    OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::AT_RECURSIVE
}

/// Takes a mount away from its place.
fn move_tree(from: &str) -> io::Result<Value> {
    let flags = MoveMountFlags::empty();
    done(move_mount(CWD, from, CWD, "/shared", flags))
}

/// `mount_setattr` that clears MOUNT_ATTR_RDONLY.
fn lift_read_only(path: &str) -> io::Result<Value> {
    let mut path = format!("{path}\0").into_bytes();
    // struct mount_attr: attr_set, attr_clr, propagation, userns_fd.
    let mut attributes = [0; 32];
    attributes[8] = 1;
    let mut arguments = [
        Number(libc::AT_FDCWD as i64 as u64),
        Memory(&mut path),
        Number(0),
        Memory(&mut attributes),
        Number(32),
    ];
    done(call(libc::SYS_mount_setattr, &mut arguments))
}

/// Out of a root that one is not within: the classic way out of a chroot.
fn chroot_and_climb(target: &str) -> io::Result<Value> {
    rustix::process::chroot(target)?;
    climb()
}

/// Up from the working directory as far as it goes: `root` if that is the root.
fn climb() -> io::Result<Value> {
    for _ in 0..64 {
        rustix::process::chdir("..")?;
    }
    let (top, root) = (std::fs::metadata(".")?, std::fs::metadata("/")?);
    let same = (top.dev(), top.ino()) == (root.dev(), root.ino());
    let reached = std::env::current_dir().is_ok_and(|dir| dir == std::path::Path::new("/"));
    text(if same && reached { "root" } else { "outside" })
}

fn enter(namespace: &str) -> io::Result<Value> {
    done(setns(File::open(namespace)?, CloneFlags::empty()))
}

/// All capabilities, over things of one's own: where most of the kernel's
/// privilege escalations begin.
fn mount_in_user_namespace(target: &str) -> io::Result<Value> {
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS)?;
    mount_of_kind("tmpfs", target, "")
}

/// Takes away what is mounted over a path, in a copy of all mounts.
fn uncover(path: &str, namespaces: CloneFlags) -> io::Result<Value> {
    unshare(namespaces)?;
    done(rustix::mount::unmount(
        path,
        rustix::mount::UnmountFlags::DETACH,
    ))
}

/// A cgroup file system of one's own, writable, with its release agent.
fn mount_cgroup() -> io::Result<Value> {
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWCGROUP)?;
    let version_1 = mount_of_kind("cgroup", "/sys/fs/cgroup", "memory");
    version_1.or_else(|_| mount_of_kind("cgroup2", "/sys/fs/cgroup", ""))
}
