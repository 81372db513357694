//! The wall behind the wall: root with capabilities in a mapped container,
//! without seccomp and Landlock. Mounts, pids and the host name belong to the
//! host's user namespace, so he has no say about them all the same.

use super::Fails;
use super::Outcome::{Beyond, Done, Errno};
use super::Place;
use super::Without::{Loose, Other, Root};
use nix::errno::Errno::{EACCES, EINVAL, ENOENT, EPERM};

const REFUSED: Fails = Fails::unfiltered(Errno(&[EPERM]));

super::attempts! {
    unfiltered_nothing_is_mounted: "mount:/shared", REFUSED, Loose(Done);

    unfiltered_no_mount_is_undone: "unmount:/tmp", REFUSED, Loose(Done);

    unfiltered_the_image_does_not_become_writable: "lift-read-only:/", REFUSED, Loose(Done);

    /// Mounts that come from a more privileged namespace are locked in a copy.
    unfiltered_nothing_hidden_is_uncovered_in_another_namespace:
        "uncover-in-user-namespace:/proc/interrupts", Fails::unfiltered(Errno(&[EINVAL])),
        Other(Place::Loose, "uncover:/proc/interrupts", Done);

    unfiltered_the_mounts_of_the_knot_are_not_entered: "enter:/proc/1/ns/mnt",
        Fails::unfiltered(Errno(&[EACCES])), Loose(Done);

    unfiltered_the_environment_of_the_knot_is_not_read: "environment-of:1",
        Fails::unfiltered(Errno(&[EACCES])), Loose(Done);

    unfiltered_the_knot_is_not_traced: "trace:1", REFUSED,
        Other(Place::Loose, "trace-child", Done);

    unfiltered_no_descriptor_is_taken_from_the_knot: "take-descriptor:1", REFUSED, Loose(Done);

    unfiltered_the_memory_of_the_knot_is_not_read: "read-memory:1", REFUSED, Loose(Beyond(EPERM));

    unfiltered_the_knot_is_sent_no_signal: "signal:1", REFUSED, Loose(Done);

    unfiltered_the_core_pattern_is_not_written: "open-to-write:/proc/sys/kernel/core_pattern",
        Fails::unfiltered(Errno(&[EACCES])), Root(Done);

    unfiltered_a_file_is_not_opened_by_its_handle: "open-by-handle", REFUSED, Loose(Done);

    unfiltered_no_device_node_is_made: "make-device:{volume}/new", REFUSED, Root(Done);

    unfiltered_no_swap_is_added: "swap-on", REFUSED, Loose(Errno(&[ENOENT]));

    unfiltered_the_clock_is_not_set: "set-time", REFUSED, Loose(Done);

    unfiltered_the_host_name_is_not_set: "host-name", REFUSED, Loose(Done);
}
