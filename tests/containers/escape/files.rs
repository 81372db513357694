//! Files: what is hidden or read-only, devices, programs with more rights.

use super::Fails;
use super::Outcome::{Beyond, Done, Errno, Gets, GetsNot};
use super::Place;
use super::Without::{Loose, Ordinary, Other, Root};
use nix::errno::Errno::{EACCES, ENOSPC, EPERM, EROFS, ETXTBSY};

const HIDDEN: Fails = Fails::all(Gets("nothing"));
/// Hidden from whoever may be root of the host, and by its mode from the others.
const OF_ROOT: Fails = Fails::each(Errno(&[EACCES]), Errno(&[EACCES]), Gets("nothing"));
/// Root's on the host, so only he is kept out by what is mounted; everybody else
/// by the file's mode.
const READONLY: Fails = Fails::each(Errno(&[EACCES]), Errno(&[EACCES]), Errno(&[EROFS]));
/// Whoever its mode lets.
const READONLY_FOR_ALL: Fails = Fails::all(Errno(&[EROFS]));

super::attempts! {
    /// The way of most escapes: a program of the host for every crash.
    the_core_pattern_is_not_written: "open-to-write:/proc/sys/kernel/core_pattern",
        READONLY, Root(Done);

    the_hosts_name_is_not_written: "open-to-write:/proc/sys/kernel/hostname", READONLY, Root(Done);

    settings_of_memory_are_not_written: "open-to-write:/proc/sys/vm/overcommit_memory",
        READONLY, Root(Done);

    settings_of_the_network_are_not_written: "open-to-write:/proc/sys/net/ipv4/ip_forward",
        READONLY, Root(Done);

    interrupts_are_not_moved: "open-to-write:/proc/irq/default_smp_affinity", READONLY, Root(Done);

    settings_below_sys_are_not_written: "open-to-write:/sys/kernel/rcu_expedited",
        READONLY, Root(Done);

    devices_are_not_told_to_speak: "open-to-write:/sys/devices/virtual/mem/null/uevent",
        READONLY, Root(Done);

    /// Timings of what others type.
    interrupts_are_not_counted: "some-of:/proc/interrupts", HIDDEN, Ordinary(Gets("something"));

    keys_of_others_are_not_listed: "some-of:/proc/keys", HIDDEN, Root(Gets("something"));

    timers_are_not_listed: "some-of:/proc/timer_list", HIDDEN, Root(Gets("something"));

    /// What a page of the machine's memory is, for who looks for a victim's. User zero
    /// has the file's owner.
    the_machines_pages_are_not_looked_through: "some-of:/proc/kpageflags", OF_ROOT,
        Root(Gets("something"));

    the_kernels_memory_is_not_looked_through: "some-of:/proc/slabinfo", OF_ROOT,
        Root(Gets("something"));

    the_firmware_is_not_seen: "entries:/sys/firmware", HIDDEN, Root(Gets("something"));

    /// Out of its cgroup, and thereby out of its limits.
    no_cgroup_is_left: "open-first-to-write:memory/cgroup.procs,cgroup.procs",
        READONLY, Root(Done);

    no_limit_of_memory_is_raised: "open-first-to-write:memory/memory.limit_in_bytes,memory.max,cgroup.procs",
        READONLY, Root(Done);

    no_limit_of_tasks_is_raised: "open-first-to-write:pids/pids.max,pids.max,pids/cgroup.procs,cgroup.procs",
        READONLY, Root(Done);

    /// CVE-2022-0492: with a release agent of one's own.
    no_release_of_a_cgroup_is_notified: "open-first-to-write:memory/notify_on_release,cgroup.subtree_control",
        READONLY, Root(Done);

    a_file_of_the_image_is_not_written: "open-to-write:{image}/open/anybodys",
        READONLY_FOR_ALL, Ordinary(Done);

    no_file_is_made_in_the_image: "make-file:{image}/open/new", READONLY_FOR_ALL, Ordinary(Done);

    no_file_of_the_image_is_removed: "remove:{image}/open/removable",
        READONLY_FOR_ALL, Root(Done);

    /// CVE-2019-5736, on one's own program.
    the_running_program_is_not_overwritten: "overwrite:/proc/self/exe",
        Fails::all(Errno(&[ETXTBSY, EROFS, EACCES])),
        Other(Place::Root, "overwrite:{image}/bin/setuid", Done);

    /// CVE-2019-5736: the knot's program, which is the host's.
    the_knots_program_is_not_overwritten: "overwrite:/proc/1/exe",
        Fails::all(Errno(&[EACCES, EPERM])), Loose(Beyond(EACCES));

    /// The volume is nodev. The opposite is the same kind of node on the host.
    a_device_node_of_a_volume_is_not_opened: "open-to-write:{volume}/null",
        Fails::all(Errno(&[EACCES])), Ordinary(Done);

    /// By Landlock, which looks first, and for want of a capability.
    no_device_node_is_made: "make-device:{volume}/new", Fails::all(Errno(&[EACCES, EPERM])), Root(Done);

    no_device_node_is_made_in_dev: "make-device:/dev/shm/new",
        Fails::all(Errno(&[EACCES, EPERM])), Root(Beyond(EPERM));

    dev_itself_is_not_written: "make-file:/dev/new",
        READONLY_FOR_ALL, Root(Beyond(EROFS));

    /// Volumes are noexec.
    no_program_is_brought_in_through_a_volume: "copy-and-execute:{volume}/program",
        Fails::all(Errno(&[EACCES])), Loose(Done);

    /// For the image is nosuid, and no new privileges are given.
    a_set_user_id_program_gives_no_other_user: "user-of-program:{image}/bin/setuid",
        Fails::each(Gets("1000"), Gets("0"), Gets("0")), Ordinary(Gets("0"));

    a_program_with_capabilities_gives_none: "rights-of-program:{image}/bin/capable",
        Fails::all(Gets("0000000000000000")), Ordinary(GetsNot("0000000000000000"));

    /// Of the small tmpfs that each container gets unasked.
    the_number_of_files_of_the_statedir_is_bounded: "files-until-full:/state",
        Fails::all(Errno(&[ENOSPC])),
        Other(Place::Ordinary, "files-until-full:{volume}", Gets("never full"));

    the_number_of_files_of_a_tmpfs_is_bounded: "files-until-full:/tmp",
        Fails::all(Errno(&[ENOSPC])),
        Other(Place::Ordinary, "files-until-full:{volume}", Gets("never full"));

    the_number_of_files_in_shared_memory_is_bounded: "files-until-full:/dev/shm",
        Fails::all(Errno(&[ENOSPC])),
        Other(Place::Ordinary, "files-until-full:{volume}", Gets("never full"));

    /// All containers share the machine's.
    the_number_of_terminals_is_bounded: "terminals:300", Fails::all(Errno(&[ENOSPC])), Root(Done);
}
