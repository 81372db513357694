//! More rights than one has: ids, capabilities, limits.

use super::Fails;
use super::Outcome::{Done, Errno, Gets, GetsNot};
use super::Place;
use super::Without::{Loose, Ordinary, Other, Root};
use nix::errno::Errno::{EACCES, EPERM};

const NONE: &str =
    "0000000000000000 0000000000000000 0000000000000000 0000000000000000 0000000000000000";
const REFUSED: Fails = Fails::all(Errno(&[EPERM]));

super::attempts! {
    /// Also not by root in the container, who has no capability.
    nobody_becomes_another_user: "become:7", REFUSED, Loose(Done);

    nobody_becomes_another_group: "become-group:7", REFUSED, Loose(Done);

    no_supplementary_group_is_taken: "other-groups", REFUSED, Loose(Done);

    /// CVE-2022-29162: inheritable ones too.
    there_is_no_capability_in_any_set: "capability-sets", Fails::all(Gets(NONE)),
        Loose(GetsNot(NONE));

    no_capability_is_taken: "all-capabilities", REFUSED, Loose(Done);

    no_capability_is_made_ambient: "ambient-capability", REFUSED, Loose(Done);

    no_program_gives_new_privileges: "new-privileges", REFUSED, Ordinary(Gets("possible"));

    the_limit_of_open_files_is_not_raised: "more-files", REFUSED, Loose(Done);

    core_files_are_not_allowed_again: "larger-core", REFUSED, Root(Done);

    nobody_gets_more_processor_time_than_its_share: "priority",
        Fails::all(Errno(&[EACCES])), Root(Done);

    /// A map is written once. The opposite is a namespace without one.
    the_ids_are_not_mapped_anew: "map-ids:/proc/self/uid_map", REFUSED,
        Other(Place::Ordinary, "map-ids-anew:/proc/self/uid_map", Done);
}
