//! System calls that no service needs: refused by the seccomp filter.

use super::Fails;
use super::Outcome::{Beyond, Done, Errno};
use super::Place;
use super::Without::{Loose, Ordinary, Other, Root};
use nix::errno::Errno::{EACCES, EINVAL, ENOENT, ENOKEY, EPERM};

const REFUSED: Fails = Fails::all(Errno(&[EPERM]));

super::attempts! {
    a_program_for_the_kernel_is_not_loaded: "bpf", REFUSED, Loose(Done);

    performance_events_are_not_opened: "perf-event", REFUSED, Loose(Done);

    faults_of_the_kernel_are_not_handled_by_a_process: "userfaultfd", REFUSED, Loose(Done);

    no_io_uring_is_made: "io-uring", REFUSED, Loose(Done);

    /// Keyrings are no namespace: the user's and the session's are the host's.
    the_session_keyring_is_not_read: "read-keyring", REFUSED, Loose(Done);

    no_key_is_added: "add-key", REFUSED, Loose(Done);

    /// Which would run a program of the host, as root.
    no_key_is_requested: "request-key:lithos-test", REFUSED, Loose(Errno(&[ENOKEY, ENOENT, EACCES]));

    /// The opposite asks for an empty kernel, which the kernel, if it has the call
    /// at all, takes as asking for none.
    no_kernel_is_loaded: "kexec", REFUSED, Loose(Beyond(EPERM));

    /// The opposite gets told that zeros are no module, or that there are none.
    no_module_is_loaded: "load-module", REFUSED, Loose(Beyond(EPERM));

    no_module_is_loaded_from_a_file: "load-module-file", REFUSED, Loose(Beyond(EPERM));

    no_module_is_unloaded: "delete-module", REFUSED, Loose(Beyond(EPERM));

    /// The way of the "shocker" exploit to any file of the image's disk.
    a_file_is_not_opened_by_its_handle: "open-by-handle", REFUSED, Loose(Done);

    addresses_stay_random: "personality", REFUSED, Ordinary(Done);

    /// CVE-2017-5226: the shell that waits behind the container would read it.
    nothing_is_typed_into_the_terminal: "type-into-terminal", REFUSED, Root(Beyond(EPERM));

    /// The opposite gets told that a pseudo-terminal is no console.
    nothing_is_pasted_into_the_console: "paste-into-console", REFUSED, Root(Beyond(EPERM));

    the_kernel_log_is_not_read: "read-kernel-log", REFUSED, Loose(Done);

    /// The opposite sets the time zone that it is in already.
    the_clock_is_not_set: "set-time", REFUSED, Loose(Done);

    /// The opposites of the next three ask for nonsense, and get told so: on the
    /// way to that the kernel has found them entitled.
    the_machine_is_not_restarted: "reboot", REFUSED, Loose(Errno(&[EINVAL]));

    no_swap_is_added: "swap-on", REFUSED, Loose(Errno(&[ENOENT]));

    process_accounting_is_not_turned_on: "account", REFUSED, Loose(Errno(&[ENOENT]));

    a_child_is_not_traced: "trace-child", REFUSED, Ordinary(Done);

    /// The opposite is the same call on a child: tracing the real knot would stop it.
    the_knot_is_not_traced: "trace:1", REFUSED, Other(Place::Loose, "trace-child", Done);

    the_memory_of_a_child_is_not_read: "read-child-memory", REFUSED, Ordinary(Done);

    the_memory_of_a_child_is_not_written: "write-child-memory", REFUSED, Ordinary(Done);

    /// The opposite may look, and finds nothing at the address.
    the_memory_of_the_knot_is_not_read: "read-memory:1", REFUSED, Loose(Beyond(EPERM));

    no_descriptor_is_taken_from_the_knot: "take-descriptor:1", REFUSED, Loose(Done);

    the_knot_is_not_compared: "compare:1", REFUSED, Loose(Done);
}
