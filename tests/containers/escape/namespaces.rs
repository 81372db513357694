//! Mounts and namespaces: undoing what the container is made of, or making more.

use super::Fails;
use super::Outcome::{Done, Errno, Gets};
use super::Place;
use super::Without::{Loose, Ordinary, Other};
use nix::errno::Errno::{EACCES, EBUSY, EINVAL, ENOSYS, EPERM};

const REFUSED: Fails = Fails::all(Errno(&[EPERM]));

super::attempts! {
    nothing_is_mounted: "mount:/shared", REFUSED, Loose(Done);

    nothing_is_mounted_by_the_new_calls_either: "new-mount:/shared", REFUSED, Loose(Done);

    no_other_proc_is_mounted: "mount-proc:/shared", REFUSED, Loose(Done);

    the_root_is_not_mounted_elsewhere: "bind:/shared", REFUSED, Loose(Done);

    no_mount_is_copied: "clone-tree:/", REFUSED, Loose(Done);

    no_mount_is_moved_away: "move-tree:/dev/shm", REFUSED, Loose(Done);

    no_mount_is_undone: "unmount:/tmp", REFUSED, Loose(Done);

    mounts_are_not_shared_with_anybody: "share-mounts:/dev/pts", REFUSED, Loose(Done);

    the_image_does_not_become_writable: "lift-read-only:/", REFUSED, Loose(Done);

    what_hides_a_part_of_proc_is_not_taken_away: "uncover:/proc/interrupts", REFUSED, Loose(Done);

    /// The opposite gets told that the directory is no mount.
    the_root_is_not_replaced: "pivot-root:/work", REFUSED, Loose(Errno(&[EINVAL, EBUSY]));

    the_root_is_not_changed: "chroot:/work", REFUSED, Loose(Done);

    /// Up and out of a root that one is not within.
    no_chroot_is_left_upwards: "chroot-and-climb:/work", REFUSED, Loose(Gets("outside"));

    /// CVE-2024-21626: the working directory is no way to the host. The opposite
    /// begins outside of its root.
    the_working_directory_leads_to_the_root_and_no_further: "climb", Fails::all(Gets("root")),
        Other(Place::Loose, "chroot-and-climb:/work", Gets("outside"));

    no_namespace_is_entered: "enter:/proc/self/ns/uts", REFUSED, Loose(Done);

    /// It belongs to the host's user namespace, and the knot is not dumpable.
    the_mounts_of_the_knot_are_not_entered: "enter:/proc/1/ns/mnt",
        Fails::all(Errno(&[EACCES])), Loose(Done);

    no_user_namespace_is_made: "unshare:user", REFUSED, Ordinary(Done);

    no_mount_namespace_is_made: "unshare:mount", REFUSED, Loose(Done);

    no_network_namespace_is_made: "unshare:net", REFUSED, Loose(Done);

    no_pid_namespace_is_made: "unshare:pid", REFUSED, Loose(Done);

    no_cgroup_namespace_is_made: "unshare:cgroup", REFUSED, Loose(Done);

    no_user_namespace_is_made_by_clone: "clone:user", REFUSED, Ordinary(Done);

    /// Its flags are out of a filter's sight: C libraries fall back to `clone`.
    no_user_namespace_is_made_by_clone3: "clone3:user", Fails::all(Errno(&[ENOSYS])),
        Ordinary(Done);

    /// Where most escalations of the past years began.
    nothing_is_mounted_in_a_user_namespace: "mount-in-user-namespace:/sys", REFUSED,
        Ordinary(Done);

    /// CVE-2022-0492: a hierarchy of one's own, with its release agent.
    no_cgroup_hierarchy_is_mounted_in_a_user_namespace: "mount-cgroup-in-user-namespace", REFUSED,
        Ordinary(Done);

    the_host_name_is_not_set: "host-name", REFUSED, Loose(Done);
}
