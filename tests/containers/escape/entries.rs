//! Ways into the kernel that only x86-64 has.

#[cfg(target_arch = "x86_64")]
use super::{
    Fails,
    Outcome::{Beyond, Done, Errno},
    Without::{Loose, Ordinary},
};
#[cfg(target_arch = "x86_64")]
use nix::errno::Errno::EPERM;

#[cfg(target_arch = "x86_64")]
const REFUSED: Fails = Fails::all(Errno(&[EPERM]));

#[cfg(target_arch = "x86_64")]
super::attempts! {
    /// By `int 0x80`, where the numbers are those of other calls. The opposite
    /// needs a kernel that has the entry at all.
    the_kernel_is_not_entered_as_i386: "enter-as-i386", REFUSED, Ordinary(Done);

    the_kernel_is_not_entered_as_x32: "enter-as-x32", REFUSED, Ordinary(Beyond(EPERM));

    segments_are_not_changed: "modify-ldt", REFUSED, Ordinary(Done);

    /// The opposite needs a kernel that has the call at all.
    no_right_to_ports_is_taken: "raise-io-privilege", REFUSED, Loose(Beyond(EPERM));
}

#[cfg(not(target_arch = "x86_64"))]
super::attempts! {}
