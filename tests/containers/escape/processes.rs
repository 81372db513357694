//! Processes of others, and more processes than one may have.

use super::Fails;
use super::Outcome::{Done, Errno};
use super::Without::{Loose, Ordinary, Root};
use nix::errno::Errno::{EACCES, EAGAIN, ENOENT, EPERM, ESRCH};

const CLOSED: Fails = Fails::all(Errno(&[EACCES]));

super::attempts! {
    /// User zero has the knot's own user id; what keeps him is Landlock (6.12),
    /// and that a pid namespace's first process takes no signal it does not want.
    the_knot_is_sent_no_signal: "signal:1", Fails::all(Errno(&[EPERM])), Loose(Done);

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
