//! Giving up capabilities, for good.

use std::io;

use rustix::io::Errno;
use rustix::thread::{
    CapabilitySets, capabilities, capability_is_in_bounding_set, clear_ambient_capability_set,
    configure_capability_in_ambient_set, remove_capability_from_bounding_set, set_capabilities,
    set_keep_capabilities,
};

pub use rustix::thread::CapabilitySet;

/// Empties the bounding set but for `kept`, and the ambient set, so that no
/// program executed later can gain another capability.
///
/// Needs `CAP_SETPCAP` unless there is nothing to remove.
pub fn bound_to(kept: CapabilitySet) -> io::Result<()> {
    for one in each() {
        if kept.contains(one) {
            continue;
        }
        match remove_capability_from_bounding_set(one) {
            Ok(()) => {}
            Err(err) => match capability_is_in_bounding_set(one) {
                // The kernel knows no capability of this number, nor any above.
                Err(Errno::INVAL) => break,
                // What is not there need not be removed.
                Ok(false) => {}
                _ => return Err(err.into()),
            },
        }
    }
    Ok(clear_ambient_capability_set()?)
}

/// Gives up every capability but those in `kept`, for good; an exec loses these
/// too.
pub fn keep_only(kept: CapabilitySet) -> io::Result<()> {
    set(kept, CapabilitySet::empty())
}

/// Takes up all that it may: a change of the effective user id from root's to another
/// has left it with nothing in effect.
pub fn use_permitted() -> io::Result<()> {
    let mut sets = capabilities(None)?;
    sets.effective = sets.permitted;
    Ok(set_capabilities(None, sets)?)
}

/// Lets the next change of user ids leave the permitted set as it is. An exec
/// ends it.
pub fn keep_over_new_ids() -> io::Result<()> {
    Ok(set_keep_capabilities(true)?)
}

/// Has exactly the capabilities in `held`, which must be permitted and within the
/// bounding set; the programs executed from now on have them too, whoever's
/// they are.
pub fn hold(held: CapabilitySet) -> io::Result<()> {
    set(held, held)?;
    for one in each().filter(|&one| held.contains(one)) {
        configure_capability_in_ambient_set(one, true)?;
    }
    Ok(())
}

fn each() -> impl Iterator<Item = CapabilitySet> {
    (0..u64::BITS).map(|number| CapabilitySet::from_bits_retain(1 << number))
}

fn set(kept: CapabilitySet, inheritable: CapabilitySet) -> io::Result<()> {
    let sets = CapabilitySets {
        effective: kept,
        permitted: kept,
        inheritable,
    };
    Ok(set_capabilities(None, sets)?)
}
