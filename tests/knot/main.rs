//! `lithos_knot` by itself, started the way the supervisor starts it: every
//! mount, id, descriptor and variable of a container as its process sees them.
//!
//! Needs root. Without it each test prints SKIP; with `LITHOS_TEST_ROOT=1` that
//! is a failure.

// `fork` of the launcher, for which the supervisor has a process with one thread
#![allow(unsafe_code)]

#[macro_use]
mod launcher;

mod cgroups;
mod descriptors;
mod failures;
mod ids;
mod life;
mod mount_points;
mod mounts;
mod secrets;
