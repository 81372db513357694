//! Processes of others, and more processes than one may have.

use super::Fails;
use super::Outcome::{Done, Errno};
use super::Place;
use super::Without::{Loose, Ordinary, Other, Root};
use nix::errno::Errno::{EACCES, EAGAIN, ENOENT, EPERM, ESRCH};

const CLOSED: Fails = Fails::all(Errno(&[EACCES]));

const REFUSED: Fails = Fails::all(Errno(&[EPERM]));

super::attempts! {
    /// Landlock, too, keeps from it (6.12), and that a pid namespace's first process
    /// takes no signal it does not want.
    the_knot_is_sent_no_signal: "signal:1", Fails::all(Errno(&[EPERM])), Loose(Done);

    /// Nobody in a container, user zero included, has a user id that the knot has.
    the_knot_is_not_kept_from_writing_its_report: "starve:1", REFUSED,
        Other(Place::Loose, "starve-child", Done);

    the_knot_is_not_made_to_wait_for_everybody_else: "renice:1", REFUSED,
        Other(Place::Loose, "renice-child", Done);

    nor_for_the_disk: "slow-disk:1", REFUSED, Other(Place::Loose, "slow-disk-child", Done);

    nor_for_the_processor: "schedule:1", REFUSED, Other(Place::Loose, "schedule-child", Done);

    the_environment_of_the_knot_is_not_read: "environment-of:1", CLOSED, Loose(Done);

    the_memory_of_the_knot_is_not_opened: "some-of:/proc/1/maps", CLOSED, Loose(Done);

    /// CVE-2016-9962: descriptors of the one who starts containers. (User zero may
    /// count them.)
    the_descriptors_of_the_knot_are_not_read: "links:/proc/1/fd", CLOSED, Loose(Done);

    the_root_of_the_knot_is_not_entered: "entries:/proc/1/root/", CLOSED, Loose(Done);

    the_working_directory_of_the_knot_is_not_entered: "entries:/proc/1/cwd/", CLOSED, Loose(Done);

    /// User zero may, and ends his own container thereby, no other.
    the_knot_is_not_made_a_victim_of_memory_shortage: "open-to-write:/proc/1/oom_score_adj",
        Fails::each(Errno(&[EACCES]), Errno(&[EACCES]), Done), Root(Done);

    the_supervisor_is_not_seen: "find-process:lithos_tree", Fails::all(Errno(&[ESRCH])),
        Ordinary(Done);

    shared_memory_of_the_host_is_not_found: "shared-memory:{key}", Fails::all(Errno(&[ENOENT])),
        Ordinary(Done);

    /// A fork bomb, which ends at the container's number of tasks.
    a_fork_bomb_stops_at_the_limit_of_tasks: "forks:120", Fails::all(Errno(&[EAGAIN])),
        Loose(Done);
}
