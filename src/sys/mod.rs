//! A thin, safe layer over system calls, with owned file descriptors.
//!
//! It returns [`std::io::Result`] and knows nothing of lithos. Unsafe code lives
//! only below this module.

pub mod beneath;
pub mod capability;
pub mod clone;
pub mod descriptor;
pub mod disposition;
#[cfg(test)]
pub mod forked;
pub mod keyring;
pub mod landlock;
pub mod limits;
pub mod lock;
pub mod memfd;
pub mod memory;
pub mod mount;
pub mod namespace;
pub mod netlink;
pub mod packet;
pub mod pidfd;
pub mod seccomp;
pub mod socket;
pub mod spawn;
