//! Real containers, looked at from inside by a probe and from outside by us.
//!
//! Root is needed. Without it each test prints SKIP and why; with
//! `LITHOS_TEST_ROOT=1` that is a failure. See [`ground`] for how a test is laid
//! out, and `tests/probe` for what the probe can be asked.

mod ground;
#[path = "../probe/built.rs"]
mod probe;
#[allow(dead_code, reason = "shared with tests/chaos and tests/faults")]
mod tree;

mod audit;
mod bad_input;
mod confinement;
mod descriptors;
mod environment;
mod escape;
mod filesystem;
mod host_files;
mod identity;
mod limits;
mod logs;
mod loosening;
mod memory;
mod output;
mod reach;
mod real_programs;
mod recovery;
mod reload;
mod rotation;
mod secret_defaults;
mod secret_files;
mod secret_programs;
mod secrets;
mod service;
mod signals;
mod sockets;
mod supervision;
mod switch;
mod vectors;
mod volumes;
