//! Giving up capabilities, for good.

use std::io;

use rustix::io::Errno;
use rustix::thread::{
    CapabilitySets, capability_is_in_bounding_set, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities,
};

pub use rustix::thread::CapabilitySet;

/// Empties the bounding set and the ambient set, so that no program executed
/// later can gain a capability.
///
/// Needs `CAP_SETPCAP` unless the bounding set is empty already.
pub fn bound_to_none() -> io::Result<()> {
    for number in 0..u64::BITS {
        let one = CapabilitySet::from_bits_retain(1 << number);
        match capability_is_in_bounding_set(one) {
            Ok(true) => remove_capability_from_bounding_set(one)?,
            Ok(false) => {}
            // The kernel knows no capability of this number, nor any above.
            Err(Errno::INVAL) => break,
            Err(err) => return Err(err.into()),
        }
    }
    Ok(clear_ambient_capability_set()?)
}

/// Gives up every capability but those in `kept`, for good.
pub fn keep_only(kept: CapabilitySet) -> io::Result<()> {
    let sets = CapabilitySets {
        effective: kept,
        permitted: kept,
        inheritable: CapabilitySet::empty(),
    };
    Ok(set_capabilities(None, sets)?)
}
